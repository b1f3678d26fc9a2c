#include "control/api.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "control/uri.hpp"
#include "tests/control/support/api_world.hpp"
#include "tests/support/catch.hpp"

using namespace culvert::control;
using culvert::base::Drop;
using nlohmann::json;

namespace {

using World = ApiWorld;

std::string key_text(unsigned char fill) {
  return test_key(fill).to_string();
}

}  // namespace

TEST_CASE("every route is described and every description has its route") {
  World world;
  std::set<std::string> described;
  for (const auto& [path, item] : description()["paths"].items())
    for (const std::string method : {"get", "post", "patch", "delete", "put"})
      if (item.contains(method)) {
        std::string upper = method;
        for (char& c : upper) c = char(std::toupper(c));
        described.insert(upper + " " + path);
      }
  const auto routes = world.api.routes();
  CHECK(described == std::set<std::string>(routes.begin(), routes.end()));
}

TEST_CASE("the examples of the description fit its schemas") {
  std::size_t checked = 0;
  for (const auto& [name, schema] : description()["components"]["schemas"].items()) {
    if (!schema.contains("example")) continue;
    INFO(name);
    const auto wrong = Schema(description()).check(schema, schema["example"]);
    CHECK(fmt::format("{}", fmt::join(wrong, "; ")) == "");
    ++checked;
  }
  CHECK(checked >= 3);
}

TEST_CASE("the schema checker sees what is wrong") {
  const Schema schema(description());
  const json& peer = description()["components"]["schemas"]["Peer"];
  json value = peer["example"];
  value["worker"] = "one";
  CHECK(schema.check(peer, value).size() == 1);
  value["worker"] = 1;
  value["private_key"] = "x";
  CHECK(schema.check(peer, value).size() == 1);
  value.erase("private_key");
  value.erase("stopped");
  CHECK(schema.check(peer, value).size() == 1);
}

TEST_CASE("status says what the server is and how it does") {
  World world;
  world.server.worker_counters_.tcp_open.set(7);
  world.server.worker_counters_.tcp_max.set(900);
  world.server.worker_counters_.drops.add(Drop::bad_tag, 4);
  world.ledger.trouble_ = "disk full since 12:00";
  const json status = world.get("/v1/status").value();
  CHECK(status["peers"] == json{{"total", 2}, {"connected", 1}, {"stopped", 0}});
  CHECK(status["limits"][0] == json{{"name", "tcp_flows"}, {"in_use", 7}, {"maximum", 900}});
  CHECK(status["drops"] == json{{"bad_tag", 4}});
  CHECK(status["ledger"] == json{{"ok", false}, {"trouble", "disk full since 12:00"}});
  CHECK(status["rates"] == json{{"up", 2000}, {"down", 4000}});
}

TEST_CASE("a peer tells where it stands and no secret") {
  World world;
  Quota quota{.bytes = 100, .over_up = 1000, .over_down = 2000};
  world.ledger.quota_ = QuotaState{quota, 150, test_now, test_now};
  const json peer = world.get("/v1/peers/laptop").value();
  CHECK(peer["source"] == "file");
  CHECK(peer["place"] == "culvert.toml:12");
  CHECK(peer["latest_handshake"] == "2026-12-03T09:10:00.000Z");
  CHECK(peer["denials"] == json{{"egress_denied", 3}});
  CHECK(peer["quota"]["action"] == "throttle");
  CHECK(peer["quota"]["reached"] == true);
  CHECK(peer["limits"]["throttled"] == true);
  CHECK(peer["limits"]["up"].is_null());
  CHECK(peer["definition"].is_null());
}

TEST_CASE("a peer is found by its name and by its key, percent-encoded") {
  World world;
  CHECK(world.get("/v1/peers/kid%2Fphone").value()["name"] == "kid/phone");
  CHECK(world.get("/v1/peers/" + url_encode(key_text(1))).value()["name"] == "laptop");
  const auto missing = world.get("/v1/peers/nobody");
  CHECK(missing.status == 404);
  CHECK(missing.value()["type"] == "urn:culvert:problem:peer-not-found");
}

TEST_CASE("peers are listed, all or of a group") {
  World world;
  CHECK(world.get("/v1/peers").value()["peers"].size() == 2);
  CHECK(world.get("/v1/peers?group=family").value()["peers"].size() == 1);
  CHECK(world.get("/v1/groups").value()["groups"][0]["members"] == 1);
}

TEST_CASE("a peer is added, changed and removed") {
  World world;
  const json definition{{"name", "new one"},
                        {"public_key", key_text(9)},
                        {"preshared_key", key_text(8)},
                        {"group", "family"}};
  const auto made = world.post("/v1/peers", definition.dump());
  REQUIRE(made.status == 201);
  CHECK(made.fields == HeaderFields{{"Location", "/v1/peers/new%20one"}});
  CHECK(made.value()["has_preshared_key"] == true);
  CHECK(made.body.find(key_text(8)) == std::string::npos);
  CHECK(made.value()["definition"]["group"] == "family");

  auto patch =
      FakeApi::request("PATCH", "/v1/peers/new%20one", R"({"name":"renamed","group":null})",
                       {{"Content-Type", "application/merge-patch+json"}});
  const auto changed = world.send(patch);
  CHECK(changed.status == 200);
  CHECK(changed.value()["name"] == "renamed");
  CHECK_FALSE(changed.value()["definition"].contains("group"));

  CHECK(world.send(FakeApi::request("DELETE", "/v1/peers/renamed")).status == 204);
  CHECK(world.send(FakeApi::request("DELETE", "/v1/peers/renamed")).status == 404);
  CHECK(world.server.peers().size() == 2);
}

TEST_CASE("a peer of the file is the file's") {
  World world;
  CHECK(world.send(FakeApi::request("DELETE", "/v1/peers/laptop")).status == 409);
  CHECK(world.send(FakeApi::request("PATCH", "/v1/peers/laptop", R"({"down":"1mbit"})")).status ==
        409);
}

TEST_CASE("a definition that is wrong names each of its fields") {
  World world;
  const auto wrong = world.post("/v1/peers", R"({"public_key":5,"nmae":"x"})");
  CHECK(wrong.status == 422);
  CHECK(wrong.value()["errors"].size() == 2);
  CHECK(wrong.field(0) == "nmae");
  CHECK(world.post("/v1/peers", "[1]").status == 422);
  CHECK(world.server.peers().size() == 2);
}

TEST_CASE("malformed JSON is refused with its place") {
  World world;
  const auto broken = world.post("/v1/peers", "{\n  \"name\": tru\n}");
  CHECK(broken.status == 400);
  CHECK(std::string(broken.value()["detail"]).starts_with("line 2, column 14 (byte 16): "));
  const auto twice = world.post("/v1/peers", R"({"a":{"b":1,"b":2}})");
  CHECK(twice.status == 400);
  CHECK(twice.field() == "a/b");
  CHECK(world.post("/v1/peers", std::string(40, '[') + std::string(40, ']')).status == 400);
  CHECK(world.post("/v1/peers", "{\"name\":\"\xff\"}").status == 400);
  CHECK(world.post("/v1/peers", " ").status == 400);
}

TEST_CASE("what a body says of itself is checked before it is read") {
  World world;
  auto request = FakeApi::request("POST", "/v1/peers");
  CHECK(world.send(request).status == 411);
  request.content_length = 2;
  CHECK(world.send(request).status == 415);
  request.fields.emplace_back("Content-Type", "application/json; charset=utf-8");
  request.body = "{}";
  CHECK(world.send(request).status == 422);
  request.fields.emplace_back("Content-Encoding", "gzip");
  CHECK(world.send(request).status == 415);
}

TEST_CASE("an unknown path is 404, a wrong method 405 with what is allowed") {
  World world;
  CHECK(world.get("/v1/peer").status == 404);
  CHECK(world.get("/v1/peers/").status == 404);
  CHECK(world.get("/v1/peers/%zz").status == 400);
  const auto wrong = world.ask(FakeApi::request("PUT", "/v1/peers"));
  CHECK(wrong.status == 405);
  CHECK(wrong.fields == HeaderFields{{"Allow", "GET, HEAD, POST"}});
}

TEST_CASE("query parameters that are unknown, wrong or given twice are named") {
  World world;
  for (const auto& [target, field] : std::initializer_list<std::pair<const char*, const char*>>{
           {"/v1/status?verbose=1", "verbose"},
           {"/v1/flows?limit=0", "limit"},
           {"/v1/flows?limit=1&limit=2", "limit"},
           {"/v1/usage?since=yesterday", "since"},
           {"/v1/usage?since=4294967295w", "since"},
           {"/v1/usage?since=1h&until=2h", "since"},
           {"/v1/usage?by=colour", "by"},
           {"/v1/usage?format=xml", "format"},
           {"/v1/usage?peer=%00", "peer"},
           {"/v1/events?types=connect,nothing", "types"}}) {
    const auto got = world.get(target);
    INFO(target);
    CHECK(got.status == 400);
    CHECK(got.field() == field);
  }
}

TEST_CASE("flows are those of a peer, and it is said when there are more") {
  World world;
  for (std::uint32_t i = 0; i < 5; ++i) {
    culvert::proxy::FlowRecord record;
    record.id = i;
    record.peer = i % 2;
    record.key.client = *culvert::base::Endpoint::parse("10.8.0.2:4000");
    record.key.server = *culvert::base::Endpoint::parse("192.0.2.1:443");
    world.server.flows_.push_back(record);
  }
  const json all = world.get("/v1/flows").value();
  CHECK(all["flows"].size() == 5);
  CHECK(all["truncated"] == false);
  CHECK(all["flows"][1]["peer"] == "kid/phone");
  CHECK(all["flows"][1]["server"] == "192.0.2.1:443");
  CHECK(world.get("/v1/flows?peer=laptop").value()["flows"].size() == 3);
  const json some = world.get("/v1/flows?peer=laptop&limit=2").value();
  CHECK(some["flows"].size() == 2);
  CHECK(some["truncated"] == true);
  CHECK(world.get("/v1/flows?peer=x").status == 404);
}

TEST_CASE("usage comes as JSON or as comma-separated values") {
  World world;
  UsageRow row{"a,b", test_now, {}};
  row.usage.up_bytes = 5;
  world.ledger.rows_ = {row, row};
  const json report =
      world.get("/v1/usage?since=2026-12-01&by=day&peer=" + url_encode(key_text(1))).value();
  CHECK(world.ledger.asked.peer == "laptop");
  CHECK(world.ledger.asked.by == UsageBy::day);
  CHECK(report["since"] == "2026-12-01T00:00:00.000Z");
  CHECK(report["until"] == "2026-12-03T09:15:02.000Z");
  CHECK(report["total"]["up_bytes"] == 10);

  const json day = world.get("/v1/usage?since=2026-12-01&until=2026-12-01").value();
  CHECK(day["since"] == "2026-12-01T00:00:00.000Z");
  CHECK(day["until"] == "2026-12-02T00:00:00.000Z");

  const auto csv = world.send(FakeApi::request("GET", "/v1/usage", "", {{"Accept", "text/csv"}}));
  CHECK(csv.content_type.starts_with("text/csv"));
  CHECK(csv.body.starts_with("key,start,up_bytes,up_packets,"));
  CHECK(csv.body.find("\r\n\"a,b\",,5,0,") != std::string::npos);
  CHECK(world.get("/v1/usage?format=csv").content_type.starts_with("text/csv"));
  CHECK(world.send(FakeApi::request("GET", "/v1/usage?format=json", "", {{"Accept", "text/csv"}}))
            .content_type == "application/json");

  world.ledger.trouble_ = "corrupt";
  CHECK(world.get("/v1/usage").status == 503);
}

TEST_CASE("reload tells what changed, or why nothing did") {
  World world;
  CHECK(world.send(FakeApi::request("POST", "/v1/config/reload")).value()["added"][0] == "phone");
  world.server.fails = true;
  const auto refused = world.send(FakeApi::request("POST", "/v1/config/reload"));
  CHECK(refused.status == 422);
  CHECK(refused.field() == "culvert.toml:3");
}

TEST_CASE("a client's file is text, or it is said why there is none") {
  World world;
  CHECK(world.get("/v1/peers/laptop/config").body == "[Interface]\n");
  CHECK(world.get("/v1/peers/kid%2Fphone/config").status == 409);
  CHECK(world.get("/v1/peers/x/config").status == 404);
}

TEST_CASE("health and metrics come with a status that tells the truth") {
  World world;
  CHECK(world.get("/metrics").content_type == "text/plain; version=0.0.4; charset=utf-8");
  CHECK(world.get("/healthz").value()["alive"] == true);
  world.ready_answer = {false, R"({"ready":false,"problems":["worker 1"]})"};
  const auto ready = world.get("/readyz");
  CHECK(ready.status == 503);
  CHECK(ready.value()["problems"][0] == "worker 1");
}

TEST_CASE("events that were missed come first, then what happens") {
  World world;
  for (int i = 0; i < 3; ++i) world.events.publish(EventKind::connect, "laptop", "");
  world.events.publish(EventKind::quota, "laptop", "");
  auto request = FakeApi::request("GET", "/v1/events?types=connect", "", {{"Last-Event-ID", "2"}});
  const auto got = world.send(request);
  CHECK(got.body.find("id: 3\nevent: connect\ndata: {") != std::string::npos);
  CHECK(got.body.find("id: 2\n") == std::string::npos);
  CHECK(got.body.find("id: 4\n") == std::string::npos);
  REQUIRE(got.stream);
  world.events.publish(EventKind::disconnect, "laptop", "");
  CHECK_FALSE(got.stream->take());
  world.events.publish(EventKind::connect, "laptop", "");
  const auto text = got.stream->take();
  REQUIRE(text);
  CHECK(text->starts_with("id: 6\n"));
}

TEST_CASE("an event id of an earlier run brings all that is remembered") {
  World world;
  world.events.publish(EventKind::connect, "laptop", "");
  const auto got =
      world.send(FakeApi::request("GET", "/v1/events", "", {{"Last-Event-ID", "5000"}}));
  CHECK(got.body.find("id: 1\n") != std::string::npos);
  CHECK(world.send(FakeApi::request("GET", "/v1/events", "", {{"Last-Event-ID", "x"}})).status ==
        400);
}

TEST_CASE("a reader that takes nothing is dropped at a bound") {
  World world;
  const auto got = world.get("/v1/events");
  const std::string detail(1000, 'x');
  int told = 0;
  while (!got.stream->closed() && told < 1000) {
    world.events.publish(EventKind::connect, "laptop", detail);
    ++told;
  }
  CHECK(told > 200);
  CHECK(told < 300);
}
