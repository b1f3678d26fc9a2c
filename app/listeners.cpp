#include "app/listeners.hpp"

#include <fmt/core.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <stdexcept>
#include <system_error>

#include "wg/udp_socket.hpp"

namespace culvert::app {
namespace {

std::string listen_place(const Config& config) {
  return place_of(config,
                  config.places.contains("server.listen") ? "server.listen" : "server.listen_port");
}

base::Endpoint local_endpoint(int fd) {
  sockaddr_storage storage{};
  socklen_t size = sizeof storage;
  if (::getsockname(fd, reinterpret_cast<sockaddr*>(&storage), &size) != 0)
    throw std::system_error(errno, std::generic_category(), "getsockname");
  return base::Endpoint::from_sockaddr(storage);
}

TunnelSockets::Group open_group(const base::Endpoint& listen, unsigned workers) {
  TunnelSockets::Group group;
  // Two servers of one user could share a SO_REUSEPORT group and take each other's datagrams;
  // a first socket without the option finds out whether the port is free.
  base::FileDescriptor probe(wg::bind_udp(listen, false));
  group.local = local_endpoint(probe.get());
  probe.reset();
  for (unsigned i = 0; i < workers; ++i)
    group.sockets.emplace_back(wg::bind_udp(group.local, workers > 1));
  if (workers > 1)
    group.steered = wg::steer_by_receiver_index(group.sockets.front().get(), workers);
  return group;
}

bool family_is_missing(const std::system_error& error) noexcept {
  const int code = error.code().value();
  return code == EAFNOSUPPORT || code == EADDRNOTAVAIL;
}

base::FileDescriptor open_forward(const ForwardEntry& entry) {
  const bool tcp = entry.protocol == base::Protocol::tcp;
  sockaddr_storage address{};
  const socklen_t size = entry.listen.to_sockaddr(address);
  base::FileDescriptor socket(::socket(
      address.ss_family, (tcp ? SOCK_STREAM : SOCK_DGRAM) | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  const int on = 1;
  const bool opened =
      socket &&
      (!entry.listen.address.is_v6() ||
       ::setsockopt(socket.get(), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on) == 0) &&
      (!tcp || ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0) &&
      ::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), size) == 0 &&
      (!tcp || ::listen(socket.get(), SOMAXCONN) == 0);
  if (!opened)
    throw std::runtime_error(fmt::format("{}: cannot listen on {} ({}): {}", entry.place,
                                         entry.listen.to_string(), tcp ? "tcp" : "udp",
                                         std::generic_category().message(errno)));
  return socket;
}

}  // namespace

int TunnelSockets::of(unsigned worker, base::IpAddress::Family family) const noexcept {
  for (const Group& group : groups)
    if (group.local.address.family() == family) return group.sockets[worker].get();
  return -1;
}

TunnelSockets open_tunnel_sockets(const Config& config, unsigned workers) {
  return open_tunnel_sockets(config, config.listen, workers);
}

TunnelSockets open_tunnel_sockets(const Config& config, const std::vector<base::Endpoint>& all,
                                  unsigned workers) {
  const bool both_wildcards = all.size() == 2 && std::ranges::all_of(all, [](const auto& listen) {
                                return listen.address.is_unspecified();
                              });
  TunnelSockets opened;
  for (base::Endpoint listen : all) try {
      if (listen.port == 0 && !opened.groups.empty()) listen.port = opened.groups[0].local.port;
      opened.groups.push_back(open_group(listen, workers));
      if (workers > 1 && !opened.groups.back().steered)
        opened.warnings.push_back(fmt::format(
            "{}: the kernel refuses to steer datagrams to workers", listen.to_string()));
    } catch (const std::system_error& error) {
      const std::string text =
          fmt::format("{}: server.listen: cannot listen on {} (udp): {}", listen_place(config),
                      listen.to_string(), error.code().message());
      if (!both_wildcards || !family_is_missing(error)) throw std::runtime_error(text);
      opened.warnings.push_back(text + "; going on without");
    }
  if (opened.groups.empty())
    throw std::runtime_error(listen_place(config) + ": server.listen: nothing to listen on");
  return opened;
}

std::vector<ForwardSocket> open_forwards(const Config& config, const PeerRoutes& routes) {
  std::vector<ForwardSocket> opened;
  for (const ForwardEntry& entry : config.forwards) {
    const auto route = routes.find(entry.to.address);
    if (!route)
      throw std::runtime_error(
          fmt::format("{}: forward to {}: no peer has this address in its "
                      "allowed IPs",
                      entry.place, entry.to.to_string()));
    opened.push_back({entry, open_forward(entry), route->worker});
  }
  return opened;
}

}  // namespace culvert::app
