// FlowSource: a FakeServer with as many peers as a test wants, counters for each worker, and flow
// records. What watches a server is tested against it.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "tests/support/fake_server.hpp"

namespace culvert::control {

class FlowSource final : public FakeServer {
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
    return peer;
  }
  Peer& peer(std::uint32_t slot) { return peers_.at(slot); }
  base::PeerCounters& count(std::uint32_t slot) { return counters_[slot]; }
  base::WorkerCounters& count_worker(unsigned worker) { return of_workers_[worker]; }
  void push(const proxy::FlowRecord& record) { records_.push_back(record); }

  const base::WorkerCounters& worker_counters(unsigned worker) const override {
    return of_workers_.at(worker);
  }
  void take_records(const std::function<void(const proxy::FlowRecord&)>& each) override {
    for (const proxy::FlowRecord& record : records_) each(record);
    records_.clear();
  }

 private:
  std::map<unsigned, base::WorkerCounters> of_workers_;
  std::vector<proxy::FlowRecord> records_;
};

}  // namespace culvert::control
