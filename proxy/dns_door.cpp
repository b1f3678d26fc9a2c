#include "proxy/dns_door.hpp"

#include <algorithm>
#include <boost/asio/post.hpp>

#include "proxy/context.hpp"
#include "proxy/dns_stream.hpp"

namespace culvert::proxy {
namespace {

constexpr std::uint16_t dns_port = 53;
constexpr std::size_t streams_of_all = 4096;
// Some 50 us of answers that are known.
constexpr std::size_t queries_a_turn = 48, queries_of_one = 4;
constexpr base::Duration first_look = std::chrono::seconds(5);

}  // namespace

DnsDoor::DnsDoor(Context& context) noexcept : context_(context) {}

DnsDoor::~DnsDoor() = default;

void DnsDoor::open(dns::Resolver& resolver, dns::DnsCounters& counters,
                   const dns::Settings& settings) {
  resolver_ = &resolver;
  counters_ = &counters;
  set_settings(settings);
}

void DnsDoor::set_settings(const dns::Settings& settings) {
  intercept_ = settings.intercept;
  pass_ = settings.pass;
  most_streams_ = settings.limits.tcp_connections;
}

bool DnsDoor::passes(const base::IpAddress& destination) const noexcept {
  return std::ranges::any_of(
      pass_, [&](const base::Prefix& prefix) { return prefix.contains(destination); });
}

// Where clients may reach each other (overlay), port 53 of another client's address never comes so
// far: who serves DNS to the others from behind the tunnel is asked, not us.
bool DnsDoor::takes(const ClientState& client, const base::FlowKey& key) const noexcept {
  if (key.server.port != dns_port || !client.config.dns || !resolver_) return false;
  if (context_.stack->is_own(key.server.address)) return true;
  return intercept_ && !passes(key.server.address);
}

void DnsDoor::ask(ClientState& client, const netstack::UdpDatagram& query) noexcept {
  resolver_->ask(*client.config.dns, {query.key, 0}, query.payload);
}

void DnsDoor::accept(ClientState& client, netstack::PendingSyn syn) noexcept try {
  const bool has_room = client.dns_streams < most_streams_ && streams_.size() < streams_of_all;
  if (!has_room || !client.new_flows.try_take(1, context_.now())) {
    context_.deny(client, has_room ? base::Drop::flow_rate : base::Drop::flow_cap);
    return syn.reset();
  }
  left_.reserve(left_.size() + streams_.size() + 1);  // leave() must not fail
  const std::uint64_t number = ++last_stream_;
  auto made = std::make_unique<DnsStream>(*this, client, syn.key(), number);
  DnsStream& stream = *streams_.emplace(number, std::move(made)).first->second;
  if (!stream.start(std::move(syn))) return leave(stream);
  const base::Time now = context_.now();
  context_.table.set_deadline(stream, now + first_look, now);
} catch (const std::exception&) {
  context_.counters.drops.add(base::Drop::no_buffer);
}

// It may be one of its own handlers that calls: its memory stays to the end of the turn.
void DnsDoor::leave(DnsStream& stream) noexcept {
  const auto at = streams_.find(stream.number());
  if (at == streams_.end()) return;
  stream.wheel_hook.unlink();
  stream.hang_up();
  left_.push_back(std::move(at->second));
  streams_.erase(at);
}

void DnsDoor::forget(const ClientState& client) noexcept {
  for (auto at = streams_.begin(); at != streams_.end();) {
    DnsStream& stream = *(at++)->second;
    if (&stream.client() == &client) leave(stream);
  }
  collect();
}

void DnsDoor::collect() noexcept {
  left_.clear();
  if (!line_.empty()) boost::asio::post(context_.io, [] {});  // the loop must not sleep
}

void DnsDoor::serve_later(DnsStream& stream) noexcept try {
  if (stream.is_in_line_) return;
  line_.push_back(stream.number());
  stream.is_in_line_ = true;
} catch (const std::exception&) {
  leave(stream);
}

// Everybody's turn is short, so that one who asks much, on many connections, keeps the others
// waiting for little.
void DnsDoor::serve() noexcept {
  for (std::size_t left = queries_a_turn; left > 0 && !line_.empty();) {
    const auto found = streams_.find(line_.front());
    line_.pop_front();
    if (found == streams_.end()) continue;
    std::size_t its = std::min(left, queries_of_one);
    left -= its;
    found->second->read_queries(its);
    left += its;
  }
}

// A client that was stopped since it asked hears from the portal only.
void DnsDoor::answer(const dns::Asker& asker, base::Bytes message) noexcept {
  const ClientState* const client = context_.table.client_of(asker.key.client.address);
  if (!client || client->gate.stopped != base::Stop::none) return;
  if (asker.stream == 0) {
    context_.stack->send_udp(asker.key, message);
    return;
  }
  const auto found = streams_.find(asker.stream);
  if (found != streams_.end()) found->second->answer(message);
}

void DnsDoor::no_answer(const dns::Asker& asker) noexcept {
  const auto found = streams_.find(asker.stream);
  if (found != streams_.end()) found->second->no_answer();
}

}  // namespace culvert::proxy
