// FakeServer: a Server made of plain members, for tests of what asks and changes it. A change is
// taken and forgotten; what a test needs beyond that it says in a class of its own.
#pragma once

#include <algorithm>
#include <deque>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>
#include <vector>

#include "control/server.hpp"

namespace culvert::control {

class FakeServer : public Server {
 public:
  FakeServer() {
    for (std::byte& byte : private_key_.mutable_bytes()) byte = std::byte{0x48};
    info_.interface = "culvert0";
    info_.public_key = wg::public_key_of(private_key_);
    info_.listen = {*base::Endpoint::parse("0.0.0.0:51820")};
  }

  // Adds a peer in the first free slot; its key is 32 bytes of `byte`.
  Peer& add(std::string name, std::byte byte) {
    std::vector<bool> taken(peers_.size() + 1);
    for (const Peer& other : peers_)
      if (other.slot < taken.size()) taken[other.slot] = true;
    const auto slot = std::uint32_t(std::ranges::find(taken, false) - taken.begin());
    Peer& peer = peers_.emplace_back();
    peer.entry.name = std::move(name);
    peer.entry.public_key.bytes.fill(byte);
    peer.slot = slot;
    return peer;
  }

  const ServerInfo& info() const override { return info_; }
  const wg::PrivateKey& private_key() const override { return private_key_; }
  std::uint32_t fwmark() const override { return fwmark_; }
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
      if (peer.entry.name == name || peer.entry.public_key.to_string() == name) return &peer;
    return nullptr;
  }
  const std::vector<GroupConfig>& groups() const override { return groups_; }
  const base::PeerCounters& counters(std::uint32_t slot) const override { return counters_[slot]; }
  base::PeerControls& controls(std::uint32_t slot) override { return controls_[slot]; }
  const base::WorkerCounters& worker_counters(unsigned) const override { return worker_counters_; }
  base::GroupControls& group_controls(std::size_t group) override { return group_controls_[group]; }
  void take_records(const std::function<void(const proxy::FlowRecord&)>&) override {}
  const dns::Settings& dns_settings() const override { return dns_settings_; }
  const dns::DnsCounters& dns_counters(unsigned) const override { return dns_counters_; }
  void take_queries(const std::function<void(const dns::QueryRecord&)>& each) override {
    for (const dns::QueryRecord& record : std::exchange(queries_, {})) each(record);
  }
  Promise<> use_rules(base::FileDescriptor) override { co_return Nothing{}; }
  Promise<> flush_dns_cache() override { co_return Nothing{}; }
  Promise<std::string> add_peer(nlohmann::json definition) override {
    if (problem_) co_return *problem_;
    std::string name = definition.value("name", std::string("unnamed"));
    co_return name;
  }
  Promise<> change_peer(std::string, nlohmann::json) override { return done(); }
  Promise<> remove_peer(std::string) override { return done(); }
  Promise<> change_device(DeviceChange change) override {
    changes_.push_back(std::move(change));
    return done();
  }
  Promise<ReloadReport> reload() override {
    if (problem_) co_return *problem_;
    ReloadReport report;
    co_return report;
  }
  Promise<std::vector<proxy::FlowRecord>> flows(FlowFilter) override {
    std::vector<proxy::FlowRecord> none;
    co_return none;
  }

  ServerInfo info_;
  wg::PrivateKey private_key_;
  std::uint32_t fwmark_ = 0;
  std::vector<WorkerState> workers_;
  std::deque<Peer> peers_;
  std::vector<GroupConfig> groups_;
  mutable std::map<std::uint32_t, base::PeerCounters> counters_;
  std::map<std::uint32_t, base::PeerControls> controls_;
  std::map<std::size_t, base::GroupControls> group_controls_;
  base::WorkerCounters worker_counters_;
  dns::Settings dns_settings_;
  dns::DnsCounters dns_counters_;
  std::vector<dns::QueryRecord> queries_;  // told once
  std::vector<DeviceChange> changes_;
  std::optional<Problem> problem_;  // what every change ends with

 private:
  Promise<> done() {
    if (problem_) co_return *problem_;
    co_return Nothing{};
  }
};

}  // namespace culvert::control
