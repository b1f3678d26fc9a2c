// A running server for tests: real workers on loopback, its database in memory.
#pragma once

#include <signal.h>

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <map>
#include <nlohmann/json.hpp>

#include "app/live_server.hpp"
#include "tests/support/catch.hpp"

namespace culvert::test {

using namespace std::chrono_literals;
using control::Outcome;
using control::Problem;
using control::Source;
using nlohmann::json;

inline wg::PublicKey new_key() {
  base::SystemRandom random;
  return wg::public_key_of(wg::generate_private_key(random));
}

// What a database would keep.
class MemoryStore final : public control::StateStore {
 public:
  Outcome<std::vector<control::StoredPeer>> peers() override {
    if (full) return Problem{500, "Disk full", {}, {}};
    std::vector<control::StoredPeer> all;
    for (const auto& [key, peer] : rows) all.push_back(peer);
    return all;
  }
  Outcome<> put_peer(const control::StoredPeer& peer) override {
    const bool fits = rows.contains(peer.public_key) || rows.size() < room;
    spoilt = full || !fits;
    if (spoilt) return Problem{500, "Disk full", {}, {}};
    rows[peer.public_key] = peer;
    return control::Nothing{};
  }
  Outcome<> remove_peer(const wg::PublicKey& key) override {
    if (full) return Problem{500, "Disk full", {}, {}};
    rows.erase(key);
    return control::Nothing{};
  }
  Outcome<> begin_group() override {
    before = rows;
    return control::Nothing{};
  }
  Outcome<> end_group() override {
    if (!std::exchange(spoilt, false)) return control::Nothing{};
    rows = before;
    return Problem{500, "Disk full", {}, {}};
  }
  Outcome<> save(const control::Batch&) override { return control::Nothing{}; }
  Outcome<control::Remembered> recall(std::span<const control::Subject>) override {
    return control::Remembered{};
  }
  Outcome<std::uint64_t> used_since(const control::Subject&, control::Seconds) override {
    return std::uint64_t{0};
  }
  Outcome<std::vector<control::HistorySum>> history(const control::HistoryQuery&) override {
    return std::vector<control::HistorySum>{};
  }
  Outcome<std::vector<control::HistorySum>> destinations(
      const control::DestinationQuery&) override {
    return std::vector<control::HistorySum>{};
  }
  Outcome<bool> prune(const control::Retention&) override { return false; }
  Outcome<std::vector<std::string>> check() override { return std::vector<std::string>{}; }
  Outcome<> each_record(const std::function<void(const control::StateRecord&)>&) override {
    return control::Nothing{};
  }
  Outcome<> put_records(const std::function<std::optional<control::StateRecord>()>&) override {
    return control::Nothing{};
  }
  std::string trouble() const override { return {}; }
  unsigned generation() const override { return 0; }
  std::string renewal() const override { return {}; }

  std::map<wg::PublicKey, control::StoredPeer> rows, before;
  bool spoilt = false;  // a group
  bool full = false;
  std::size_t room = 10'000;  // rows
};

inline app::PeerEntry file_peer(int number) {
  app::PeerEntry peer;
  peer.name = "file-" + std::to_string(number);
  peer.public_key = new_key();
  peer.allowed_ips = {*base::Prefix::parse("10.8.0." + std::to_string(number) + "/32")};
  peer.place = "culvert.toml:" + std::to_string(number);
  return peer;
}

inline const wg::PrivateKey& server_key() {
  static const wg::PrivateKey key = [] {
    base::SystemRandom random;
    return wg::generate_private_key(random);
  }();
  return key;
}

inline std::unique_ptr<app::Config> configuration(std::vector<app::PeerEntry> peers,
                                                  bool overlay = false) {
  auto config = std::make_unique<app::Config>();
  config->private_key = server_key().clone();
  config->listen = {{*base::IpAddress::parse("127.0.0.1"), 0}};
  config->address = {{*base::IpAddress::parse("10.8.0.1"), *base::Prefix::parse("10.8.0.0/24")}};
  config->workers = 2;
  config->http = "";
  config->sandbox = false;  // sanitizers look at files
  config->overlay = overlay;
  config->log_level = base::log::Level::off;
  app::GroupConfig group;
  group.name = "staff";
  group.down = 1'000'000;
  group.total_up = 7'000'000;
  config->groups.emplace("staff", group);
  config->calendar =
      std::make_shared<const control::Calendar>(std::move(*control::Calendar::open("UTC")));
  config->peers = std::move(peers);
  return config;
}

inline std::vector<app::PeerEntry> list(app::PeerEntry a, app::PeerEntry b) {
  std::vector<app::PeerEntry> all;
  all.push_back(std::move(a));
  all.push_back(std::move(b));
  return all;
}

template <class T>
using Kept = std::shared_ptr<std::optional<Outcome<T>>>;

template <class T>
boost::asio::awaitable<void> keep(control::Server::Promise<T> promise, Kept<T> kept) {
  kept->emplace(co_await std::move(promise));
}

class World final : app::Workers::Events {
 public:
  explicit World(std::vector<app::PeerEntry> peers = list(file_peer(2), file_peer(3)),
                 MemoryStore* store = nullptr, bool overlay = false)
      : runtime(configuration(std::move(peers), overlay)),
        workers(io, runtime, *this),
        server({io, runtime, workers, events, store ? store : &own_store,
                [this] { return load ? load() : app::Loaded{}; }}) {
    base::log::set_up(base::log::Level::off, base::log::Format::text, "test");
    token_ = events.listen([this](const control::Event& event) {
      told.push_back(std::string(to_string(event.kind)) + " " + event.peer);
    });
    server.enter_peers(std::exchange(runtime.config->peers, {}));
    workers.start();
    REQUIRE(until([this] { return workers.ready(); }));
  }
  ~World() override {
    workers.stop();
    until([this] { return stopped; });
  }

  bool until(const std::function<bool()>& done) {
    const auto end = std::chrono::steady_clock::now() + 2min;  // a hang, on any machine
    while (!done() && std::chrono::steady_clock::now() < end) {
      workers.reap();
      io.restart();
      io.run_one_for(5ms);
    }
    return done();
  }
  template <class T>
  Kept<T> begin(control::Server::Promise<T> promise) {
    auto kept = std::make_shared<std::optional<Outcome<T>>>();
    boost::asio::co_spawn(io, keep(std::move(promise), kept), boost::asio::detached);
    return kept;
  }
  template <class T>
  Outcome<T> get(control::Server::Promise<T> promise) {
    const auto kept = begin(std::move(promise));
    REQUIRE(until([&] { return kept->has_value(); }));
    return std::move(**kept);
  }

  MemoryStore own_store;
  app::Runtime runtime;
  boost::asio::io_context io;
  control::EventBus events;
  app::Workers workers;
  app::LiveServer server;
  std::function<app::Loaded()> load;
  std::vector<std::string> told;
  bool stopped = false;

 private:
  void on_worker_ready(unsigned, const app::Ready&) override {}
  void on_peer_report(unsigned, const app::ControlMessage&) override {}
  void on_worker_lost(unsigned, const std::string&, bool) override {}
  void on_all_stopped() override { stopped = true; }
  std::shared_ptr<void> token_;
};

inline json definition(const char* name) {
  return {{"name", name}, {"public_key", new_key().to_string()}};
}

inline std::vector<std::string> fields(const Problem& problem) {
  std::vector<std::string> all;
  for (const auto& each : problem.fields) all.push_back(each.field);
  return all;
}

}  // namespace culvert::test
