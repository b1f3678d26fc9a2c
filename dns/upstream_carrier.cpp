#include "dns/upstream_carrier.hpp"

#include <algorithm>
#include <utility>

#include "dns/upstream_server.hpp"

namespace culvert::dns {
namespace {

// A connection on which nothing came for so long after a question may be dead.
constexpr base::Duration suspicious = std::chrono::seconds(1);

}  // namespace

Carrier::Carrier(Server& server, Surroundings& around, std::unique_ptr<TlsSession> tls,
                 base::Duration idle_timeout) noexcept
    : server_(server),
      around_(around),
      connection_(around.poller, std::move(tls), *this),
      idle_timeout_(idle_timeout),
      started_(around.now()),
      idle_since_(started_) {}

Carrier::~Carrier() = default;

void Carrier::start() noexcept {
  const base::Endpoint to = server_.endpoint();
  const base::IpAddress& source = to.address.is_v4() ? around_.source4 : around_.source6;
  if (!connection_.start(to, source)) break_off();
}

void Carrier::ask(Exchange& exchange) noexcept {
  exchange.carrier = this;
  exchange.measured = exchange.measured && was_open_;
  exchanges_.push_back(&exchange);
  send(exchange);
}

void Carrier::remove(Exchange& exchange) noexcept {
  const auto at = std::find(exchanges_.begin(), exchanges_.end(), &exchange);
  if (at == exchanges_.end()) return;
  *at = exchanges_.back();
  exchanges_.pop_back();
  exchange.carrier = nullptr;
  if (exchanges_.empty()) idle_since_ = around_.now();
}

void Carrier::forget(Exchange& exchange, base::Time now) noexcept {
  forgotten(exchange);
  remove(exchange);
  if (now - exchange.sent_at >= suspicious) suspect(exchange.sent_at);
}

void Carrier::suspect(base::Time sent) noexcept {
  if (was_open_ && last_read_ < sent) drain();
}

void Carrier::reply(Exchange& exchange, Fit found, base::Bytes message) noexcept {
  remove(exchange);
  exchange.authenticated = connection_.tls() != nullptr;
  around_.events.on_reply(exchange, found, message);
}

void Carrier::fail(Exchange& exchange, Failure failure) noexcept {
  remove(exchange);
  around_.events.on_failure(exchange, failure);
}

void Carrier::lose_one(Exchange& exchange) noexcept {
  remove(exchange);
  if (exchange.asked_again) return around_.events.on_failure(exchange, Failure::network);
  around_.events.on_lost(exchange);
}

// Servers close connections that were idle, so a question that met this is asked once more.
void Carrier::lose(Failure failure) noexcept {
  if (std::exchange(gone_, true)) return;
  connection_.close();
  const bool elsewhere = was_open_ || server_.next_address();
  if (!was_open_ && connection_.tls() != nullptr) server_.note_tls(connection_.tls()->why());
  const std::vector<Exchange*> lost = std::exchange(exchanges_, {});
  for (Exchange* exchange : lost) exchange->carrier = nullptr;
  for (Exchange* exchange : lost) {
    // One that ends may end others of its question with it.
    if (exchange->question == nullptr || exchange->carrier != nullptr) continue;
    if (elsewhere && !exchange->asked_again)
      around_.events.on_lost(*exchange);
    else
      around_.events.on_failure(*exchange, failure);
  }
}

void Carrier::on_open() noexcept {
  was_open_ = true;
  last_read_ = around_.now();
  opened();
}

void Carrier::on_bytes(base::Bytes bytes) noexcept {
  last_read_ = around_.now();
  if (!broken_) received(bytes);
}

void Carrier::flush() noexcept {
  if (gone_ || broken_) return;
  before_flush();
  if (!connection_.flush()) break_off();
}

void Carrier::tick(base::Time now) noexcept {
  if (gone_) return;
  tell_ended();
  if (broken_ || (!was_open_ && now >= started_ + connect_timeout)) return lose(Failure::network);
  if (exchanges_.empty() && (draining_ || now >= idle_since_ + idle_timeout_)) {
    gone_ = true;
    connection_.close();
  }
}

base::Time Carrier::next_deadline() const noexcept {
  if (gone_) return base::never;
  if (broken_ || has_ended() || (draining_ && exchanges_.empty())) return base::Time{};
  if (!was_open_) return started_ + connect_timeout;
  return exchanges_.empty() ? idle_since_ + idle_timeout_ : base::never;
}

}  // namespace culvert::dns
