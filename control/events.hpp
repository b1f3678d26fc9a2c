// EventBus: what happened, told to whoever listens: server-sent events, webhooks, the log.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.hpp"
#include "control/settings.hpp"

namespace culvert::control {

struct Event {
  std::uint64_t id = 0;  // counts up from 1 in each run of the server
  EventKind kind{};
  base::WallTime when{};
  std::string peer;    // its name; "" = not about one
  std::string detail;  // for a person
  std::string data;    // more fields as the members of a JSON object: "\"endpoint\":\"…\"", or ""

  std::string to_json() const;  // one line: id, type, time (RFC 3339, UTC), peer, detail, then data
};

std::string_view to_string(EventKind kind) noexcept;  // "connect", "worker_restarted", ...
std::optional<EventKind> parse_event_kind(std::string_view text) noexcept;

class EventBus {
 public:
  using Listener = std::function<void(const Event& event)>;
  static constexpr std::size_t remembered = 1024;  // for Last-Event-ID

  EventBus() = default;
  EventBus(const EventBus&) = delete;
  EventBus& operator=(const EventBus&) = delete;

  // Listens until the token is gone, which may be in the middle of an event; who comes in the
  // middle of one hears the next. A listener must not publish.
  [[nodiscard]] std::shared_ptr<void> listen(Listener listener);
  // Control characters in the texts become spaces, and what is not UTF-8 is replaced.
  void publish(EventKind kind, std::string peer, std::string detail, std::string data = {},
               base::WallTime when = base::WallTime(std::chrono::system_clock::now()));
  // Remembered events after `id`, oldest first.
  void replay(std::uint64_t id, const Listener& listener) const;

 private:
  std::uint64_t next_ = 1;
  std::deque<Event> recent_;
  std::vector<std::weak_ptr<Listener>> listeners_;  // whoever holds a token owns its listener
};

}  // namespace culvert::control
