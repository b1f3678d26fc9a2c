#include "dns/upstream_server.hpp"

#include <algorithm>
#include <utility>

#include "base/log.hpp"
#include "dns/upstream_https.hpp"
#include "dns/upstream_stream.hpp"

namespace culvert::dns {
namespace {

using namespace std::chrono_literals;

constexpr base::Duration idle_tcp = 10s, idle_tls = 30s;  // a new handshake costs more
constexpr base::Duration look_up_pause = 1s;              // after one that failed
constexpr base::Duration note_interval = 60s;

}  // namespace

Server::Server(UpstreamAddress address, UpstreamCounters* counters, Surroundings& around)
    : address_(std::move(address)),
      text_(address_.to_string()),
      around_(around),
      figures_(counters),
      addresses_(address_.addresses) {
  if (address_.encrypted() && around.tls != nullptr)
    tls_ = std::make_unique<TlsPeer>(*around.tls, address_);
}

Server::~Server() = default;

void Server::set_place(std::uint8_t place, UpstreamCounters* counters) noexcept {
  place_ = place;
  figures_.set_counters(counters);
  figures_.set_plain_case(plain_case_until_ != base::Time{});
  counters->name.set(text_);
}

bool Server::next_address() noexcept {
  if (addresses_.size() < 2) return false;
  current_ = (current_ + 1) % addresses_.size();
  return true;
}

bool Server::wants_look_up(base::Time now) const noexcept {
  return !looking_up_ && now >= look_up_again_ && (!has_address() || now >= addresses_until_);
}

void Server::look_up_ended(std::vector<base::IpAddress> found, base::Time until) noexcept {
  looking_up_ = false;
  look_up_again_ = around_.now() + look_up_pause;
  if (found.empty()) return;
  const base::IpAddress used = has_address() ? addresses_[current_] : base::IpAddress();
  addresses_ = std::move(found);
  addresses_until_ = until;
  const auto at = std::find(addresses_.begin(), addresses_.end(), used);
  current_ = at == addresses_.end() ? 0 : std::size_t(at - addresses_.begin());
}

void Server::broke_case(base::Time now) noexcept {
  if (++case_broken_ < most_case_broken) return;
  case_broken_ = 0;
  if (mixes_case(now))
    base::log::warn(
        "upstream {}: it does not keep the case of letters; asked without 0x20 for an hour", text_);
  plain_case_until_ = now + pause;
  figures_.set_plain_case(true);
}

Carrier* Server::add_carrier() noexcept {
  const bool encrypted = address_.encrypted();
  if (encrypted && (!tls_ || !around_.tls->trusts())) return nullptr;
  auto session = encrypted ? std::make_unique<TlsSession>(*tls_) : nullptr;
  if (address_.kind == UpstreamAddress::Kind::https)
    carriers_.push_back(
        std::make_unique<HttpsCarrier>(*this, around_, std::move(session), idle_tls));
  else
    carriers_.push_back(std::make_unique<StreamCarrier>(*this, around_, std::move(session),
                                                        encrypted ? idle_tls : idle_tcp));
  carriers_.back()->start();
  return carriers_.back().get();
}

bool Server::carry(Exchange& exchange) noexcept {
  exchange.flags.pad = address_.encrypted() ? 128 : 0;  // RFC 8467 section 4.1
  Carrier* carrier = nullptr;
  for (const auto& each : carriers_)
    if (each->takes() && (carrier == nullptr || (each->is_open() && !carrier->is_open())))
      carrier = each.get();
  const auto there = std::count_if(carriers_.begin(), carriers_.end(),
                                   [](const auto& each) { return !each->gone(); });
  if (carrier == nullptr && std::size_t(there) < most_connections) carrier = add_carrier();
  if (carrier == nullptr) return false;
  carrier->ask(exchange);
  return true;
}

void Server::note_tls(const std::string& why) noexcept {
  const base::Time now = around_.now();
  if (why.empty() || now < tls_noted_) return;
  tls_noted_ = now + note_interval;
  base::log::warn("upstream {}: TLS: {}", text_, why);
}

void Server::trust_changed() noexcept {
  if (!tls_) return;
  figures_.try_anew();
  tls_->forget_session();
  for (const auto& carrier : carriers_) carrier->suspect(base::never);
}

void Server::flush() noexcept {
  for (const auto& carrier : carriers_) carrier->flush();
  std::erase_if(carriers_, [](const auto& carrier) { return carrier->gone(); });
}

void Server::tick(base::Time now) noexcept {
  if (plain_case_until_ != base::Time{} && mixes_case(now)) {
    plain_case_until_ = {};
    figures_.set_plain_case(false);
  }
  // One that is lost may have its questions asked on a new one, added behind.
  for (std::size_t i = 0; i < carriers_.size(); ++i) carriers_[i]->tick(now);
}

base::Time Server::next_deadline() const noexcept {
  base::Time next = base::never;
  for (const auto& carrier : carriers_) next = std::min(next, carrier->next_deadline());
  return next;
}

}  // namespace culvert::dns
