// Calendar: days, weeks and months in a time zone (IANA tz database), for quotas, hours and
// history. Days that a change of clocks makes 23 or 25 hours long are one day.
#pragma once

#include <memory>
#include <string>

#include "base/time.hpp"
#include "control/outcome.hpp"
#include "control/peer.hpp"

namespace culvert::control {

class Calendar {
 public:
  struct Span {
    base::WallTime start{}, end{};
  };

  // An IANA name such as "Europe/Berlin"; "" = the system's zone, UTC where it has none.
  static Outcome<Calendar> open(const std::string& zone);
  Calendar(Calendar&&) noexcept;
  Calendar& operator=(Calendar&&) noexcept;
  ~Calendar();

  const std::string& zone() const noexcept;
  Span period(const Quota& quota, base::WallTime now) const;  // the one that holds `now`
  Span day(base::WallTime now) const;
  unsigned minute_of_week(base::WallTime now) const;  // since Monday 00:00, local
  std::chrono::seconds utc_offset(base::WallTime when) const;
  // "2026-12-31" (its end: the whole day is included) or "2026-12-31 18:00[:00]" in this zone, or
  // RFC 3339 with an offset.
  std::optional<base::WallTime> parse(std::string_view text) const;
  std::string to_string(base::WallTime when) const;  // RFC 3339 with the zone's offset, seconds

 private:
  struct Impl;
  explicit Calendar(std::unique_ptr<Impl> impl) noexcept;
  std::unique_ptr<Impl> impl_;
};

}  // namespace culvert::control
