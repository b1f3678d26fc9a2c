// What lwIP wants from the world below it: routes, an IP output, a timer, initial sequence numbers.
// lwIP's IP layer is not compiled; its entry points are implemented here and lead to TcpCore.
#pragma once

#include "base/ip.hpp"
#include "lwip/ip_addr.h"
#include "lwip/netif.h"

namespace culvert::netstack {

class TcpCore;

namespace lwip_port {

// The one stack of this process; null when it goes.
void set_core(TcpCore* core, std::size_t mtu) noexcept;
// The addresses of the packet that tcp_input is about to see.
void set_current(const base::IpAddress& source, const base::IpAddress& destination) noexcept;
netif* interface() noexcept;

ip_addr_t to_lwip(const base::IpAddress& address) noexcept;
base::IpAddress from_lwip(const ip4_addr_t& address) noexcept;
base::IpAddress from_lwip(const ip6_addr_t& address) noexcept;

}  // namespace lwip_port
}  // namespace culvert::netstack
