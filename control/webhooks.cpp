#include "control/webhooks.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "control/clean_text.hpp"
#include "control/forget_secrets.hpp"
#include "control/hook_signature.hpp"
#include "control/url.hpp"

namespace culvert::control {
namespace {

namespace log = base::log;
using namespace std::chrono_literals;

constexpr base::Duration first_delay = 1s, longest_delay = 5min;
constexpr auto timeout = std::chrono::milliseconds(10'000);
constexpr std::size_t longest_error = 200;

std::string delivery_id(base::Random& random) {
  return fmt::format("{:016x}{:016x}", random.u64(), random.u64());
}

// Doubled each time, and up to half as much again, so that many servers do not come back at once.
base::Duration delay_after(unsigned failures, base::Random& random) {
  const base::Duration delay =
      std::min(first_delay * (1 << std::min(failures - 1, 16u)), longest_delay);
  const auto jitter = delay / 2 * random.below(1001) / 1000;
  return std::min(delay + jitter, longest_delay);
}

std::string error_of(const HttpReply& reply) {
  if (reply.status == 0) return clean_text(reply.error, longest_error);
  return fmt::format("HTTP status {}", reply.status);
}

}  // namespace

struct Webhooks::Hook {
  struct Delivery {
    std::string id, kind, body;
  };

  explicit Hook(const WebhookSettings& from) : settings(from) {
    const auto url = Url::parse(settings.url);
    status.url = url ? url->shown() : "not a URL";
  }

  bool wants(EventKind kind) const {
    return settings.events.empty() || std::ranges::count(settings.events, kind) > 0;
  }

  WebhookSettings settings;
  WebhookStatus status;
  std::deque<Delivery> queue;  // its first is the one that is tried
  bool under_way = false;
  unsigned failures = 0;  // of the first
  base::Time next{};      // when it may be tried
  log::Limiter drop_log{1min};
};

Webhooks::Webhooks(const std::vector<WebhookSettings>& settings, EventBus& bus, HookWorld world)
    : world_(std::move(world)) {
  for (const WebhookSettings& each : settings) hooks_.push_back(std::make_shared<Hook>(each));
  if (!hooks_.empty()) listening_ = bus.listen([this](const Event& event) { on_event(event); });
}

Webhooks::~Webhooks() = default;

void Webhooks::forget_secrets() noexcept {
  for (const auto& hook : hooks_) control::forget_secrets(hook->settings);
}

void Webhooks::on_event(const Event& event) {
  const base::Time now = world_.now();
  for (const auto& hook : hooks_) {
    if (!hook->wants(event.kind)) continue;
    if (hook->queue.size() >= max_waiting) {
      hook->queue.erase(hook->queue.begin() + (hook->under_way ? 1 : 0));
      if (!hook->under_way) hook->failures = 0;
      ++hook->status.dropped;
      if (hook->drop_log.allow(now))
        log::warn("webhook {}: {} events wait, the oldest are dropped", hook->status.url,
                  max_waiting);
    }
    hook->queue.push_back(
        {delivery_id(*world_.random), std::string(to_string(event.kind)), event.to_json()});
    try_send(hook, now);
  }
}

void Webhooks::try_send(const std::shared_ptr<Hook>& hook, base::Time now) {
  if (hook->under_way || hook->queue.empty() || now < hook->next) return;
  const Hook::Delivery& first = hook->queue.front();
  HttpRequest request;
  request.url = hook->settings.url;
  request.ca_file = hook->settings.ca_file;
  request.timeout = timeout;
  request.body = first.body;
  const auto seconds = std::chrono::floor<std::chrono::seconds>(world_.wall().time_since_epoch());
  const std::string stamp = std::to_string(seconds.count());
  request.headers = {
      {"Culvert-Event", first.kind}, {"Culvert-Delivery", first.id}, {"Culvert-Timestamp", stamp}};
  if (!hook->settings.secret.empty())
    request.headers.emplace_back("Culvert-Signature",
                                 hook_signature(hook->settings.secret, stamp, first.body));
  hook->under_way = true;
  world_.post(std::move(request), [this, weak = std::weak_ptr(hook)](HttpReply reply) {
    if (const auto alive = weak.lock()) on_reply(alive, reply);  // it lives as long as we do
  });
}

void Webhooks::on_reply(const std::shared_ptr<Hook>& hook, const HttpReply& reply) {
  const base::Time now = world_.now();
  hook->under_way = false;
  if (reply.success()) {
    if (!hook->status.last_error.empty()) log::info("webhook {} works again", hook->status.url);
    hook->status.last_error.clear();
    ++hook->status.delivered;
    hook->queue.pop_front();
    hook->failures = 0;
  } else {
    if (hook->status.last_error.empty())
      log::warn("webhook {}: {}", hook->status.url, error_of(reply));
    hook->status.last_error = error_of(reply);
    retry_later(*hook, now);
  }
  try_send(hook, now);
  if (world_.wake) world_.wake();
}

void Webhooks::retry_later(Hook& hook, base::Time now) {
  if (++hook.failures <= max_retries) {
    hook.next = now + delay_after(hook.failures, *world_.random);
    return;
  }
  log::warn("webhook {}: event {} is given up after {} attempts: {}", hook.status.url,
            hook.queue.front().kind, hook.failures, hook.status.last_error);
  ++hook.status.failed;
  hook.queue.pop_front();
  hook.failures = 0;
}

base::Time Webhooks::next_deadline() const noexcept {
  base::Time first = base::never;
  for (const auto& hook : hooks_)
    if (!hook->under_way && !hook->queue.empty()) first = std::min(first, hook->next);
  return first;
}

void Webhooks::tick(base::Time now) {
  for (const auto& hook : hooks_) try_send(hook, now);
}

std::vector<WebhookStatus> Webhooks::status() const {
  std::vector<WebhookStatus> all;
  for (const auto& hook : hooks_) {
    all.push_back(hook->status);
    all.back().waiting = hook->queue.size();
  }
  return all;
}

}  // namespace culvert::control
