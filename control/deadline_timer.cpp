#include "control/deadline_timer.hpp"

#include <algorithm>

namespace culvert::control {
namespace {

// Asio's clock stands still while the machine sleeps and the deadlines' does not: look again.
constexpr base::Duration longest_sleep = std::chrono::seconds(30);

}  // namespace

DeadlineTimer::DeadlineTimer(boost::asio::any_io_executor executor,
                             std::function<base::Time()> deadline,
                             std::function<void(base::Time now)> tick)
    : timer_(std::move(executor)), deadline_(std::move(deadline)), tick_(std::move(tick)) {}

void DeadlineTimer::arm() {
  const base::Time deadline = deadline_();
  if (deadline == base::never) {
    timer_.cancel();
    return;
  }
  const base::Duration wait =
      std::clamp(deadline - base::BootClock::now(), base::Duration::zero(), longest_sleep);
  timer_.expires_after(wait);
  timer_.async_wait([this, alive = std::weak_ptr(alive_)](boost::system::error_code error) {
    if (error || alive.expired()) return;
    tick_(base::BootClock::now());
    arm();
  });
}

}  // namespace culvert::control
