#include "control/hooks.hpp"

#include <algorithm>

#include "control/admission_hook.hpp"
#include "control/forget_secrets.hpp"

namespace culvert::control {

Hooks::Hooks(Parts parts)
    : parts_(std::move(parts)),
      http_(parts_.executor, parts_.in_child),
      timer_(
          parts_.executor,
          [this] {
            return std::min(webhooks_ ? webhooks_->next_deadline() : base::never,
                            admission_ ? admission_->next_deadline() : base::never);
          },
          [this](base::Time now) {
            if (webhooks_) webhooks_->tick(now);
            if (admission_) admission_->tick(now);
          }) {}

HookWorld Hooks::world() {
  HookWorld world;
  world.post = [this](HttpRequest request, HookWorld::Done done) {
    http_.post(std::move(request), std::move(done));
  };
  world.now = [] { return base::BootClock::now(); };
  world.wall = [] { return base::WallTime(std::chrono::system_clock::now()); };
  world.random = &random_;
  world.wake = [this] { timer_.arm(); };
  return world;
}

void Hooks::configure(const std::vector<WebhookSettings>& webhooks,
                      const AdmissionSettings& admission, const std::vector<const Peer*>& peers) {
  if (!webhooks_ || webhooks != webhook_settings_) {
    for (WebhookSettings& old : webhook_settings_) control::forget_secrets(old);
    if (webhooks_) webhooks_->forget_secrets();
    webhook_settings_ = webhooks;
    webhooks_ = std::make_unique<Webhooks>(webhook_settings_, parts_.bus, world());
  }
  if (admission != *admission_settings_) {
    control::forget_secrets(*admission_settings_);
    admission_settings_ = std::make_shared<AdmissionSettings>(admission);
    configure_admission(peers);
  }
  timer_.arm();
}

void Hooks::configure_admission(const std::vector<const Peer*>& peers) {
  admission_.reset();
  if (admission_settings_->kind == AdmissionSettings::Kind::off) {
    for (const Peer* peer : peers) parts_.admit(peer->slot, true);
    return;
  }
  Admission::World needs;
  needs.ask = make_admission_hook(parts_.executor, admission_settings_, world());
  needs.apply = parts_.admit;
  needs.now = [] { return base::BootClock::now(); };
  needs.wake = [this] { timer_.arm(); };
  admission_ = std::make_unique<Admission>(*admission_settings_, std::move(needs));
  for (const Peer* peer : peers) {
    on_peer_added(*peer);
    if (peer->connected) on_peer_connected(*peer);
  }
}

void Hooks::forget_secrets() noexcept {
  for (WebhookSettings& each : webhook_settings_) control::forget_secrets(each);
  if (webhooks_) webhooks_->forget_secrets();
  control::forget_secrets(*admission_settings_);
}

std::vector<WebhookStatus> Hooks::webhooks() const {
  return webhooks_ ? webhooks_->status() : std::vector<WebhookStatus>();
}

std::optional<AdmissionStatus> Hooks::admission() const {
  if (!admission_) return {};
  return admission_->status();
}

void Hooks::on_peer_added(const Peer& peer) {
  if (admission_)
    admission_->peer_added(peer.slot,
                           {peer.entry.name, peer.entry.public_key, "", peer.entry.group});
}

void Hooks::on_peer_connected(const Peer& peer) {
  if (admission_)
    admission_->peer_connected(peer.slot, peer.endpoint ? peer.endpoint->to_string() : "");
}

void Hooks::on_peer_disconnected(const Peer& peer) {
  if (admission_) admission_->peer_disconnected(peer.slot);
}

void Hooks::on_peer_left(std::uint32_t slot) {
  if (admission_) admission_->peer_removed(slot);
}

}  // namespace culvert::control
