#include "proxy/deadline_wheel.hpp"

#include <algorithm>

namespace culvert::proxy {
namespace {

std::int64_t second_of(base::Time time) noexcept {
  return std::chrono::floor<std::chrono::seconds>(time.time_since_epoch()).count();
}

}  // namespace

void DeadlineWheel::set(Timed& timed, base::Time deadline, base::Time now) noexcept {
  timed.wheel_hook.unlink();
  if (deadline == base::never) return;
  const std::int64_t here = second_of(now);
  const std::int64_t due = std::clamp(second_of(deadline) + 1, here + 1, here + slots - 1);
  wheel_[std::size_t(due % slots)].push_back(timed);
}

void DeadlineWheel::run(base::Time now) noexcept {
  const std::int64_t here = second_of(now);
  for (std::int64_t s = std::max(second_ + 1, here - slots + 1); s <= here; ++s) {
    second_ = s;
    List due;
    due.swap(wheel_[std::size_t(s % slots)]);
    while (!due.empty()) {
      Timed& timed = due.front();
      due.pop_front();
      set(timed, timed.on_deadline(now), now);
    }
  }
}

base::Time DeadlineWheel::next() const noexcept {
  for (std::int64_t s = second_ + 1; s <= second_ + slots; ++s)
    if (!wheel_[std::size_t(s % slots)].empty()) return base::Time(std::chrono::seconds(s));
  return base::never;
}

}  // namespace culvert::proxy
