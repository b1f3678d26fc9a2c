#include "relay/fault_line.hpp"

#include <algorithm>
#include <cmath>

namespace culvert::relay {
namespace {

constexpr Time longest_hold = std::chrono::milliseconds(100);

enum Decision : std::uint8_t { state, loss, damage, where, twice, late, late_too, hold };

Time milliseconds(double value) {
  return Time{static_cast<Time::rep>(std::llround(std::max(0.0, value) * 1e6))};
}

}  // namespace

double FaultLine::draw(std::uint8_t decision) {
  const std::uint64_t value = random_();
  for (const std::uint64_t part : {std::uint64_t{decision}, value}) {
    hash_ = (hash_ ^ part) * 0x100000001b3;
  }
  return static_cast<double>(value >> 11) * 0x1p-53;
}

bool FaultLine::happens(std::uint8_t decision, double probability) {
  return probability > 0 && draw(decision) < probability;
}

bool FaultLine::dropped_by_kind(const Datagram& datagram) {
  const std::uint8_t type = wireguard_type(datagram.bytes);
  ++counters.types[type];
  const auto& never = faults.drop_types;
  if (std::find(never.begin(), never.end(), type) != never.end()) return true;
  const auto first = faults.drop_first.find(type);
  if (first == faults.drop_first.end() || first->second == 0) return false;
  --first->second;
  return true;
}

bool FaultLine::lost() {
  if (faults.ge_p > 0) {
    const double change = bad_state_ ? faults.ge_r : faults.ge_p;
    if (draw(state) < change) bad_state_ = !bad_state_;
    return happens(loss, bad_state_ ? faults.ge_h : faults.ge_k);
  }
  return happens(loss, faults.loss);
}

void FaultLine::corrupt(std::vector<std::uint8_t>& bytes) {
  if (bytes.empty()) return;
  const double place = draw(where);
  const auto position = static_cast<std::size_t>(place * static_cast<double>(bytes.size()));
  switch (static_cast<unsigned>(place * 4096) % 4) {
    case 0:
      bytes[position] ^= static_cast<std::uint8_t>(1U << (position % 8));
      break;
    case 1:
      bytes.resize(position);
      break;
    case 2:
      bytes.insert(bytes.end(), 1 + position % 16, 0xa5);
      break;
    default:
      bytes[0] = static_cast<std::uint8_t>(bytes[0] + 1 + position % 250);
  }
}

void FaultLine::enter(Datagram datagram, Time now) {
  ++counters.received;
  counters.bytes_received += datagram.bytes.size();
  if (dropped_by_kind(datagram)) {
    ++counters.type_dropped;
  } else if (faults.blackout) {
    ++counters.blackout_dropped;
  } else if (lost()) {
    ++counters.lost;
  } else {
    if (happens(damage, faults.corrupt)) {
      ++counters.corrupted;
      corrupt(datagram.bytes);
    }
    const bool again = happens(twice, faults.duplicate);
    if (again) {
      ++counters.duplicated;
      travel(datagram, now + milliseconds(faults.duplicate_spacing_ms));
    }
    travel(std::move(datagram), now);
  }
}

// When the line has sent it; none if its queue is full.
std::optional<Time> FaultLine::queue(std::size_t size, Time now) {
  if (faults.rate_mbit <= 0) return now;
  const double byte_time = 8e3 / faults.rate_mbit;  // ns
  const Time begin = std::max(now, free_at_);
  const double queued = static_cast<double>((begin - now).count()) / byte_time;
  if (queued + static_cast<double>(size) > faults.queue_bytes) return std::nullopt;
  free_at_ = begin + Time{static_cast<Time::rep>(static_cast<double>(size) * byte_time)};
  return free_at_;
}

Time FaultLine::delay() {
  if (faults.delay_kind == DelayKind::constant || faults.jitter_ms <= 0) {
    return milliseconds(faults.delay_ms);
  }
  const double one = draw(late);
  if (faults.delay_kind == DelayKind::uniform) {
    return milliseconds(faults.delay_ms + (2 * one - 1) * faults.jitter_ms);
  }
  // Box and Muller; 1 - one is never zero.
  const double angle = 2 * M_PI * draw(late_too);
  const double normal = std::sqrt(-2 * std::log(1 - one)) * std::cos(angle);
  return milliseconds(faults.delay_ms + normal * faults.jitter_ms);
}

void FaultLine::travel(Datagram datagram, Time now) {
  const Time delayed_by = delay();
  const bool hold_back = happens(hold, faults.reorder);
  const auto sent = queue(datagram.bytes.size(), now);
  if (!sent) {
    ++counters.queue_dropped;
    return;
  }
  Time due = *sent + delayed_by;
  if (faults.keep_order) due = std::max(due, last_due_);
  last_due_ = std::max(last_due_, due);
  waiting_.push(Later{due, order_++, hold_back, std::move(datagram)});
}

void FaultLine::emit(Later&& one, Time now) {
  if (faults.mtu != 0 && one.datagram.bytes.size() > faults.mtu) {
    ++counters.mtu_dropped;
    return;
  }
  if (one.hold_back) {
    ++counters.reordered;
    held_.push_back(Held{now + longest_hold, faults.reorder_gap, std::move(one.datagram)});
    return;
  }
  pass(std::move(one.datagram));
  for (auto& other : held_) other.to_pass -= other.to_pass != 0;
}

void FaultLine::pass(Datagram&& datagram) {
  ++counters.sent;
  counters.bytes_sent += datagram.bytes.size();
  ready_.push_back(std::move(datagram));
}

void FaultLine::leave(Time now, std::vector<Datagram>& out) {
  while (!waiting_.empty() && waiting_.top().due <= now) {
    Later one = std::move(const_cast<Later&>(waiting_.top()));
    waiting_.pop();
    emit(std::move(one), now);
    // One that was overtaken by enough goes right behind the last of them.
    std::erase_if(held_, [this](Held& held) {
      if (held.to_pass != 0) return false;
      pass(std::move(held.datagram));
      return true;
    });
  }
  std::erase_if(held_, [this, now](Held& one) {
    if (one.deadline > now) return false;
    pass(std::move(one.datagram));
    return true;
  });
  std::move(ready_.begin(), ready_.end(), std::back_inserter(out));
  ready_.clear();
}

std::optional<Time> FaultLine::next() const {
  std::optional<Time> first;
  if (!waiting_.empty()) first = waiting_.top().due;
  for (const auto& one : held_) first = first ? std::min(*first, one.deadline) : one.deadline;
  return first;
}

}  // namespace culvert::relay
