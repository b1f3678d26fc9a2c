// What a TcpFlow tells of itself, and what a new policy makes of it.
#include "proxy/context.hpp"
#include "proxy/tcp_flow.hpp"

namespace culvert::proxy {

// None where the connection never came to be.
const base::FlowKey* TcpFlow::key() const noexcept {
  if (connection_) return &connection_->key();
  return syn_ && *syn_ ? &syn_->key() : nullptr;
}

const netstack::TcpTraffic& TcpFlow::traffic() const noexcept {
  return connection_ ? connection_->traffic() : syn_->traffic();
}

FlowRecord::State TcpFlow::shown_state() const noexcept {
  using Shown = FlowRecord::State;
  switch (state_) {
    case State::dialling:
      return Shown::dialling;
    case State::handshake:
      return Shown::handshake;
    case State::open:
      return client_fin_ || origin_fin_ ? Shown::half_closed : Shown::open;
    case State::draining:
      return Shown::half_closed;
    case State::closed:
      break;
  }
  return Shown::closed;
}

// A flow that ends is closed, unless it never got so far as to be open: then it says how far.
FlowRecord TcpFlow::record(FlowRecord::End end) const noexcept {
  const netstack::TcpTraffic& seen = traffic();
  FlowRecord record = context_.reporter.describe(client_, *key(), span_, seen.last, context_.now());
  record.end = end;
  record.state = shown_state();
  const bool over = end != FlowRecord::End::none && end != FlowRecord::End::interim;
  if (over && record.state >= FlowRecord::State::open) record.state = FlowRecord::State::closed;
  record.forward = forward_;
  record.up = {seen.packets_in, seen.bytes_in, payload_up_};
  record.down = {seen.packets_out, seen.bytes_out, payload_down_};
  return record;
}

void TcpFlow::report_end() noexcept {
  if (context_.reporter.wanted() && key()) context_.reporter.push(record(end_));
}

base::Time TcpFlow::run_interim(base::Time now) noexcept {
  if (!context_.reporter.wanted() || !key()) return base::never;
  if (context_.reporter.take_interim(span_, traffic().last, now))
    context_.reporter.push(record(FlowRecord::End::interim));
  return context_.reporter.next_interim(span_);
}

void TcpFlow::each_record(const Proxy::EachRecord& each) const {
  if (state_ != State::closed && key()) each(record(FlowRecord::End::none));
}

void TcpFlow::on_policy() noexcept {
  const base::FlowKey* const own = key();
  if (!own || state_ == State::closed) return;
  const bool stays =
      forward_ ? context_.table.find_client(own->client.address) == &client_
               : context_.may_go_on(client_, own->client.address, own->server, own->protocol);
  if (!stays) end(FlowRecord::End::forced);
}

}  // namespace culvert::proxy
