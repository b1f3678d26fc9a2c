#include "app/peer_reports.hpp"

#include <algorithm>

namespace culvert::app {

void PeerReports::wait(std::uint32_t peer) noexcept {
  if (peers_[peer].waiting) return;
  peers_[peer].waiting = true;
  waiting_.push_back(peer);  // never grows: reserved for all peers
}

void PeerReports::up(std::uint32_t peer) noexcept {
  peers_[peer].up = true;
  peers_[peer].down = false;
  wait(peer);
}

void PeerReports::down(std::uint32_t peer) noexcept {
  peers_[peer].down = true;
  peers_[peer].up = false;
  wait(peer);
}

void PeerReports::moved(std::uint32_t peer, const wg::Path& path) noexcept {
  if (peers_[peer].path == path) return;
  peers_[peer].path = path;
  peers_[peer].moved = true;
  wait(peer);
}

void PeerReports::forget(std::uint32_t peer) noexcept {
  if (peers_[peer].waiting) std::erase(waiting_, peer);
  peers_[peer] = {};
}

const std::optional<wg::Path>& PeerReports::path_of(std::uint32_t peer) const noexcept {
  return peers_[peer].path;
}

void PeerReports::flush(const Send& send, base::Time now) {
  if (waiting_.empty()) return;
  next_ = base::never;
  std::erase_if(waiting_, [&](std::uint32_t peer) { return report(peer, send, now); });
}

// True if nothing is left to say.
bool PeerReports::report(std::uint32_t index, const Send& send, base::Time now) {
  Peer& peer = peers_[index];
  if (peer.up && peer.path) {
    send(PeerUp{index, *peer.path});
    peer.moved = false;
  } else if (peer.down) {
    send(PeerDown{index});
  }
  peer.up = peer.down = false;
  if (peer.moved && now < peer.next_move) {
    next_ = std::min(next_, peer.next_move);
    return false;
  }
  if (peer.moved) {
    send(PeerMoved{index, *peer.path});
    peer.next_move = now + move_interval;
  }
  peer.moved = false;
  peer.waiting = false;
  return true;
}

}  // namespace culvert::app
