#include "proxy/gate.hpp"

#include "proxy/context.hpp"

namespace culvert::proxy {
namespace {

using base::Stop;

// A group's use is charged in pieces of this size, one atomic addition each.
constexpr std::uint64_t piece = 16 << 10;
// Resets that one stop may send; the flows beyond get theirs with their next packet.
constexpr unsigned most_resets = 512;
constexpr base::Duration tick_interval = std::chrono::seconds(1);

}  // namespace

Gate::Gate(Context& context)
    : context_(context), groups_(context.config.groups), unpaid_(context.config.groups.size()) {}

void Gate::add(ClientState& client) noexcept {
  if (!client.config.controls) return;
  watching_ = true;
  client.gate.group = client.config.controls->group.get();
  client.gate.charged = client.counters.up_bytes.get() + client.counters.down_bytes.get();
}

Stop Gate::reason(ClientState& client) noexcept {
  const base::PeerControls* const controls = client.config.controls;
  if (!controls) return Stop::none;
  if (const std::uint64_t wanted = controls->stop.get()) return Stop(wanted);
  const std::uint64_t ceiling = controls->ceiling.get(), group = controls->group.get();
  if (ceiling == 0 && group == 0) return Stop::none;
  const std::uint64_t total = client.counters.up_bytes.get() + client.counters.down_bytes.get();
  const Stop of_group = group ? charge(client, group, total) : Stop::none;
  const bool is_slowed = controls->over_up.get() || controls->over_down.get();
  return ceiling && total >= ceiling && !is_slowed ? Stop::quota : of_group;
}

Stop Gate::charge(ClientState& client, std::uint64_t group, std::uint64_t total) noexcept {
  GateState& state = client.gate;
  if (group > groups_.size()) return Stop::none;
  if (state.group != group) state.group = group, state.charged = total;
  std::uint64_t& unpaid = unpaid_[group - 1];
  unpaid += total - state.charged;
  owes_ = owes_ || unpaid > 0;
  state.charged = total;
  if (unpaid >= piece) pay(group - 1);
  const base::GroupControls& controls = groups_[group - 1];
  const std::uint64_t ceiling = controls.ceiling.get();
  if (ceiling == 0 || controls.over_up.get() || controls.over_down.get()) return Stop::none;
  return controls.used.load(std::memory_order_relaxed) + unpaid >= ceiling ? Stop::quota
                                                                           : Stop::none;
}

void Gate::pay(std::size_t group) noexcept {
  if (unpaid_[group] == 0) return;
  groups_[group].used.fetch_add(std::exchange(unpaid_[group], 0), std::memory_order_relaxed);
}

void Gate::on_input(ClientState& client) noexcept {
  const Stop why = reason(client);
  if (why != Stop::none && client.gate.stopped == Stop::none) return stop(client, why);
  client.gate.stopped = why;
}

bool Gate::lets_out(ClientState& client) noexcept {
  if (&client == closing_) return resets_left_ > 0 && resets_left_--;
  const Stop why = reason(client);
  if (why == Stop::none || client.gate.stopped != Stop::none) {
    client.gate.stopped = why;
    return true;
  }
  client.gate.stop_due = any_due_ = true;
  context_.deny(client, base::Drop::client_stopped);
  return false;
}

bool Gate::lets_in(ClientState& client) noexcept {
  if (reason(client) == Stop::none) return true;
  context_.deny(client, base::Drop::client_stopped);
  return false;
}

void Gate::stop(ClientState& client, Stop why) noexcept {
  client.gate.stopped = why;
  closing_ = &client;
  resets_left_ = most_resets;
  FlowTable::end_all(client, FlowRecord::End::forced);
  closing_ = nullptr;
}

void Gate::run_due() noexcept {
  if (!std::exchange(any_due_, false)) return;
  context_.table.each_client([this](ClientState& client) {
    if (std::exchange(client.gate.stop_due, false)) on_input(client);
  });
}

void Gate::tick(base::Time now) noexcept {
  if (!watching_ || now < next_tick_) return;
  next_tick_ = now + tick_interval;
  context_.table.each_client([this](ClientState& client) { on_input(client); });
  for (std::size_t group = 0; group < unpaid_.size(); ++group) pay(group);
  owes_ = false;
}

// A worker without a flow has nothing to reset, and its clients' next packet asks anyway. But what
// it owes a group is paid: it may be what the quota lacks to be used up.
base::Time Gate::next_deadline() const noexcept {
  return watching_ && (owes_ || context_.table.flows() > 0) ? next_tick_ : base::never;
}

}  // namespace culvert::proxy
