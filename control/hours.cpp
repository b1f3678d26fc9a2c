#include "control/hours.hpp"

#include <algorithm>

namespace culvert::control {

bool Hours::allow(unsigned minute) const noexcept {
  if (empty()) return true;
  return std::ranges::any_of(windows_, [minute](const Window& window) {
    return (minute >= window.first && minute < window.last) ||
           minute + minutes_of_week < window.last;
  });
}

std::string Hours::to_string() const {
  return text_;
}

}  // namespace culvert::control
