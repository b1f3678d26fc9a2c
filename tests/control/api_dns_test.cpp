// /v1/dns/...: the log, the statistics, the pause.
#include "tests/control/support/api_world.hpp"
#include "tests/control/support/query_record.hpp"

using namespace culvert;
using namespace culvert::control;
using How = dns::QueryRecord::How;

namespace {

struct World : ApiWorld {
  World() {
    server.queries_ = {question(0, "one.example"), question(1, "two.example", How::blocked),
                       question(0, "three.example", How::cached)};
    queries.tick(server, base::Time{}, test_now);
  }
  std::string names(const std::string& target) {
    std::string all;
    const json log = get(target).value();
    for (const json& query : log["queries"]) all += query["name"].get<std::string>() + " ";
    return all;
  }
};

}  // namespace

TEST_CASE("the log gives the newest first and what was asked for") {
  World world;
  CHECK(world.names("/v1/dns/log") == "three.example two.example one.example ");
  CHECK(world.names("/v1/dns/log?limit=1") == "three.example ");
  CHECK(world.names("/v1/dns/log?after=2") == "three.example ");
  CHECK(world.names("/v1/dns/log?peer=laptop") == "three.example one.example ");
  CHECK(world.names("/v1/dns/log?how=blocked") == "two.example ");
  CHECK(world.names("/v1/dns/log?name=hre") == "three.example ");
  CHECK(world.names("/v1/dns/log?name=THREE") == "three.example ");
  CHECK(world.get("/v1/dns/log?peer=nobody").status == 404);
  CHECK(world.get("/v1/dns/log?limit=0").field() == "limit");
  CHECK(world.get("/v1/dns/log?after=x").field() == "after");
  CHECK(world.get("/v1/dns/log?how=block").field() == "how");
}

TEST_CASE("the statistics add up what workers counted") {
  World world;
  world.server.dns_counters_.cached.set(7);
  world.server.dns_counters_.upstreams[0].name.set("9.9.9.9");
  world.server.dns_counters_.upstreams[0].answered.set(2);
  world.server.dns_counters_.upstreams[0].latency.set(1500);
  world.server.dns_counters_.upstreams[0].plain_case.set(1);
  world.server.counters_[0].dns_queries.set(11);
  const auto stats = world.get("/v1/dns/stats?top=1").value();
  const auto workers = world.server.workers().size();
  CHECK(stats["counts"]["cached"] == 7 * workers);
  CHECK(stats["top_names"].size() == 1);
  CHECK(stats["top_blocked"][0]["name"] == "two.example");
  CHECK(stats["top_peers"][0]["queries"] == 11);
  if (workers > 0) {
    CHECK(stats["upstreams"][0]["name"] == "9.9.9.9");
    CHECK(stats["upstreams"][0]["latency_milliseconds"] == 1.5);
    CHECK(stats["upstreams"][0]["plain_case_workers"] == workers);
  }
}

TEST_CASE("a pause that is wrong says which field, and one that is right holds") {
  World world;
  const auto field = [&](const char* body) { return world.post("/v1/dns/pause", body).field(); };
  CHECK(field("{}") == "seconds");
  CHECK(field(R"({"seconds":-1})") == "seconds");
  CHECK(field(R"({"seconds":9999999})") == "seconds");
  CHECK(field(R"({"seconds":1,"peer":7})") == "peer");
  CHECK(field(R"({"seconds":1,"peer":"a","group":"b"})") == "group");
  CHECK(field(R"({"seconds":1,"pear":"a"})") == "pear");
  CHECK(world.post("/v1/dns/pause", R"({"seconds":1,"peer":"nobody"})").status == 404);
  CHECK(world.server.controls(0).dns_paused_until.get() == 0);
  const auto done = world.post("/v1/dns/pause", R"({"seconds":60,"peer":"laptop"})");
  CHECK(done.status == 200);
  CHECK(done.value()["peers"] == 1);
}

TEST_CASE("the cache can be flushed") {
  World world;
  CHECK(world.send(World::request("POST", "/v1/dns/cache/flush")).value()["flushed"] == true);
}
