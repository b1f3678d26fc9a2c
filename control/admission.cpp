#include "control/admission.hpp"

#include <algorithm>

#include "control/clean_text.hpp"
#include "control/forget_secrets.hpp"

namespace culvert::control {
namespace {

namespace log = base::log;
using Answer = AdmissionVerdict::Answer;
using namespace std::chrono_literals;

constexpr base::Duration first_retry = 5s;
constexpr std::chrono::seconds shortest_life = 1s, longest_life = 24h * 30;
constexpr std::size_t longest_reason = 200;

}  // namespace

Admission::Admission(const AdmissionSettings& settings, World world)
    : settings_(settings), world_(std::move(world)) {
  forget_secrets(settings_);  // it asks by World::ask
}

void Admission::peer_added(std::uint32_t slot, AdmissionRequest who) {
  peer_removed(slot);
  Entry& entry = entries_[slot];
  entry.who = std::move(who);
  entry.id = next_id_++;
  entry.expires = world_.now();
  entry.admitted = settings_.fail_open;
  world_.apply(slot, entry.admitted);
}

void Admission::peer_connected(std::uint32_t slot, std::string endpoint) {
  const auto found = entries_.find(slot);
  if (found == entries_.end()) return;
  Entry& entry = found->second;
  entry.connected = true;
  entry.who.endpoint = std::move(endpoint);
  if (entry.expires <= world_.now()) ask(slot, entry);
}

void Admission::peer_disconnected(std::uint32_t slot) {
  const auto found = entries_.find(slot);
  if (found != entries_.end()) found->second.connected = false;
}

void Admission::peer_removed(std::uint32_t slot) {
  const auto found = entries_.find(slot);
  if (found == entries_.end()) return;
  expiries_.erase({found->second.expires, slot});
  entries_.erase(found);
}

void Admission::ask(std::uint32_t slot, Entry& entry) {
  if (std::exchange(entry.asked, true)) return;
  waiting_.emplace_back(slot, entry.id);
  ask_next();
}

void Admission::ask_next() {
  while (under_way_ < max_under_way && !waiting_.empty()) {
    const auto [slot, id] = waiting_.front();
    waiting_.pop_front();
    const auto found = entries_.find(slot);
    if (found == entries_.end() || found->second.id != id) continue;
    if (!found->second.connected) {
      found->second.asked = false;  // it is gone; the next time it connects it is asked about
      if (!settings_.fail_open) apply(slot, found->second, false);
      continue;
    }
    ++under_way_;
    world_.ask(found->second.who, [this, slot = slot, id = id,
                                   alive = std::weak_ptr(alive_)](AdmissionVerdict verdict) {
      if (!alive.expired()) on_verdict(slot, id, std::move(verdict));
    });
  }
}

void Admission::on_verdict(std::uint32_t slot, std::uint64_t id, AdmissionVerdict verdict) {
  --under_way_;
  const base::Time now = world_.now();
  verdict.reason = clean_text(std::move(verdict.reason), longest_reason);
  status_.last_error = verdict.answer == Answer::none ? verdict.reason : std::string();
  const auto found = entries_.find(slot);
  if (found != entries_.end() && found->second.id == id) {
    Entry& entry = found->second;
    entry.asked = false;
    if (verdict.answer == Answer::none) {
      ++status_.failed;
      if (failure_log_.allow(now))
        log::warn("admission: no verdict on {}: {}", entry.who.peer, verdict.reason);
      expire_at(slot, entry, now + retry_delay(++entry.failures));
      apply(slot, entry, settings_.fail_open);
    } else {
      const bool admitted = verdict.answer == Answer::admit;
      ++(admitted ? status_.admitted : status_.refused);
      entry.failures = 0;
      const auto life = verdict.ttl.value_or(settings_.ttl);
      expire_at(slot, entry, now + std::clamp(life, shortest_life, longest_life));
      if (!admitted && entry.admitted)
        log::info("admission: {} is refused{}{}", entry.who.peer,
                  verdict.reason.empty() ? "" : ": ", verdict.reason);
      apply(slot, entry, admitted);
    }
  }
  ask_next();
  if (world_.wake) world_.wake();
}

void Admission::apply(std::uint32_t slot, Entry& entry, bool admitted) {
  if (std::exchange(entry.admitted, admitted) != admitted) world_.apply(slot, admitted);
}

void Admission::expire_at(std::uint32_t slot, Entry& entry, base::Time when) {
  expiries_.erase({entry.expires, slot});
  entry.expires = when;
  expiries_.emplace(when, slot);
}

base::Duration Admission::retry_delay(unsigned failures) const noexcept {
  const base::Duration delay = first_retry * (1 << std::min(failures - 1, 16u));
  return std::min(delay, std::max<base::Duration>(settings_.ttl, first_retry));
}

base::Time Admission::next_deadline() const noexcept {
  return expiries_.empty() ? base::never : expiries_.begin()->first;
}

void Admission::tick(base::Time now) {
  while (!expiries_.empty() && expiries_.begin()->first <= now) {
    const std::uint32_t slot = expiries_.begin()->second;
    expiries_.erase(expiries_.begin());
    Entry& entry = entries_.at(slot);
    if (entry.connected)
      ask(slot, entry);  // what held goes on until the answer is there
    else if (!settings_.fail_open)
      apply(slot, entry, false);
  }
}

AdmissionStatus Admission::status() const {
  AdmissionStatus status = status_;
  status.waiting = waiting_.size();
  status.under_way = under_way_;
  return status;
}

}  // namespace culvert::control
