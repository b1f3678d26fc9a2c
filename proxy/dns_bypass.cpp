#include "proxy/dns_bypass.hpp"

#include "dns/filter.hpp"
#include "proxy/egress_policy.hpp"

namespace culvert::proxy {
namespace {

constexpr std::uint16_t https_port = 443, dot_port = 853, doq_ports[] = {784, 8853};

bool serves_dns(const base::IpAddress& address) noexcept {
  if (dns::is_known_resolver(address)) return true;
  if (!address.is_v6()) return false;
  const EmbeddedIpv4 embedded = all_embedded_ipv4(address);
  for (std::size_t i = 0; i < embedded.count; ++i)
    if (dns::is_known_resolver(embedded.addresses[i])) return true;
  return false;
}

}  // namespace

bool leads_around_dns(const base::Endpoint& target, base::Protocol protocol) noexcept {
  if (protocol != base::Protocol::tcp && protocol != base::Protocol::udp) return false;
  if (target.port == dot_port) return true;
  if (target.port == https_port) return serves_dns(target.address);
  for (const std::uint16_t port : doq_ports)
    if (protocol == base::Protocol::udp && target.port == port) return true;
  return false;
}

}  // namespace culvert::proxy
