// Log lines for people: one line an event, never one a packet, never key material.
// Formatting happens only when the level is on. The sink (text or JSON, stderr) is set up once.
#pragma once

#include <fmt/core.h>

#include <string_view>

#include "base/time.hpp"

namespace culvert::base::log {

enum class Level { debug, info, warn, error, off };
enum class Format { text, json };

// Called once at start; `tag` names the process in every line ("supervisor", "worker 0").
void set_up(Level level, Format format, std::string_view tag);
bool enabled(Level level) noexcept;
void write(Level level, std::string_view message) noexcept;

template <class... A>
void at(Level level, fmt::format_string<A...> text, A&&... values) noexcept try {
  if (enabled(level)) write(level, fmt::format(text, std::forward<A>(values)...));
} catch (...) {
  // A log line is not worth a crash.
}
template <class... A>
void debug(fmt::format_string<A...> text, A&&... values) noexcept {
  at(Level::debug, text, std::forward<A>(values)...);
}
template <class... A>
void info(fmt::format_string<A...> text, A&&... values) noexcept {
  at(Level::info, text, std::forward<A>(values)...);
}
template <class... A>
void warn(fmt::format_string<A...> text, A&&... values) noexcept {
  at(Level::warn, text, std::forward<A>(values)...);
}
template <class... A>
void error(fmt::format_string<A...> text, A&&... values) noexcept {
  at(Level::error, text, std::forward<A>(values)...);
}

// Lets one event through per `interval`, so that a flood is one line and not ten thousand.
class Limiter {
 public:
  explicit Limiter(Duration interval) noexcept : interval_(interval) {}
  bool allow(Time now) noexcept {
    if (now < next_) return false;
    next_ = now + interval_;
    return true;
  }

 private:
  Duration interval_;
  Time next_{};
};

}  // namespace culvert::base::log
