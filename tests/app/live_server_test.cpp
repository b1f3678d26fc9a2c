// The running server is changed while it runs: real workers, a store in memory.
#include "app/live_server.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <algorithm>
#include <map>
#include <signal.h>
#include <nlohmann/json.hpp>

#include "tests/support/catch.hpp"

using namespace culvert;
using namespace std::chrono_literals;
using control::Outcome;
using control::Problem;
using control::Source;
using nlohmann::json;

namespace {

wg::PublicKey new_key() {
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
    if (full) return Problem{500, "Disk full", {}, {}};
    rows[peer.public_key] = peer;
    return control::Nothing{};
  }
  Outcome<> remove_peer(const wg::PublicKey& key) override {
    if (full) return Problem{500, "Disk full", {}, {}};
    rows.erase(key);
    return control::Nothing{};
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

  std::map<wg::PublicKey, control::StoredPeer> rows;
  bool full = false;
};

app::PeerEntry file_peer(int number) {
  app::PeerEntry peer;
  peer.name = "file-" + std::to_string(number);
  peer.public_key = new_key();
  peer.allowed_ips = {*base::Prefix::parse("10.8.0." + std::to_string(number) + "/32")};
  peer.place = "culvert.toml:" + std::to_string(number);
  return peer;
}

const wg::PrivateKey& server_key() {
  static const wg::PrivateKey key = [] {
    base::SystemRandom random;
    return wg::generate_private_key(random);
  }();
  return key;
}

std::unique_ptr<app::Config> configuration(std::vector<app::PeerEntry> peers, bool overlay = false) {
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

std::vector<app::PeerEntry> list(app::PeerEntry a, app::PeerEntry b) {
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
    const auto end = std::chrono::steady_clock::now() + 20s;
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

json definition(const char* name) {
  return {{"name", name}, {"public_key", new_key().to_string()}};
}

std::vector<std::string> fields(const Problem& problem) {
  std::vector<std::string> all;
  for (const auto& each : problem.fields) all.push_back(each.field);
  return all;
}

}  // namespace

TEST_CASE("a peer is added with the next free address, stored, and gone after its removal") {
  World world;
  const auto added = world.get(world.server.add_peer(definition("anna")));
  REQUIRE(added);
  CHECK(*added == "anna");
  const auto* peer = world.server.find("anna");
  REQUIRE(peer);
  CHECK(peer->source == Source::database);
  CHECK(peer->entry.allowed_ips == std::vector{*base::Prefix::parse("10.8.0.4/32")});
  CHECK(json::parse(peer->definition)["allowed_ips"] == json{"10.8.0.4/32"});
  CHECK(world.server.find(peer->entry.public_key.to_string()) == peer);
  REQUIRE(world.own_store.rows.size() == 1);
  CHECK(world.own_store.rows.begin()->second.definition == peer->definition);

  REQUIRE(world.get(world.server.remove_peer("anna")));
  CHECK_FALSE(world.server.find("anna"));
  CHECK(world.own_store.rows.empty());
  CHECK(world.told == std::vector<std::string>{"peer_added anna", "peer_removed anna"});
  CHECK(world.get(world.server.remove_peer("anna")).problem().status == 404);
}

TEST_CASE("a name, a key and an address that somebody has are conflicts of their fields") {
  World world;
  const auto* other = world.server.find("file-2");
  json taken = {{"name", "file-3"},
                {"public_key", other->entry.public_key.to_string()},
                {"allowed_ips", {"10.8.0.9/32", "10.8.0.2/32"}}};
  const auto added = world.get(world.server.add_peer(taken));
  REQUIRE_FALSE(added);
  CHECK(added.problem().status == 409);
  CHECK(fields(added.problem()) ==
        std::vector<std::string>{"public_key", "name", "allowed_ips/1"});
  CHECK(world.server.peers().size() == 2);
  CHECK(world.own_store.rows.empty());
}

TEST_CASE("a peer that cannot be stored is not added, changed or removed") {
  World world;
  REQUIRE(world.get(world.server.add_peer(definition("anna"))));
  world.own_store.full = true;
  CHECK(world.get(world.server.add_peer(definition("bert"))).problem().status == 503);
  CHECK_FALSE(world.server.find("bert"));
  CHECK(world.get(world.server.change_peer("anna", {{"name", "x"}})).problem().status == 503);
  CHECK(world.get(world.server.remove_peer("anna")).problem().status == 503);
  CHECK(world.server.find("anna"));
}

TEST_CASE("a peer of the file is the file's") {
  World world;
  for (const auto& problem : {world.get(world.server.remove_peer("file-2")).problem(),
                              world.get(world.server.change_peer("file-2", {})).problem()}) {
    CHECK(problem.status == 409);
    CHECK(problem.detail.find("culvert.toml:2") != std::string::npos);
  }
}

TEST_CASE("a merge patch changes what it names and keeps the slot") {
  World world;
  json anna = definition("anna");
  anna["group"] = "staff";
  anna["preshared_key"] = new_key().to_string();
  REQUIRE(world.get(world.server.add_peer(anna)));
  const auto slot = world.server.find("anna")->slot;
  CHECK(world.server.controls(slot).down.get() == 1'000'000);
  CHECK(world.server.controls(slot).group.get() == 1);
  CHECK(world.server.group_controls(0).up.get() == 7'000'000);

  REQUIRE(world.get(world.server.change_peer(
      "anna", {{"name", "anne"}, {"down", "3mbit"}, {"preshared_key", nullptr},
               {"persistent_keepalive", 25}})));
  const auto* peer = world.server.find("anne");
  REQUIRE(peer);
  CHECK_FALSE(world.server.find("anna"));
  CHECK(peer->slot == slot);
  CHECK(peer->entry.preshared_key.is_zero());
  CHECK(peer->entry.persistent_keepalive == 25s);
  CHECK(world.server.controls(slot).down.get() == 3'000'000);
  CHECK(world.own_store.rows.begin()->second.name == "anne");
  CHECK(json::parse(peer->definition).contains("preshared_key") == false);

  const json other_key{{"public_key", new_key().to_string()}};
  CHECK(world.get(world.server.change_peer("anne", other_key)).problem().status == 409);
  CHECK(world.get(world.server.change_peer("anne", {{"down", "fast"}})).problem().status == 422);
  CHECK(world.get(world.server.change_peer("anne", json::array())).problem().status == 400);
}

TEST_CASE("stored peers come back with the next start; one that clashes is inactive and kept") {
  MemoryStore store;
  const auto keep = [&](const char* name, const char* address) {
    const auto key = new_key();
    store.rows[key] = {key, name,
                       json{{"name", name}, {"public_key", key.to_string()},
                            {"allowed_ips", {address}}}
                           .dump()};
    return key;
  };
  keep("anna", "10.8.0.20/32");
  keep("file-2", "10.8.0.21/32");
  keep("late", "10.8.0.3/32");
  const auto broken = new_key();
  store.rows[broken] = {broken, "broken", "{"};
  World world(list(file_peer(2), file_peer(3)), &store);
  CHECK(world.server.peers().size() == 3);
  CHECK(world.server.find("anna")->source == Source::database);
  CHECK(world.server.find("file-2")->source == Source::file);
  CHECK_FALSE(world.server.find("late"));
  CHECK(store.rows.size() == 4);
  REQUIRE(world.get(world.server.remove_peer("broken")));  // it can still be taken out
  CHECK(store.rows.size() == 3);
}

TEST_CASE("a killed worker ends no change: its successor knows") {
  World world;
  for (int i = 0; i < 8; ++i) {
    const auto states = world.server.workers();
    ::kill(states[unsigned(i) % 2].pid, SIGKILL);
    const std::string name = "p" + std::to_string(i);
    REQUIRE(world.get(world.server.add_peer(definition(name.c_str()))));
    REQUIRE(world.until([&] { return world.workers.ready(); }));
  }
  for (int i = 0; i < 8; ++i)
    REQUIRE(world.get(world.server.remove_peer("p" + std::to_string(i))));
  CHECK(world.server.peers().size() == 2);
}

TEST_CASE("changes at the same time are made one after another") {
  World world(list(file_peer(2), file_peer(3)), nullptr, true);
  std::vector<Kept<std::string>> adding;
  for (int i = 0; i < 40; ++i)
    adding.push_back(
        world.begin(world.server.add_peer(definition(("n" + std::to_string(i)).c_str()))));
  REQUIRE(world.until(
      [&] { return std::ranges::all_of(adding, [](auto& each) { return each->has_value(); }); }));
  for (auto& each : adding) CHECK(**each);
  CHECK(world.server.peers().size() == 42);
  const auto flows = world.get(world.server.flows({}));
  REQUIRE(flows);
  CHECK(flows->empty());
}

TEST_CASE("wg's own tools add, change, move and remove by key") {
  World world;
  const auto key = new_key();
  const auto change = [&](control::PeerChange peer) {
    control::DeviceChange device;
    device.peers.push_back(std::move(peer));
    return world.get(world.server.change_device(std::move(device)));
  };
  control::PeerChange peer;
  peer.public_key = key;
  peer.update_only = true;
  REQUIRE(change(std::move(peer)));
  CHECK_FALSE(world.server.find(key));

  peer = {};
  peer.public_key = key;
  peer.allowed_ips = {{*base::Prefix::parse("10.8.0.2/32"), false}};  // file-2 has it
  peer.persistent_keepalive = 5s;
  REQUIRE(change(std::move(peer)));
  const auto* made = world.server.find(key);
  REQUIRE(made);
  CHECK(made->entry.name.size() == 8);
  CHECK(made->source == Source::database);
  CHECK(made->entry.persistent_keepalive == 5s);
  CHECK(world.server.find("file-2")->entry.allowed_ips.empty());
  REQUIRE(world.own_store.rows.contains(key));
  CHECK(json::parse(made->definition)["allowed_ips"] == json{"10.8.0.2/32"});

  peer = {};
  peer.public_key = world.server.find("file-2")->entry.public_key;
  peer.replace_allowed_ips = true;
  peer.allowed_ips = {{*base::Prefix::parse("10.8.0.2/32"), false}};
  REQUIRE(change(std::move(peer)));
  CHECK(world.server.find(key)->entry.allowed_ips.empty());
  CHECK(json::parse(world.own_store.rows[key].definition)["allowed_ips"] == json::array());

  control::DeviceChange rest;
  rest.replace_peers = true;
  REQUIRE(world.get(world.server.change_device(std::move(rest))));
  CHECK(world.server.peers().empty());
  CHECK(world.own_store.rows.empty());
}

TEST_CASE("another port and another key are taken by restarting the workers") {
  World world;
  const auto before = world.server.workers();
  const auto old_port = world.server.info().listen.front().port;
  control::DeviceChange same;
  same.listen_port = old_port;
  same.private_key = server_key().clone();
  REQUIRE(world.get(world.server.change_device(std::move(same))));
  CHECK(world.server.workers()[0].pid == before[0].pid);

  base::SystemRandom random;
  control::DeviceChange change;
  change.private_key = wg::generate_private_key(random);
  const auto expected = wg::public_key_of(*change.private_key);
  change.listen_port = 0;
  REQUIRE(world.get(world.server.change_device(std::move(change))));
  CHECK(world.server.info().public_key == expected);
  CHECK(world.server.info().listen.front().port != old_port);
  const auto after = world.server.workers();
  for (std::size_t i = 0; i < after.size(); ++i) {
    CHECK(after[i].pid != before[i].pid);
    CHECK(after[i].ready);
  }
}

TEST_CASE("a reload changes exactly what differs, and nothing where the file does not check") {
  World world;
  REQUIRE(world.get(world.server.add_peer(definition("anna"))));
  const auto slot = world.server.find("file-3")->slot;
  const auto pids = world.server.workers();
  world.load = [] {
    app::Loaded broken;
    broken.findings = {{"culvert.toml:7", "nonsense", true}, {"culvert.toml:9", "hm", false}};
    return broken;
  };
  const auto refused = world.get(world.server.reload());
  REQUIRE_FALSE(refused);
  CHECK(refused.problem().status == 422);
  CHECK(fields(refused.problem()) == std::vector<std::string>{"culvert.toml:7"});
  CHECK(world.server.peers().size() == 3);

  app::PeerEntry kept = app::clone(world.server.find("file-3")->entry);
  kept.policy.down = 5;
  const auto anna = world.server.find("anna")->entry.allowed_ips;
  world.load = [&kept] {
    app::Loaded loaded;
    loaded.config = configuration(list(app::clone(kept), file_peer(50)));
    loaded.config->listen = {{*base::IpAddress::parse("127.0.0.1"), 0}};
    loaded.config->mtu = 1300;
    loaded.config->groups.begin()->second.total_up = 9;
    return loaded;
  };
  const auto report = world.get(world.server.reload());
  REQUIRE(report);
  CHECK(report->added == std::vector<std::string>{"file-50"});
  CHECK(report->removed == std::vector<std::string>{"file-2"});
  CHECK(report->changed == std::vector<std::string>{"file-3"});
  CHECK(report->applied == std::vector<std::string>{"group.staff"});
  CHECK(report->need_restart == std::vector<std::string>{"server.mtu"});
  CHECK(world.server.find("file-3")->slot == slot);
  CHECK(world.server.controls(slot).down.get() == 5);
  CHECK(world.server.group_controls(0).up.get() == 9);
  CHECK(world.server.find("anna")->entry.allowed_ips == anna);
  CHECK(world.server.workers()[0].pid == pids[0].pid);

  const auto again = world.get(world.server.reload());
  REQUIRE(again);
  CHECK(again->changed.empty());
  CHECK(again->added == std::vector<std::string>{"file-50"});  // another key each time
}

TEST_CASE("a file that takes a stored peer's name or address puts that one to sleep") {
  World world;
  REQUIRE(world.get(world.server.add_peer(definition("file-60"))));
  world.load = [] {
    app::Loaded loaded;
    loaded.config = configuration(list(file_peer(60), file_peer(61)));
    return loaded;
  };
  const auto report = world.get(world.server.reload());
  REQUIRE(report);
  CHECK(world.server.find("file-60")->source == Source::file);
  CHECK(report->warnings.size() == 1);
  CHECK(world.own_store.rows.size() == 1);
  world.load = [] {
    app::Loaded loaded;
    loaded.config = configuration({});
    return loaded;
  };
  REQUIRE(world.get(world.server.reload()));
  CHECK(world.server.find("file-60")->source == Source::database);
  CHECK(world.server.peers().size() == 1);
}

TEST_CASE("ten thousand peers come and go with one reload each") {
  World world({}, nullptr, true);
  std::vector<app::PeerEntry> many;
  for (unsigned i = 0; i < 10'000; ++i) {
    app::PeerEntry peer;
    peer.name = "p" + std::to_string(i);
    for (unsigned byte = 0; byte < 4; ++byte)
      peer.public_key.bytes[8 + byte] = std::byte(i >> (8 * byte));
    peer.public_key.bytes[0] = std::byte{9};
    peer.allowed_ips = {base::Prefix(base::IpAddress::v4(0x0a090000 + i), 32)};
    peer.preshared_key.mutable_bytes()[0] = std::byte{1};
    many.push_back(std::move(peer));
  }
  world.load = [&many] {
    app::Loaded loaded;
    std::vector<app::PeerEntry> copies;
    for (const auto& each : many) copies.push_back(app::clone(each));
    loaded.config = configuration(std::move(copies), true);
    return loaded;
  };
  const auto report = world.get(world.server.reload());
  REQUIRE(report);
  CHECK(report->added.size() == 10'000);
  CHECK(world.server.peers().size() == 10'000);
  many.clear();
  REQUIRE(world.get(world.server.reload()));
  CHECK(world.server.peers().empty());
  CHECK(world.runtime.registry.room() == world.runtime.registry.capacity());
}
