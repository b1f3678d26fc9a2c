#include "proxy/flow_table.hpp"

#include <sys/resource.h>

#include <algorithm>

#include "proxy/context.hpp"

namespace culvert::proxy {
namespace {

std::size_t descriptor_budget(std::size_t reserved) noexcept {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return 1024 - std::min<std::size_t>(reserved, 1023);
  const std::size_t all = limit.rlim_cur == RLIM_INFINITY ? 1 << 20 : std::size_t(limit.rlim_cur);
  return all > reserved ? all - reserved : 1;
}

}  // namespace

void Flow::mark_dirty() noexcept {
  if (dirty_hook.is_linked()) return;
  auto& table = context_.table;
  (kind_ == Kind::tcp ? table.dirty_tcp : table.dirty_datagram).push_back(*this);
}

void Flow::touch() noexcept {
  const base::Time now = context_.now();
  // Once a second is exact enough to find the idlest.
  if (now - last_active_ >= std::chrono::seconds(1) && client_hook.is_linked()) {
    FlowList& list = kind_ == Kind::udp    ? client_.udp
                     : kind_ == Kind::echo ? client_.echo
                                           : client_.tcp;
    client_hook.unlink();
    list.push_back(*this);
  }
  last_active_ = now;
}

FlowTable::FlowTable(const Limits& limits, base::WorkerCounters& counters, base::Time now)
    : limits_(limits),
      counters_(counters),
      new_flows_(limits.new_flows_per_second_total, limits.new_flows_per_second_total, now) {
  set_limits(limits, now);
}

FlowTable::~FlowTable() {
  close_all();
}

void FlowTable::end_all(ClientState& client, FlowRecord::End why) noexcept {
  each_flow(client, [why](Flow& flow) { flow.end(why); });
}

void FlowTable::apply_policy(ClientState& client) noexcept {
  each_flow(client, [](Flow& flow) { flow.on_policy(); });
}

void FlowTable::close_all() noexcept {
  for (ClientState& client : clients_) end_all(client, FlowRecord::End::forced);
  left_.clear();
}

// An address has one owner: who had it before loses it, and its flows from there end.
void FlowTable::map_addresses(ClientState& client) {
  forget_answers();
  bool took_over = false;
  for (const base::Prefix& prefix : client.config.addresses) {
    const auto [at, fresh] = by_prefix_.try_emplace(prefix, &client);
    if (fresh) ++(prefix.address().is_v4() ? lengths4_ : lengths6_)[prefix.length()];
    ClientState& before = *std::exchange(at->second, &client);
    if (&before == &client) continue;
    std::erase(before.config.addresses, prefix);
    took_over = true;
  }
  if (took_over) each_client([](ClientState& each) { apply_policy(each); });
}

void FlowTable::unmap_addresses(const ClientState& client) noexcept {
  forget_answers();
  for (const base::Prefix& prefix : client.config.addresses) {
    const auto found = by_prefix_.find(prefix);
    if (found == by_prefix_.end() || found->second != &client) continue;
    by_prefix_.erase(found);
    auto& lengths = prefix.address().is_v4() ? lengths4_ : lengths6_;
    if (--lengths[prefix.length()] == 0) lengths.erase(prefix.length());
  }
}

ClientState& FlowTable::add_client(ClientConfig config, base::PeerCounters& counters,
                                   base::Time now) {
  ClientState& client = clients_.emplace_back(std::move(config), counters, now);
  map_addresses(client);
  return client;
}

void FlowTable::remove_client(ClientState& client) noexcept {
  end_all(client, FlowRecord::End::forced);
  collect();
  unmap_addresses(client);
  clients_.remove_if([&](const ClientState& c) { return &c == &client; });
}

void FlowTable::update_client(ClientState& client, ClientConfig config, base::Time now) {
  unmap_addresses(client);
  const Limits before = std::exchange(client.config, std::move(config)).limits;
  map_addresses(client);
  const Limits& limits = client.config.limits;
  if (limits.new_flows_per_second != before.new_flows_per_second ||
      limits.new_flows_burst != before.new_flows_burst)
    client.new_flows = {limits.new_flows_per_second, limits.new_flows_burst, now};
  if (limits.echo_per_second != before.echo_per_second)
    client.echoes = {limits.echo_per_second, limits.echo_per_second, now};
}

void FlowTable::set_limits(const Limits& limits, base::Time now) noexcept {
  if (limits.new_flows_per_second_total != limits_.new_flows_per_second_total)
    new_flows_ = {limits.new_flows_per_second_total, limits.new_flows_per_second_total, now};
  limits_ = limits;
  descriptors_ = descriptor_budget(limits.reserved_descriptors);
  if (limits_.tcp_flows_total == 0) limits_.tcp_flows_total = descriptors_;
  counters_.tcp_max.set(limits_.tcp_flows_total);
  counters_.udp_max.set(limits_.udp_mappings_total);
  counters_.dials_max.set(limits_.tcp_dials_total);
  counters_.descriptors_max.set(descriptors_);
}

ClientState* FlowTable::find_client(const base::IpAddress& address) const noexcept {
  for (const auto& [length, count] : address.is_v4() ? lengths4_ : lengths6_) {
    const auto found = by_prefix_.find(base::Prefix(address, length));
    if (found != by_prefix_.end()) return found->second;
  }
  return nullptr;
}

bool FlowTable::admit_rate(ClientState& client, base::Time now) noexcept {
  return client.new_flows.try_take(1, now) && new_flows_.try_take(1, now);
}

// However high its own limit is, one client leaves a quarter of the descriptors to the others.
std::size_t FlowTable::tcp_cap(const ClientState& client) const noexcept {
  const std::size_t most = limits_.tcp_flows_total - limits_.tcp_flows_total / 4;
  return std::min(client.config.limits.tcp_flows, most);
}

std::optional<base::Drop> FlowTable::admit_tcp(ClientState& client, base::Time now) noexcept {
  const Limits& own = client.config.limits;
  if (client.tcp_open >= tcp_cap(client) || tcp_ >= limits_.tcp_flows_total || !has_descriptor())
    return base::Drop::flow_cap;
  if (client.dialling >= own.tcp_dials || dials_ >= limits_.tcp_dials_total)
    return base::Drop::dial_cap;
  if (!admit_rate(client, now)) return base::Drop::flow_rate;
  return {};
}

std::optional<base::Drop> FlowTable::admit_udp(ClientState& client, base::Time now) noexcept {
  if (!admit_rate(client, now)) return base::Drop::flow_rate;
  if (client.udp_open < client.config.limits.udp_mappings && udp_ < limits_.udp_mappings_total &&
      has_descriptor())
    return {};
  if (client.udp.empty()) return base::Drop::flow_cap;
  client.udp.front().end(FlowRecord::End::lack);
  return {};
}

std::optional<base::Drop> FlowTable::admit_echo(ClientState& client, base::Time now) noexcept {
  constexpr std::size_t echo_flows = 64;
  if (!admit_rate(client, now)) return base::Drop::flow_rate;
  if (client.echo_open < echo_flows && has_descriptor()) return {};
  if (client.echo.empty()) return base::Drop::flow_cap;
  client.echo.front().end(FlowRecord::End::lack);
  return {};
}

void FlowTable::add(std::unique_ptr<Flow> flow, base::Time deadline, base::Time now) noexcept {
  Flow& f = *flow;
  ClientState& client = f.client();
  f.self_ = std::move(flow);
  f.last_active_ = now;
  wheel_.set(f, deadline, now);
  switch (f.kind()) {
    case Flow::Kind::tcp:
      ++tcp_, ++client.tcp_open;
      client.tcp.push_back(f);
      client.counters.tcp_flows.add(), client.counters.tcp_open.add(), counters_.tcp_open.add();
      break;
    case Flow::Kind::udp:
      ++udp_, ++client.udp_open;
      client.udp.push_back(f);
      client.counters.udp_flows.add(), client.counters.udp_open.add(), counters_.udp_open.add();
      break;
    case Flow::Kind::echo:
      ++echo_, ++client.echo_open;
      client.echo.push_back(f);
      client.counters.echo_flows.add(), counters_.echo_open.add();
      break;
  }
}

void FlowTable::remove(Flow& flow) noexcept {
  if (!flow.self_) return;
  ClientState& client = flow.client();
  flow.wheel_hook.unlink(), flow.client_hook.unlink(), flow.dirty_hook.unlink();
  switch (flow.kind()) {
    case Flow::Kind::tcp:
      --tcp_, --client.tcp_open;
      client.counters.tcp_open.sub(), counters_.tcp_open.sub();
      break;
    case Flow::Kind::udp:
      --udp_, --client.udp_open;
      client.counters.udp_open.sub(), counters_.udp_open.sub();
      break;
    case Flow::Kind::echo:
      --echo_, --client.echo_open;
      counters_.echo_open.sub();
      break;
  }
  left_.push_back(std::move(flow.self_));
}

bool FlowTable::is_crowded(const ClientState& client) const noexcept {
  const auto above = [](std::size_t used, std::size_t cap) { return used * 5 > cap * 4; };
  return above(client.tcp_open, tcp_cap(client)) || above(tcp_, limits_.tcp_flows_total) ||
         above(flows(), descriptors_);
}

void FlowTable::dial_started(ClientState& client) noexcept {
  ++dials_, ++client.dialling, counters_.dialling.add();
}
void FlowTable::dial_ended(ClientState& client) noexcept {
  --dials_, --client.dialling, counters_.dialling.sub();
}

Flow* FlowTable::find(const base::FlowKey& key) const noexcept {
  const auto found = by_key_.find(key);
  return found == by_key_.end() ? nullptr : found->second;
}

bool FlowTable::insert(const base::FlowKey& key, Flow& flow) {
  return by_key_.emplace(key, &flow).second;
}

}  // namespace culvert::proxy
