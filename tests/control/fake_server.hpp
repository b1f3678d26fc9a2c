// FakeServer: a Server made of plain members, for tests of what asks and changes it.
#pragma once

#include <deque>
#include <map>

#include "control/server.hpp"

namespace culvert::control {

class FakeServer : public Server {
 public:
  FakeServer();

  // Adds a peer in the next slot; its key is 32 bytes of `byte`.
  Peer& add(std::string name, std::byte byte);

  const ServerInfo& info() const override { return info_; }
  const wg::PrivateKey& private_key() const override { return private_key_; }
  std::uint32_t fwmark() const override { return fwmark_; }
  std::vector<WorkerState> workers() const override { return workers_; }
  std::vector<const Peer*> peers() const override;
  const Peer* find(const wg::PublicKey& key) const override;
  const Peer* find(std::string_view name) const override;
  const std::vector<GroupConfig>& groups() const override { return groups_; }
  const base::PeerCounters& counters(std::uint32_t slot) const override;
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
  Promise<std::string> add_peer(nlohmann::json definition) override;
  Promise<> change_peer(std::string name, nlohmann::json merge_patch) override;
  Promise<> remove_peer(std::string name) override;
  Promise<> change_device(DeviceChange change) override;  // into changes_
  Promise<ReloadReport> reload() override;
  Promise<std::vector<proxy::FlowRecord>> flows(FlowFilter filter) override;

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
};

}  // namespace culvert::control
