#include "control/health.hpp"

#include <nlohmann/json.hpp>

#include "tests/control/support/fake_lists.hpp"
#include "tests/control/support/fixed_ledger.hpp"
#include "tests/control/support/flow_source.hpp"
#include "tests/control/support/records.hpp"
#include "tests/support/catch.hpp"

using namespace culvert;
using namespace culvert::control;
using namespace std::chrono_literals;

namespace {

const base::Time now{1000s};

struct Node {
  Node() {
    server.info_.listen = {*base::Endpoint::parse("0.0.0.0:51820")};
    for (unsigned i = 0; i < 2; ++i) {
      server.workers_.push_back(
          {.index = i, .pid = 100, .ready = true, .aead = {}, .gso = {}, .gro = {}, .sandbox = {}});
      turned(i, 2s);
    }
  }
  void turned(unsigned worker, base::Duration ago) {
    server.count_worker(worker).last_turn.set(
        std::uint64_t((now - ago).time_since_epoch().count()));
  }
  nlohmann::json answer(bool good) {
    const HealthAnswer answer =
        health_of({server, ledger, *recorder, queries, lists}, now).answer();
    CHECK(answer.good == good);
    return nlohmann::json::parse(answer.text);
  }
  FlowSource server;
  FixedLedger ledger;
  FakeLists lists;
  QueryRecorder queries{dns::Settings{}};
  std::unique_ptr<FlowRecorder> recorder = std::make_unique<FlowRecorder>(AccountingSettings{});
};

}  // namespace

TEST_CASE("a server is ready when every worker is ready and turns") {
  Node node;
  CHECK(node.answer(true) ==
        nlohmann::json::parse(R"({"ready":true,"problems":[],"degraded":[]})"));
}

TEST_CASE("a worker that died, starts or hangs makes the server not ready and is named") {
  Node node;
  node.server.workers_[1].pid = 0, node.server.workers_[1].ready = false;
  CHECK(node.answer(false)["problems"] == nlohmann::json{"worker 1 is not running"});
  node.server.workers_[1].pid = 7;
  CHECK(node.answer(false)["problems"] == nlohmann::json{"worker 1 is not ready yet"});
  node.server.workers_[1].ready = true;
  node.turned(1, 5s);
  CHECK(node.answer(true)["problems"].empty());
  node.turned(0, 6s);
  CHECK(node.answer(false)["problems"] ==
        nlohmann::json{"worker 0 hangs: its loop turned 6 s ago"});
}

TEST_CASE("a server without workers or sockets is not ready") {
  Node node;
  node.server.workers_.clear(), node.server.info_.listen.clear();
  CHECK(node.answer(false)["problems"].size() == 2);
}

TEST_CASE("trouble beside the tunnel is told and leaves the server ready") {
  Node node;
  node.ledger.store_trouble = "state.db: disk is full";
  AccountingSettings settings;
  settings.flow_log.path = "/nowhere/flows";
  node.recorder = std::make_unique<FlowRecorder>(settings);
  node.server.add("laptop");
  node.server.push(flow(1, "10.8.0.2:1", "192.0.2.1:2", {1, 40, 0}, {}));
  node.recorder->flush(node.server, now, base::WallTime(1s));
  const auto degraded = node.answer(true)["degraded"];
  REQUIRE(degraded.size() == 2);
  CHECK(degraded[0] == "state.db: disk is full");
}

TEST_CASE("a server whose clients wait for rules is not ready and says so") {
  Node node;
  node.lists.rules_.awaited = {"kids"};
  CHECK(node.answer(false)["problems"] == nlohmann::json{"list kids has no rules yet"});
  node.lists.rules_.awaited.clear();  // those in force stay, whatever becomes of newer ones
  CHECK(node.answer(true)["problems"].empty());
}
