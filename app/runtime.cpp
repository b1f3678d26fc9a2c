#include "app/runtime.hpp"

#include <sched.h>
#include <sys/mman.h>

#include <algorithm>
#include <stdexcept>

#include "app/config_files.hpp"
#include "app/host_resolvers.hpp"
#include "app/sandbox.hpp"
#include "base/log.hpp"
#include "dns/upstreams.hpp"
#include "wg/aead.hpp"
#include "wg/crypto.hpp"

namespace culvert::app {
namespace {

// The receiver index has one byte for the worker.
constexpr unsigned max_workers = 256;

unsigned worker_count(const Config& config) {
  if (config.workers > 0) return std::min(config.workers, max_workers);
  cpu_set_t cores;
  CPU_ZERO(&cores);
  if (::sched_getaffinity(0, sizeof cores, &cores) != 0) return 1;
  return std::clamp(unsigned(CPU_COUNT(&cores)), 1u, max_workers);
}

void prepare_keys(Config& config) {
  // Best effort: the limit of locked memory may be zero.
  ::mlock(&config.private_key, sizeof config.private_key);
  wg::init_crypto();
  if (!wg::set_aead(config.aead))
    throw std::runtime_error("server.aead: " + config.aead + " is not to be had on this machine");
}

std::unique_ptr<Config> prepare(std::unique_ptr<Config> config) {
  harden_process();
  prepare_keys(*config);
  config->dns.system = host_resolvers();
  if (config->groups.size() > SharedState::group_capacity)
    throw std::runtime_error("there are " + std::to_string(config->groups.size()) +
                             " groups, expected at most " +
                             std::to_string(SharedState::group_capacity));
  return config;
}

// Of the file's peers, for who owns the clients behind forwards.
PeerRoutes routes_of(const Config& config, unsigned workers) {
  PeerRoutes routes;
  for (const PeerEntry& peer : config.peers)
    for (const base::Prefix& prefix : peer.allowed_ips)
      routes.add(prefix, {0, wg::owner_of(peer.public_key, workers)});
  return routes;
}

bool is_encrypted(const std::string& upstream) {
  const auto address = dns::UpstreamAddress::parse(upstream);
  return address && address->encrypted();
}

bool any_encrypted(const std::vector<std::string>& upstreams) {
  return std::ranges::any_of(upstreams, is_encrypted);
}

bool needs_trust(const Runtime& runtime) {
  const Config& config = *runtime.config;
  const auto of_route = [](const dns::Route& route) { return any_encrypted(route.upstream); };
  const auto of_policy = [](const control::Policy& policy) {
    return policy.dns && any_encrypted(policy.dns->upstream);
  };
  return any_encrypted(config.dns.upstream) || any_encrypted(config.dns.fallback) ||
         any_encrypted(config.dns.policy.upstream) ||
         std::ranges::any_of(config.dns.routes, of_route) ||
         std::ranges::any_of(config.groups,
                             [&](const auto& group) { return of_policy(group.second); }) ||
         std::ranges::any_of(runtime.registry.peers(), [&](const control::Peer* peer) {
           return of_policy(peer->entry.policy);
         });
}

std::string extra_authorities(const std::string& path) {
  if (path.empty()) return {};
  const auto file = read_file(path, largest_ca_file);
  if (!file) throw std::runtime_error("dns.ca_file: " + file.error());
  return file->text;
}

}  // namespace

Runtime::Runtime(std::unique_ptr<Config> loaded)
    : config(prepare(std::move(loaded))),
      workers(worker_count(*config)),
      file_limit(raise_file_limit()),
      shared(workers, config->peers.size()),
      registry(shared.peer_capacity(), workers),
      sockets(open_tunnel_sockets(*config, workers)),
      forwards(open_forwards(*config, routes_of(*config, workers))),
      inboxes(workers) {}

void write_controls(Runtime& runtime, std::uint32_t slot) {
  const control::PeerEntry& entry = runtime.registry.at(slot)->entry;
  base::PeerControls& controls = runtime.shared.controls(slot);
  const auto place = runtime.groups.place_of(entry.group);
  controls.up.set(entry.policy.up);
  controls.down.set(entry.policy.down);
  controls.group.set(place ? *place + 1 : 0);
}

void write_group_controls(Runtime& runtime) {
  const auto& groups = runtime.groups.list();
  for (std::size_t i = 0; i < groups.size(); ++i) {
    base::GroupControls& controls = runtime.shared.groups()[i];
    controls.up.set(groups[i].total_up);
    controls.down.set(groups[i].total_down);
  }
}

bool load_trust(Runtime& runtime) try {
  if (!needs_trust(runtime)) return false;
  std::string pem = dns::TrustStore::authorities(extra_authorities(runtime.config->dns.ca_file));
  if (runtime.trust && pem == runtime.authorities) return false;
  runtime.trust = std::make_unique<dns::TrustStore>(pem);
  runtime.authorities = std::move(pem);
  return true;
} catch (const std::exception& error) {
  base::log::error("upstreams over TLS cannot be asked: {}", error.what());
  return false;
}

void forget_secrets(Runtime& runtime) noexcept {
  runtime.config->private_key.clear();
  for (std::uint32_t slot = 0; slot < runtime.registry.capacity(); ++slot) {
    control::Peer* peer = runtime.registry.at(slot);
    if (!peer) continue;
    peer->entry.preshared_key.clear();
    base::wipe(std::as_writable_bytes(std::span(peer->definition)));
  }
}

}  // namespace culvert::app
