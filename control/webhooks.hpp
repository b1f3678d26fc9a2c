// Webhooks: posts each event as JSON to every configured URL that wants its kind, in order.
//
//   Culvert-Event: connect              Culvert-Delivery: 32 hexadecimal digits, the same whenever
//   Culvert-Timestamp, Culvert-Signature: see hook_signature.hpp       this event is sent again
//
// Any answer but 2xx is a failure: the event is sent again after 1 s, 2 s, 4 s ... up to 5 min, ten
// times at most; then it is given up and the next one has its turn. At most 1,000 events wait for a
// URL; then the oldest goes. Nothing here reads a clock: ticks and answers bring the time.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/log.hpp"
#include "base/random.hpp"
#include "base/time.hpp"
#include "control/events.hpp"
#include "control/outgoing_http.hpp"
#include "control/settings.hpp"

namespace culvert::control {

struct WebhookStatus {
  std::string url;                          // without its query
  std::uint64_t delivered = 0, failed = 0;  // events; failed = given up
  std::uint64_t dropped = 0;                // for want of room
  std::size_t waiting = 0;
  std::string last_error;  // of the event that is being tried; "" = the last attempt went well
};

// What webhooks and the admission hook need of the world.
struct HookWorld {
  using Done = std::function<void(HttpReply)>;
  std::function<void(HttpRequest, Done)> post;  // calls back once, later
  std::function<base::Time()> now;
  std::function<base::WallTime()> wall;
  base::Random* random = nullptr;
  std::function<void()> wake;  // next_deadline() may have become earlier
};

class Webhooks {
 public:
  static constexpr std::size_t max_waiting = 1000;
  static constexpr unsigned max_retries = 10;

  Webhooks(const std::vector<WebhookSettings>& settings, EventBus& bus, HookWorld world);
  ~Webhooks();  // answers that come later are ignored

  base::Time next_deadline() const noexcept;
  void tick(base::Time now);
  std::vector<WebhookStatus> status() const;
  void forget_secrets() noexcept;  // in a child process

 private:
  struct Hook;
  void on_event(const Event& event);
  void try_send(const std::shared_ptr<Hook>& hook, base::Time now);
  void on_reply(const std::shared_ptr<Hook>& hook, const HttpReply& reply);
  void retry_later(Hook& hook, base::Time now);

  HookWorld world_;
  std::vector<std::shared_ptr<Hook>> hooks_;
  std::shared_ptr<void> listening_;
};

}  // namespace culvert::control
