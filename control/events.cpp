#include "control/events.hpp"

#include <fmt/format.h>
#include <time.h>

#include <array>
#include <nlohmann/json.hpp>
#include <utility>

namespace culvert::control {
namespace {

constexpr std::array<std::pair<EventKind, std::string_view>, 10> names{{
    {EventKind::connect, "connect"},
    {EventKind::disconnect, "disconnect"},
    {EventKind::quota, "quota"},
    {EventKind::denied_burst, "denied_burst"},
    {EventKind::worker_restarted, "worker_restarted"},
    {EventKind::peer_added, "peer_added"},
    {EventKind::peer_removed, "peer_removed"},
    {EventKind::reloaded, "reloaded"},
    {EventKind::state_failed, "state_failed"},
    {EventKind::state_recovered, "state_recovered"},
}};

// U+0000 to U+001F, U+007F, and U+0080 to U+009F, which UTF-8 writes as C2 80 to C2 9F.
std::string without_controls(std::string text) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if (byte < 0x20 || byte == 0x7f) text[i] = ' ';
    if (byte != 0xc2 || i + 1 == text.size()) continue;
    const auto next = static_cast<unsigned char>(text[i + 1]);
    if (next >= 0x80 && next < 0xa0) text[i] = text[i + 1] = ' ';
  }
  return text;
}

std::string quoted(const std::string& text) {
  return nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::string rfc3339(base::WallTime when) {
  const auto since = std::chrono::floor<std::chrono::milliseconds>(when.time_since_epoch());
  const auto seconds = std::chrono::floor<std::chrono::seconds>(since);
  const time_t whole = seconds.count();
  tm utc{};
  ::gmtime_r(&whole, &utc);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", utc.tm_year + 1900,
                     utc.tm_mon + 1, utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec,
                     (since - seconds).count());
}

}  // namespace

std::string_view to_string(EventKind kind) noexcept {
  for (const auto& [each, name] : names)
    if (each == kind) return name;
  return "unknown";
}

std::optional<EventKind> parse_event_kind(std::string_view text) noexcept {
  for (const auto& [kind, name] : names)
    if (name == text) return kind;
  return {};
}

std::string Event::to_json() const {
  return fmt::format(R"({{"id":{},"type":"{}","time":"{}","peer":{},"detail":{}{}{}}})", id,
                     to_string(kind), rfc3339(when), quoted(peer), quoted(detail),
                     data.empty() ? "" : ",", data);
}

std::shared_ptr<void> EventBus::listen(Listener listener) {
  std::erase_if(listeners_, [](const auto& each) { return each.expired(); });
  auto token = std::make_shared<Listener>(std::move(listener));
  listeners_.push_back(token);
  return token;
}

void EventBus::publish(EventKind kind, std::string peer, std::string detail, std::string data,
                       base::WallTime when) {
  const Event event{next_++,
                    kind,
                    when,
                    without_controls(std::move(peer)),
                    without_controls(std::move(detail)),
                    without_controls(std::move(data))};
  recent_.push_back(event);
  if (recent_.size() > remembered) recent_.pop_front();
  // A copy of the list: a listener may add or end others. Each is held while it is called, so that
  // it may end itself, and one that was ended before its turn is not called.
  const auto listeners = listeners_;
  for (const auto& each : listeners)
    if (const auto listener = each.lock()) (*listener)(event);
}

void EventBus::replay(std::uint64_t id, const Listener& listener) const {
  for (const Event& event : recent_)
    if (event.id > id) listener(event);
}

}  // namespace culvert::control
