#include "tests/control/fake_server.hpp"

#include <nlohmann/json.hpp>

namespace culvert::control {

FakeServer::FakeServer() {
  for (std::byte& byte : private_key_.mutable_bytes()) byte = std::byte{0x48};
  info_.interface = "culvert0";
  info_.public_key = wg::public_key_of(private_key_);
  info_.listen = {*base::Endpoint::parse("0.0.0.0:51820")};
}

Peer& FakeServer::add(std::string name, std::byte byte) {
  Peer& peer = peers_.emplace_back();
  peer.entry.name = std::move(name);
  peer.entry.public_key.bytes.fill(byte);
  peer.slot = std::uint32_t(peers_.size() - 1);
  return peer;
}

std::vector<const Peer*> FakeServer::peers() const {
  std::vector<const Peer*> all;
  for (const Peer& peer : peers_) all.push_back(&peer);
  return all;
}

const Peer* FakeServer::find(const wg::PublicKey& key) const {
  for (const Peer& peer : peers_)
    if (peer.entry.public_key == key) return &peer;
  return nullptr;
}

const Peer* FakeServer::find(std::string_view name) const {
  for (const Peer& peer : peers_)
    if (peer.entry.name == name || peer.entry.public_key.to_string() == name) return &peer;
  return nullptr;
}

const base::PeerCounters& FakeServer::counters(std::uint32_t slot) const {
  return counters_[slot];
}

Server::Promise<std::string> FakeServer::add_peer(nlohmann::json definition) {
  if (problem_) co_return *problem_;
  std::string name = definition.value("name", std::string("unnamed"));
  co_return name;
}

Server::Promise<> FakeServer::change_peer(std::string, nlohmann::json) {
  if (problem_) co_return *problem_;
  co_return Nothing{};
}

Server::Promise<> FakeServer::remove_peer(std::string) {
  if (problem_) co_return *problem_;
  co_return Nothing{};
}

Server::Promise<> FakeServer::change_device(DeviceChange change) {
  changes_.push_back(std::move(change));
  if (problem_) co_return *problem_;
  co_return Nothing{};
}

Server::Promise<ReloadReport> FakeServer::reload() {
  if (problem_) co_return *problem_;
  ReloadReport report;
  co_return report;
}

Server::Promise<std::vector<proxy::FlowRecord>> FakeServer::flows(FlowFilter) {
  std::vector<proxy::FlowRecord> none;
  co_return none;
}

}  // namespace culvert::control
