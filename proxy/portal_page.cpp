#include "proxy/portal_page.hpp"

#include <fmt/format.h>

#include <array>
#include <chrono>
#include <cstdlib>

#include "proxy/flow_table.hpp"

namespace culvert::proxy {
namespace {

// Names come from a configuration, but a page is no place to trust them.
std::string escape(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '&':
        out += "&amp;";
        break;
      case '"':
        out += "&quot;";
        break;
      default:
        if (static_cast<unsigned char>(c) >= 0x20) out += c;
    }
  }
  return out;
}

std::string_view headline(const PageFacts& facts) noexcept {
  switch (facts.stop) {
    case base::Stop::none:
      return facts.slowed ? "The quota is used up: this connection is slowed down"
                          : "This connection is open";
    case base::Stop::quota:
      return "The quota is used up";
    case base::Stop::expired:
      return "The access of this device has expired";
    case base::Stop::hours:
      return "This device may not use the connection at this hour";
    case base::Stop::admission:
      return "This device is not admitted";
  }
  return "This connection is stopped";
}

std::string rows(const PageFacts& facts) {
  const auto row = [](std::string_view what, std::string_view value) {
    return fmt::format("<dt>{}</dt><dd>{}</dd>\n", what, value);
  };
  std::string out;
  if (!facts.name.empty()) out += row("Device", escape(facts.name));
  out += row("Used", facts.quota ? bytes_text(facts.used) + " of " + bytes_text(facts.quota)
                                 : bytes_text(facts.used) + ", no quota");
  if (facts.quota && facts.resets_at)
    out += row("Counted anew from", time_text(facts.resets_at, facts.utc_offset));
  return out;
}

}  // namespace

PageFacts facts_of(const ClientState& client) {
  PageFacts facts;
  facts.name = client.config.name;
  facts.stop = client.gate.stopped;
  const std::uint64_t total = client.counters.up_bytes.get() + client.counters.down_bytes.get();
  facts.used = total;
  const base::PeerControls* const controls = client.config.controls;
  if (!controls) return facts;
  const std::uint64_t counted_at = controls->counted_at.get();
  facts.quota = controls->quota_bytes.get();
  facts.used = controls->used_before.get() + (total > counted_at ? total - counted_at : 0);
  // Over its quota and not stopped: that is what slows it down.
  facts.slowed = facts.stop == base::Stop::none && facts.quota > 0 && facts.used >= facts.quota;
  facts.resets_at = std::int64_t(controls->resets_at.get());
  facts.utc_offset = std::int64_t(controls->utc_offset.get());
  return facts;
}

std::string page(const PageFacts& facts) {
  return fmt::format(
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
      "<title>{0}</title>\n"
      "<style>body{{font:1.1em/1.5 sans-serif;max-width:32em;margin:3em auto;padding:0 1em}}"
      "dt{{color:#666}}dd{{margin:0 0 1em}}</style>\n"
      "</head>\n<body>\n<h1>{0}</h1>\n<dl>\n{1}</dl>\n</body>\n</html>\n",
      headline(facts), rows(facts));
}

std::string bytes_text(std::uint64_t bytes) {
  static constexpr std::array<const char*, 6> units{"kB", "MB", "GB", "TB", "PB", "EB"};
  if (bytes < 1000) return fmt::format("{} bytes", bytes);
  double value = double(bytes) / 1000;
  std::size_t unit = 0;
  while (value >= 999.995 && unit + 1 < units.size()) value /= 1000, ++unit;
  return fmt::format("{:.2f} {}", value, units[unit]);
}

std::string time_text(std::int64_t seconds, std::int64_t utc_offset) {
  using namespace std::chrono;
  const sys_seconds local{std::chrono::seconds(seconds + utc_offset)};
  const auto day = floor<days>(local);
  const year_month_day date(day);
  const auto minutes_of_day = duration_cast<minutes>(local - day).count();
  const std::int64_t offset = std::abs(utc_offset) / 60;
  return fmt::format("{:04}-{:02}-{:02} {:02}:{:02} (UTC{}{:02}:{:02})", int(date.year()),
                     unsigned(date.month()), unsigned(date.day()), minutes_of_day / 60,
                     minutes_of_day % 60, utc_offset < 0 ? '-' : '+', offset / 60, offset % 60);
}

}  // namespace culvert::proxy
