// Hooks: the webhooks and the admission hook with all that they need, as the control plane has
// them.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "base/random.hpp"
#include "control/admission.hpp"
#include "control/deadline_timer.hpp"
#include "control/http_process.hpp"
#include "control/server.hpp"
#include "control/webhooks.hpp"

namespace culvert::control {

class Hooks final : public PeerObserver {
 public:
  struct Parts {
    boost::asio::any_io_executor executor;
    EventBus& bus;
    std::function<void(std::uint32_t slot, bool admitted)> admit;
    std::function<void()> in_child;  // see HttpProcess
  };

  explicit Hooks(Parts parts);

  // At start and after a reload, with the peers that there are. What did not change goes on as it
  // was: what waits for a webhook still waits, verdicts still hold.
  void configure(const std::vector<WebhookSettings>& webhooks, const AdmissionSettings& admission,
                 const std::vector<const Peer*>& peers);

  void forget_secrets() noexcept;  // in a child process

  std::vector<WebhookStatus> webhooks() const;
  std::optional<AdmissionStatus> admission() const;  // nothing if it is off

  void on_peer_added(const Peer& peer) override;
  void on_peer_connected(const Peer& peer) override;
  void on_peer_disconnected(const Peer& peer) override;
  void on_peer_left(std::uint32_t slot) override;

 private:
  HookWorld world();
  void configure_admission(const std::vector<const Peer*>& peers);

  Parts parts_;
  std::vector<WebhookSettings> webhook_settings_;
  std::shared_ptr<AdmissionSettings> admission_settings_ = std::make_shared<AdmissionSettings>();
  base::SystemRandom random_;
  HttpProcess http_;
  DeadlineTimer timer_;
  std::unique_ptr<Webhooks> webhooks_;
  std::unique_ptr<Admission> admission_;
};

}  // namespace culvert::control
