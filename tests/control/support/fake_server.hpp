// A Server with peers and no workers, a Ledger with what a test says, for tests of the API.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <vector>

#include "control/ledger.hpp"
#include "control/server.hpp"

namespace culvert::control {

inline wg::PublicKey test_key(unsigned char fill) {
  wg::PublicKey key;
  key.bytes.fill(std::byte(fill));
  return key;
}

class FakeServer : public Server {
 public:
  FakeServer() {
    info_.version = "1.2.3";
    info_.interface = "culvert0";
    info_.public_key = test_key(0xaa);
    info_.listen = {*base::Endpoint::parse("0.0.0.0:51820")};
    info_.address = {"10.8.0.1/24"};
    info_.config_file = "culvert.toml";
    info_.mtu = 1420;
    info_.file_limit = 1024;
  }

  Peer& put(std::string name, unsigned char key, Source source) {
    auto peer = std::make_unique<Peer>();
    peer->entry.name = std::move(name);
    peer->entry.public_key = test_key(key);
    peer->entry.allowed_ips = {*base::Prefix::parse("10.8.0." + std::to_string(key) + "/32")};
    peer->source = source;
    if (source == Source::file) peer->entry.place = "culvert.toml:12";
    peer->slot = next_slot_++;
    peers_.push_back(std::move(peer));
    return *peers_.back();
  }

  const ServerInfo& info() const override { return info_; }
  const wg::PrivateKey& private_key() const override { return private_key_; }
  std::uint32_t fwmark() const override { return 0; }
  std::vector<WorkerState> workers() const override {
    return {{0, 4711, true, "ipsec-mb", "on", "on", "full"}};
  }
  std::vector<const Peer*> peers() const override {
    std::vector<const Peer*> list;
    for (const auto& each : peers_) list.push_back(each.get());
    return list;
  }
  const Peer* find(const wg::PublicKey& key) const override {
    for (const auto& each : peers_)
      if (each->entry.public_key == key) return each.get();
    return nullptr;
  }
  const Peer* find(std::string_view name) const override {
    for (const auto& each : peers_)
      if (each->entry.name == name || each->entry.public_key.to_string() == name) return each.get();
    return nullptr;
  }
  const std::vector<GroupConfig>& groups() const override { return groups_; }
  const base::PeerCounters& counters(std::uint32_t slot) const override { return counters_[slot]; }
  base::PeerControls& controls(std::uint32_t slot) override { return controls_[slot]; }
  const base::WorkerCounters& worker_counters(unsigned) const override { return worker_; }
  base::GroupControls& group_controls(std::size_t) override { return group_; }
  void take_records(const std::function<void(const proxy::FlowRecord&)>&) override {}
  const dns::Settings& dns_settings() const override { return dns_settings_; }
  const dns::DnsCounters& dns_counters(unsigned) const override { return dns_counters_; }
  void take_queries(const std::function<void(const dns::QueryRecord&)>& each) override {
    for (const dns::QueryRecord& record : std::exchange(queries_, {})) each(record);
  }
  Promise<> use_rules(base::FileDescriptor) override { co_return Nothing{}; }
  Promise<> flush_dns_cache() override { co_return Nothing{}; }

  Promise<std::string> add_peer(nlohmann::json definition) override {
    co_await turn();
    if (auto wrong = check(definition)) co_return *wrong;
    if (!definition["public_key"].is_string())
      co_return Problem{422, "Invalid peer", "", {{"public_key", "is missing, expected a key"}}};
    const auto key = wg::PublicKey::parse(definition["public_key"].get<std::string>());
    if (!key)
      co_return Problem{422, "Invalid peer", "", {{"public_key", "expected 44 characters"}}};
    if (find(*key) != nullptr)
      co_return Problem{409, "Peer exists", "another peer has this public_key", {}};
    std::optional<wg::PresharedKey> secret(wg::PresharedKey{});
    if (const auto& text = definition["preshared_key"]; text.is_string())
      secret = wg::parse_secret_key(text.get<std::string>());
    if (!secret)
      co_return Problem{422, "Invalid peer", "", {{"preshared_key", "expected 44 characters"}}};
    const auto& given = definition["name"];
    std::string name = given.is_string() ? given.get<std::string>() : key->to_string();
    Peer& peer = put(name, 1, Source::database);
    peer.entry.public_key = *key;
    peer.entry.preshared_key = std::move(*secret);
    peer.definition = definition.dump();
    co_return name;
  }

  Promise<> change_peer(std::string name, nlohmann::json patch) override {
    co_await turn();
    if (auto wrong = check(patch)) co_return *wrong;
    for (auto& each : peers_) {
      if (each->entry.name != name) continue;
      if (each->source == Source::file) co_return of_the_file();
      auto definition = nlohmann::json::parse(each->definition.empty() ? "{}" : each->definition);
      definition.merge_patch(patch);
      each->definition = definition.dump();
      each->entry.name = definition.value("name", name);
    }
    co_return Nothing{};
  }

  Promise<> remove_peer(std::string name) override {
    co_await turn();
    if (fails) throw std::runtime_error("the test said so");
    if (find(std::string_view(name))->source == Source::file) co_return of_the_file();
    std::erase_if(peers_, [&](const auto& each) { return each->entry.name == name; });
    co_return Nothing{};
  }

  Promise<> change_device(DeviceChange) override { co_return Nothing{}; }

  Promise<ReloadReport> reload() override {
    co_await turn();
    if (fails)
      co_return Problem{422,
                        "Configuration refused",
                        "the old one goes on",
                        {{"culvert.toml:3", "server.mtu = 1, expected 576 to 65535"}}};
    co_return ReloadReport{{"phone"}, {}, {"laptop"}, {"log.level"}, {"server.listen"}, {}};
  }

  Promise<std::vector<proxy::FlowRecord>> flows(FlowFilter filter) override {
    co_await turn();
    std::vector<proxy::FlowRecord> list;
    for (const auto& each : flows_)
      if ((!filter.peer || *filter.peer == each.peer) && list.size() < filter.limit)
        list.push_back(each);
    co_return list;
  }

  bool fails = false;
  ServerInfo info_;
  std::vector<GroupConfig> groups_;
  std::vector<proxy::FlowRecord> flows_;
  std::vector<std::unique_ptr<Peer>> peers_;
  mutable std::map<std::uint32_t, base::PeerCounters> counters_;
  base::WorkerCounters worker_;
  dns::Settings dns_settings_;
  dns::DnsCounters dns_counters_;
  std::vector<dns::QueryRecord> queries_;  // told once

 private:
  // As the real one: an answer never comes at once.
  static boost::asio::awaitable<void> turn() {
    auto executor = co_await boost::asio::this_coro::executor;
    co_await boost::asio::post(executor, boost::asio::use_awaitable);
  }

  static std::optional<Problem> check(const nlohmann::json& definition) {
    Problem problem{422, "Invalid peer", "", {}};
    for (const auto& [key, value] : definition.items()) {
      const bool text = key == "name" || key == "public_key" || key == "preshared_key" ||
                        key == "group" || key == "down" || key == "quota";
      if (!text && key != "allowed_ips")
        problem.fields.push_back({key, "there is no such key"});
      else if (text && !value.is_string() && !value.is_null())
        problem.fields.push_back({key, "expected a text"});
    }
    if (problem.fields.empty()) return std::nullopt;
    return problem;
  }

  static Problem of_the_file() {
    return {409, "Peer of the file", "culvert.toml:12 would bring it back", {}};
  }

  wg::PrivateKey private_key_;
  std::map<std::uint32_t, base::PeerControls> controls_;
  base::GroupControls group_;
  std::uint32_t next_slot_ = 0;
};

class FakeLedger : public Ledger {
 public:
  Usage total(std::uint32_t) const override { return total_; }
  Rates rates(std::uint32_t) const override { return {1000, 2000}; }
  std::optional<QuotaState> quota(std::uint32_t) const override { return quota_; }
  std::optional<QuotaState> group_quota(std::string_view) const override { return group_quota_; }
  base::Stop stop(std::uint32_t) const override { return stop_; }
  Outcome<std::vector<UsageRow>> query(const UsageQuery& query) override {
    asked = query;
    if (!trouble_.empty()) return Problem{503, "State database", trouble_, {}};
    return rows_;
  }
  std::string trouble() const override { return trouble_; }

  Usage total_;
  std::optional<QuotaState> quota_, group_quota_;
  base::Stop stop_ = base::Stop::none;
  std::vector<UsageRow> rows_;
  std::string trouble_;
  UsageQuery asked;
};

}  // namespace culvert::control
