#include "app/startup_log.hpp"

#include <pwd.h>
#include <unistd.h>

#include "base/log.hpp"
#include "proxy/proxy.hpp"
#include "wg/aead.hpp"

namespace culvert::app {
namespace {

namespace log = base::log;

std::string user_name() {
  const passwd* entry = ::getpwuid(::geteuid());
  return fmt::format("{} (uid {})", entry ? entry->pw_name : "unknown", ::geteuid());
}

std::string addresses_of(const Config& config) {
  std::string text;
  for (const Config::Address& each : config.address)
    text += fmt::format("{}{}/{}", text.empty() ? "" : ", ", each.address.to_string(),
                        each.network.length());
  return text.empty() ? "none" : text;
}

void log_sockets(const StartupFacts& facts) {
  for (const auto& group : facts.sockets.groups)
    log::info("listening on {} (udp){}", group.local.to_string(),
              group.steered ? ", steered to workers by the receiver index" : "");
  for (const ForwardSocket& forward : facts.forwards)
    log::info("forwarding {} ({}) to {}", forward.entry.listen.to_string(),
              forward.entry.protocol == base::Protocol::tcp ? "tcp" : "udp",
              forward.entry.to.to_string());
  for (const std::string& warning : facts.sockets.warnings) log::warn("{}", warning);
}

void log_doors(const Config& config) {
  const auto or_none = [](const std::string& text) { return text.empty() ? "none" : text.c_str(); };
  log::info("control socket {}; metrics at {}; state in {}", or_none(config.control_socket),
            config.http.empty() ? "none" : "http://" + config.http + "/metrics",
            or_none(config.state_dir));
}

void log_dns(const dns::Settings& dns) {
  std::string asked;
  for (const std::string& each : dns.upstream.empty() ? dns.system : dns.upstream)
    asked += (asked.empty() ? "" : ", ") + each;
  if (asked.empty())
    return log::warn(
        "no name can be looked up: dns.upstream is empty, and /etc/resolv.conf names "
        "no resolver");
  log::info("questions to port 53 {} are answered here, by {}",
            dns.intercept ? "of any address" : "of the tunnel addresses", asked);
}

void log_flow_cap(const StartupFacts& facts) {
  const proxy::Limits& limits = facts.config.limits;
  const std::size_t by_files = facts.file_limit > limits.reserved_descriptors
                                   ? facts.file_limit - limits.reserved_descriptors
                                   : 0;
  const std::size_t wanted =
      limits.tcp_flows_total ? limits.tcp_flows_total / facts.workers : by_files;
  log::info("open files: {} a worker, {} reserved; at most {} flows a worker", facts.file_limit,
            limits.reserved_descriptors, std::min(wanted, by_files));
  if (by_files < 1024)
    log::warn("the limit of open files ({}) is low: raise it (ulimit -n, LimitNOFILE=)",
              facts.file_limit);
}

}  // namespace

void log_startup(const StartupFacts& facts) {
  const Config& config = facts.config;
  log_sockets(facts);
  log::info("running as {}, {} worker{}, {} peer{}{}", user_name(), facts.workers,
            facts.workers == 1 ? "" : "s", facts.peers, facts.peers == 1 ? "" : "s",
            config.overlay ? ", clients may reach each other" : "");
  if (::geteuid() == 0) log::warn("running as root, which culvert does not need");
  log::info("tunnel addresses {}, MTU {}", addresses_of(config), config.mtu);
  log::info("aead {}; gso {}; gro {}", wg::aead().name(), facts.ready.gso, facts.ready.gro);
  if (std::string why; !proxy::Proxy::echo_available(&why))
    log::warn("clients cannot ping the outside: {}", why);
  log_flow_cap(facts);
  log_dns(config.dns);
  log_doors(config);
  log::info("sandbox of workers: {}", facts.ready.sandbox);
}

}  // namespace culvert::app
