// FlowSource: a control::Server with peers, counters and flow records that a test puts in; it has
// no changes. What watches a server is tested against it.
#pragma once

#include <deque>
#include <map>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <vector>

#include "control/server.hpp"

namespace culvert::control {

class FlowSource final : public Server {
 public:
  const Peer& add(std::string name, std::string group = "") {
    Peer& peer = peers_.emplace_back();
    peer.slot = std::uint32_t(peers_.size() - 1);
    peer.entry.name = std::move(name);
    peer.entry.group = std::move(group);
    for (std::size_t i = 0; i < 4; ++i)
      peer.entry.public_key.bytes[i] = std::byte(peer.slot >> (8 * i));
    const std::uint32_t host = 0x0a080002 + peer.slot;
    peer.entry.allowed_ips = {base::Prefix(base::IpAddress::v4(host), 32)};
    counters_.emplace_back();
    controls_.emplace_back();
    return peer;
  }
  Peer& peer(std::uint32_t slot) { return peers_.at(slot); }
  base::PeerCounters& count(std::uint32_t slot) { return counters_.at(slot); }
  base::WorkerCounters& count_worker(unsigned worker) { return worker_counters_[worker]; }
  std::vector<WorkerState>& states() { return workers_; }
  std::vector<GroupConfig>& group_list() { return groups_; }
  void push(const proxy::FlowRecord& record) { records_.push_back(record); }

  ServerInfo about;

  const ServerInfo& info() const override { return about; }
  const wg::PrivateKey& private_key() const override { return key_; }
  std::uint32_t fwmark() const override { return 0; }
  std::vector<WorkerState> workers() const override { return workers_; }
  std::vector<const Peer*> peers() const override {
    std::vector<const Peer*> all;
    for (const Peer& peer : peers_) all.push_back(&peer);
    return all;
  }
  const Peer* find(const wg::PublicKey& key) const override {
    for (const Peer& peer : peers_)
      if (peer.entry.public_key == key) return &peer;
    return nullptr;
  }
  const Peer* find(std::string_view name) const override {
    for (const Peer& peer : peers_)
      if (peer.entry.name == name) return &peer;
    return nullptr;
  }
  const std::vector<GroupConfig>& groups() const override { return groups_; }
  const base::PeerCounters& counters(std::uint32_t slot) const override {
    return counters_.at(slot);
  }
  base::PeerControls& controls(std::uint32_t slot) override { return controls_.at(slot); }
  const base::WorkerCounters& worker_counters(unsigned worker) const override {
    return worker_counters_.at(worker);
  }
  base::GroupControls& group_controls(std::size_t group) override { return group_controls_[group]; }
  void take_records(const std::function<void(const proxy::FlowRecord&)>& each) override {
    for (const proxy::FlowRecord& record : records_) each(record);
    records_.clear();
  }

  Promise<std::string> add_peer(nlohmann::json) override { throw std::logic_error("no changes"); }
  Promise<> change_peer(std::string, nlohmann::json) override { throw std::logic_error("no"); }
  Promise<> remove_peer(std::string) override { throw std::logic_error("no changes"); }
  Promise<> change_device(DeviceChange) override { throw std::logic_error("no changes"); }
  Promise<ReloadReport> reload() override { throw std::logic_error("no changes"); }
  Promise<std::vector<proxy::FlowRecord>> flows(FlowFilter) override {
    throw std::logic_error("no changes");
  }

 private:
  std::deque<Peer> peers_;
  std::deque<base::PeerCounters> counters_;
  std::deque<base::PeerControls> controls_;
  std::vector<WorkerState> workers_;
  std::map<unsigned, base::WorkerCounters> worker_counters_;
  std::vector<GroupConfig> groups_;
  std::map<std::size_t, base::GroupControls> group_controls_;
  std::vector<proxy::FlowRecord> records_;
  wg::PrivateKey key_;
};

}  // namespace culvert::control
