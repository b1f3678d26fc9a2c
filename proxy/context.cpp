#include "proxy/context.hpp"

namespace culvert::proxy {

bool HereCache::leads_here(const base::IpAddress& target, base::Time now) noexcept try {
  const auto found = entries_.find(target);
  if (found != entries_.end() && now < found->second.until) return found->second.here;
  if (entries_.size() >= max_entries) entries_.clear();
  const bool here = leads_to_this_host(target);
  entries_[target] = {here, now + lifetime};
  return here;
} catch (const std::exception&) {
  return true;  // no memory to remember it: refuse
}

void Context::deny(ClientState& client, base::Drop why, std::uint64_t count) noexcept {
  client.counters.denied.add(count);
  client.counters.denials.add(why, count);
  counters.drops.add(why, count);
}

bool Context::may_go_on(const ClientState& client, const base::IpAddress& client_end,
                        const base::Endpoint& target, base::Protocol protocol) const noexcept {
  return table.find_client(client_end) == &client &&
         policy.allows(target, protocol, client.config.egress.get());
}

bool Context::may_reach(ClientState& client, const base::Endpoint& target,
                        base::Protocol protocol) noexcept {
  const Egress verdict = policy.judge(target, protocol, client.config.egress.get());
  if (verdict == Egress::allowed_here) return true;
  if (verdict == Egress::allowed && !here.leads_here(target.address, now())) return true;
  deny(client, base::Drop::egress_denied);
  return false;
}

bool Context::may_pass(ClientState& client, Direction direction, std::size_t bytes) noexcept {
  if (!client.config.controls) return true;
  Lane& lane = direction == Direction::up ? client.up : client.down;
  if (shaper.pass(lane, bytes, now())) return true;
  deny(client, base::Drop::over_allowance);
  return false;
}

void Context::flush_datagrams() noexcept {
  while (!table.dirty_datagram.empty()) {
    Flow& flow = table.dirty_datagram.front();
    table.dirty_datagram.pop_front();
    flow.on_turn();
  }
  batch.clear();
}

}  // namespace culvert::proxy
