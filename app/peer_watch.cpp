#include "app/peer_watch.hpp"

#include <utility>

#include "base/log.hpp"

namespace culvert::app {

namespace log = base::log;
using control::EventKind;
using control::Peer;

Peer* PeerWatch::owned(unsigned worker, std::uint32_t slot) noexcept {
  Peer* peer = registry_.at(slot);
  return peer && peer->worker == worker ? peer : nullptr;
}

void PeerWatch::on_report(unsigned worker, const ControlMessage& message) {
  if (const auto* up = std::get_if<PeerUp>(&message)) {
    if (Peer* peer = owned(worker, up->peer)) on_up(*peer, up->path);
  } else if (const auto* moved = std::get_if<PeerMoved>(&message)) {
    if (Peer* peer = owned(worker, moved->peer)) on_moved(*peer, moved->path);
  } else if (const auto* down = std::get_if<PeerDown>(&message)) {
    if (Peer* peer = owned(worker, down->peer)) on_down(*peer);
  }
}

void PeerWatch::on_up(Peer& peer, const wg::Path& path) {
  PeerMemory& memory = registry_.memory(peer.slot);
  const std::string remote = path.remote.to_string();
  const bool was_connected = peer.connected;
  const bool was_up = memory.up;
  memory = {path, true};
  peer.endpoint = path.remote;
  peer.connected = true;
  if (!was_connected && observer_) observer_->on_peer_connected(peer);
  if (!was_up) {
    log::info("peer {} connected from {}", peer.entry.name, remote);
    events_.publish(EventKind::connect, peer.entry.name, "connected from " + remote,
                    "\"endpoint\":\"" + remote + "\"");
  }
}

void PeerWatch::on_moved(Peer& peer, const wg::Path& path) {
  PeerMemory& memory = registry_.memory(peer.slot);
  if (memory.up) log::debug("peer {} is now at {}", peer.entry.name, path.remote.to_string());
  memory.path = path;
  peer.endpoint = path.remote;
}

void PeerWatch::on_down(Peer& peer) {
  PeerMemory& memory = registry_.memory(peer.slot);
  const bool was_up = memory.up, was_connected = peer.connected;
  memory.up = peer.connected = false;
  if (was_connected && observer_) observer_->on_peer_disconnected(peer);
  if (was_up) {
    log::info("peer {} is gone: its session ended", peer.entry.name);
    events_.publish(EventKind::disconnect, peer.entry.name, "its session ended");
  }
}

void PeerWatch::on_worker_lost(unsigned worker) {
  for (const Peer* peer : registry_.peers())
    if (peer->worker == worker && std::exchange(registry_.at(peer->slot)->connected, false))
      if (observer_) observer_->on_peer_disconnected(*peer);
}

}  // namespace culvert::app
