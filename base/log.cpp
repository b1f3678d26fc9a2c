#include "base/log.hpp"

#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <memory>
#include <string>

#include "base/log_level.hpp"

namespace culvert::base::log {

namespace {

spdlog::level::level_enum to_spdlog(Level level) noexcept {
  switch (level) {
    case Level::debug: return spdlog::level::debug;
    case Level::info: return spdlog::level::info;
    case Level::warn: return spdlog::level::warn;
    case Level::error: return spdlog::level::err;
    case Level::off: break;
  }
  return spdlog::level::off;
}

Level current = Level::info;
bool as_json = false;

// The inside of a JSON string (RFC 8259 section 7).
std::string escape(std::string_view text) {
  std::string out;
  out.reserve(text.size() + 8);
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      out += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
    } else {
      out += c;
    }
  }
  return out;
}

}  // namespace

void set_up(Level level, Format format, std::string_view tag) {
  auto logger = std::make_shared<spdlog::logger>(
      std::string(tag), std::make_shared<spdlog::sinks::stderr_sink_st>());
  as_json = format == Format::json;
  if (as_json) {
    logger->set_formatter(std::make_unique<spdlog::pattern_formatter>(
        R"({"time":"%Y-%m-%dT%H:%M:%S.%eZ","level":"%l","process":"%n","message":"%v"})",
        spdlog::pattern_time_type::utc));
  } else {
    logger->set_pattern("%Y-%m-%d %H:%M:%S.%e %-7l [%n] %v");
  }
  logger->set_level(to_spdlog(level));
  current = level;
  spdlog::set_default_logger(std::move(logger));
}

void set_level(Level level) noexcept {
  spdlog::default_logger_raw()->set_level(to_spdlog(level));
  current = level;
}

bool enabled(Level level) noexcept { return level >= current && current != Level::off; }

void write(Level level, std::string_view message) noexcept try {
  // One write(2) a line, so that lines of several processes do not mix.
  const std::string text = as_json ? escape(message) : std::string(message);
  spdlog::default_logger_raw()->log(to_spdlog(level), text);
  spdlog::default_logger_raw()->flush();
} catch (...) {
  // Nowhere left to tell.
}

}  // namespace culvert::base::log
