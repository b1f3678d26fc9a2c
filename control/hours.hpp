// Hours: when in the week something is allowed, in local time of the configured zone.
//   "mon-fri 08:00-20:00, sat 10:00-14:00"      "22:00-06:00" (every day, over midnight)
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace culvert::control {

class Hours {
 public:
  static constexpr unsigned minutes_of_week = 7 * 24 * 60;

  Hours() = default;
  static std::optional<Hours> parse(std::string_view text);
  std::string to_string() const;  // as it was written

  bool empty() const noexcept { return text_.empty(); }  // always
  // `minute`: since Monday 00:00.
  bool allow(unsigned minute) const noexcept;
  friend bool operator==(const Hours&, const Hours&) = default;

 private:
  struct Window {
    unsigned first, last;  // minutes of the week, half open; last > first, may pass the week's end
    friend bool operator==(const Window&, const Window&) = default;
  };
  std::string text_;
  std::vector<Window> windows_;
};

}  // namespace culvert::control
