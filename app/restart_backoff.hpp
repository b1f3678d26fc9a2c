// When a worker that died is started again: the first time at once, then after growing pauses, so
// that a fault at start does not spin; one that had lived a while starts over.
#pragma once

#include <algorithm>

#include "base/time.hpp"

namespace culvert::app {

class RestartBackoff {
 public:
  static constexpr base::Duration first_pause = std::chrono::milliseconds(100);
  static constexpr base::Duration longest_pause = std::chrono::seconds(5);
  static constexpr base::Duration healthy_life = std::chrono::seconds(10);

  // How long to wait after a worker died that had lived for `life`.
  base::Duration next(base::Duration life) noexcept {
    if (life >= healthy_life) pause_ = {};
    const base::Duration now = pause_;
    pause_ = std::clamp(2 * pause_, first_pause, longest_pause);
    return now;
  }

 private:
  base::Duration pause_{};
};

}  // namespace culvert::app
