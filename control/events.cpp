#include "control/events.hpp"

#include <fmt/format.h>

#include <array>
#include <utility>

#include "control/clean_text.hpp"
#include "control/timestamp.hpp"

namespace culvert::control {
namespace {

constexpr std::array<std::pair<EventKind, std::string_view>, 12> names{{
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
    {EventKind::list_updated, "list_updated"},
    {EventKind::list_failed, "list_failed"},
}};

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
                     to_string(kind), timestamp(when), json_string(peer), json_string(detail),
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
                    clean_text(std::move(peer)),
                    clean_text(std::move(detail)),
                    clean_text(std::move(data), std::string::npos)};
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
