#include "netstack/lwip_port.hpp"

#include <algorithm>
#include <cstring>

#include "base/assert.hpp"
#include "lwip/ip.h"
#include "lwip/nd6.h"
#include "lwip_hooks.h"
#include "netstack/tcp_core.hpp"

namespace culvert::netstack::lwip_port {

namespace {
TcpCore* the_core = nullptr;
netif the_interface;
}  // namespace

void set_core(TcpCore* core, std::size_t mtu) noexcept {
  BASE_ASSERT(core == nullptr || the_core == nullptr);
  the_core = core;
  the_interface.mtu = u16_t(mtu);
  the_interface.mtu6 = u16_t(mtu);
  ip_data.current_netif = ip_data.current_input_netif = &the_interface;
}

void set_current(const base::IpAddress& source, const base::IpAddress& destination) noexcept {
  ip_data.current_iphdr_src = to_lwip(source);
  ip_data.current_iphdr_dest = to_lwip(destination);
}

netif* interface() noexcept {
  return &the_interface;
}

ip_addr_t to_lwip(const base::IpAddress& address) noexcept {
  ip_addr_t out{};
  out.type = address.is_v4() ? IPADDR_TYPE_V4 : IPADDR_TYPE_V6;
  std::memcpy(&out.u_addr, address.bytes().data(), address.bytes().size());
  return out;
}

base::IpAddress from_lwip(const ip4_addr_t& address) noexcept {
  return base::IpAddress::v4(
      std::span<const std::byte, 4>(reinterpret_cast<const std::byte*>(&address), 4));
}

base::IpAddress from_lwip(const ip6_addr_t& address) noexcept {
  return base::IpAddress::v6(
      std::span<const std::byte, 16>(reinterpret_cast<const std::byte*>(&address), 16));
}

}  // namespace culvert::netstack::lwip_port

namespace port = culvert::netstack::lwip_port;

extern "C" {

ip_globals ip_data;
const ip_addr_t ip_addr_any_type = {{{{0, 0, 0, 0}}}, IPADDR_TYPE_ANY};

void culvert_lwip_assertion_failed(const char* what, const char* file, int line) {
  culvert::base::assertion_failed(what, file, line);
}

u32_t culvert_tcp_isn(const ip_addr_t* local, u16_t local_port, const ip_addr_t* remote,
                      u16_t remote_port) {
  std::byte flow[36] = {};
  std::memcpy(flow, &local->u_addr, IP_IS_V6(local) ? 16 : 4);
  std::memcpy(flow + 16, &remote->u_addr, IP_IS_V6(remote) ? 16 : 4);
  std::memcpy(flow + 32, &local_port, 2);
  std::memcpy(flow + 34, &remote_port, 2);
  return port::the_core->initial_sequence_number(flow);
}

u32_t culvert_tcp_out_of_order_bytes(const tcp_pcb* pcb) {
  const auto* flow = static_cast<const culvert::netstack::TcpConnection::Impl*>(pcb->callback_arg);
  if (!flow || port::the_core->budget().out_of_order_is_full()) return 0;
  return u32_t(flow->receive_limit);
}
u16_t culvert_tcp_out_of_order_pbufs(const tcp_pcb* pcb) {
  const auto* flow = static_cast<const culvert::netstack::TcpConnection::Impl*>(pcb->callback_arg);
  // Each holds a packet buffer of 2 KiB: twice the window is the most there is. lwIP walks the
  // queue for each of them, so it must not be endless either.
  constexpr std::size_t least = 64, most = 512;
  return flow ? u16_t(std::clamp(flow->receive_limit / 1024, least, most)) : u16_t(0);
}

netif* ip4_route(const ip4_addr_t*) {
  return &port::the_interface;
}
netif* ip6_route(const ip6_addr_t*, const ip6_addr_t*) {
  return &port::the_interface;
}
u16_t nd6_get_destination_mtu(const ip6_addr_t*, netif* interface) {
  return interface->mtu6;
}
// Every pcb is bound to the address that its client contacted.
const ip_addr_t* ip6_select_source_address(netif*, const ip6_addr_t*) {
  return nullptr;
}
netif* netif_get_by_index(u8_t) {
  return &port::the_interface;
}

err_t ip4_output_if(pbuf* p, const ip4_addr_t* source, const ip4_addr_t* destination, u8_t ttl,
                    u8_t tos, u8_t, netif*) {
  port::the_core->transmit(p, port::from_lwip(*source), port::from_lwip(*destination), ttl, tos);
  return ERR_OK;
}

err_t ip6_output_if(pbuf* p, const ip6_addr_t* source, const ip6_addr_t* destination, u8_t ttl,
                    u8_t tos, u8_t, netif*) {
  port::the_core->transmit(p, port::from_lwip(*source), port::from_lwip(*destination), ttl, tos);
  return ERR_OK;
}

// netstack knows by itself which pcbs need the timer (TcpCore::tick).
void tcp_timer_needed(void) {}

}  // extern "C"
