// DeadlineTimer: turns the deadline of something that takes time as a parameter into calls of its
// tick, by the loop's clock.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <memory>

#include "base/time.hpp"

namespace culvert::control {

class DeadlineTimer {
 public:
  // `deadline` says when `tick` wants to be called next, base::never if not at all.
  DeadlineTimer(boost::asio::any_io_executor executor, std::function<base::Time()> deadline,
                std::function<void(base::Time now)> tick);

  // To be called whenever the deadline may have become an earlier one.
  void arm();

 private:
  boost::asio::steady_timer timer_;
  std::function<base::Time()> deadline_;
  std::function<void(base::Time)> tick_;
  std::shared_ptr<int> alive_ = std::make_shared<int>();  // for a wait that was over already
};

}  // namespace culvert::control
