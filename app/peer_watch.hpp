// PeerWatch: what workers report of their peers: which have a session, and where they were last
// seen. A worker is heard about its own peers only.
#pragma once

#include "app/control_message.hpp"
#include "app/registry.hpp"
#include "control/events.hpp"

namespace culvert::app {

class PeerWatch {
 public:
  PeerWatch(Registry& registry, control::EventBus& events) : registry_(registry), events_(events) {}

  // Told from now on; null: nobody is.
  void observe(control::PeerObserver* observer) noexcept { observer_ = observer; }
  void on_report(unsigned worker, const ControlMessage& message);
  // Nobody has a session with a worker that is gone. Where they were stays known.
  void on_worker_lost(unsigned worker);

 private:
  control::Peer* owned(unsigned worker, std::uint32_t slot) noexcept;
  void on_up(control::Peer& peer, const wg::Path& path);
  void on_moved(control::Peer& peer, const wg::Path& path);
  void on_down(control::Peer& peer);

  Registry& registry_;
  control::EventBus& events_;
  control::PeerObserver* observer_ = nullptr;
};

}  // namespace culvert::app
