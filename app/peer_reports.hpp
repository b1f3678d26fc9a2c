// PeerReports: what a worker tells the supervisor of its peers, gathered during a turn and sent at
// its end. A peer that moves with every packet is reported once a second.
#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "app/control_message.hpp"
#include "base/time.hpp"

namespace culvert::app {

class PeerReports {
 public:
  using Send = std::function<bool(const ControlMessage& message)>;
  static constexpr base::Duration move_interval = std::chrono::seconds(1);

  // Room for slots 0 to `slots` - 1, and for more later.
  explicit PeerReports(std::size_t slots) { make_room(slots); }
  void make_room(std::size_t slots) {
    if (slots <= peers_.size()) return;
    peers_.resize(slots);
    waiting_.reserve(peers_.capacity());
  }

  void up(std::uint32_t peer) noexcept;
  void down(std::uint32_t peer) noexcept;
  void moved(std::uint32_t peer, const wg::Path& path) noexcept;
  void forget(std::uint32_t peer) noexcept;  // it is gone: nothing more is said of it
  const std::optional<wg::Path>& path_of(std::uint32_t peer) const noexcept;

  void flush(const Send& send, base::Time now);
  base::Time next_deadline() const noexcept { return next_; }

 private:
  struct Peer {
    std::optional<wg::Path> path;
    base::Time next_move = base::Time::min();
    bool up = false, down = false, moved = false;  // to be said
    bool waiting = false;                          // is in waiting_
  };
  void wait(std::uint32_t peer) noexcept;
  bool report(std::uint32_t peer, const Send& send, base::Time now);

  std::vector<Peer> peers_;
  std::vector<std::uint32_t> waiting_;
  base::Time next_ = base::never;
};

}  // namespace culvert::app
