#include "app/host_addresses.hpp"

#include <ifaddrs.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <system_error>

namespace culvert::app {

std::vector<base::Prefix> host_addresses() {
  ifaddrs* first = nullptr;
  if (::getifaddrs(&first) != 0)
    throw std::system_error(errno, std::generic_category(),
                            "the host's own addresses cannot be listed (AF_NETLINK)");
  const std::unique_ptr<ifaddrs, void (*)(ifaddrs*)> list(first, ::freeifaddrs);
  std::vector<base::Prefix> found;
  for (const ifaddrs* each = list.get(); each; each = each->ifa_next) {
    if (!each->ifa_addr) continue;
    const int family = each->ifa_addr->sa_family;
    if (family != AF_INET && family != AF_INET6) continue;
    sockaddr_storage storage{};
    std::memcpy(&storage, each->ifa_addr,
                family == AF_INET ? sizeof(sockaddr_in) : sizeof(sockaddr_in6));
    const base::IpAddress address = base::Endpoint::from_sockaddr(storage).address;
    if (address) found.emplace_back(address, address.bits());
  }
  return found;
}

}  // namespace culvert::app
