#include "control/api.hpp"
#include "tests/control/support/fake_api.hpp"
#include "tests/control/support/schema.hpp"
#include "tests/support/catch.hpp"

using namespace culvert::control;
using nlohmann::json;

namespace {

void hold_to(const std::string& schema, const json& value) {
  const json description = json::parse(openapi_text());
  const auto wrong =
      Schema(description).check(json{{"$ref", "#/components/schemas/" + schema}}, value);
  for (const std::string& each : wrong) CHECK(each == "");
}

struct World : FakeApi {
  World() {
    ListStatus ads;
    ads.settings.name = "ads";
    ads.settings.url = "https://lists.example/ads.txt?token=secret";
    ads.has_copy = ads.in_force = true;
    ads.report.rules = 12;
    ads.report.lines = 20;
    ads.report.faults[0] = 3;
    ads.report.first[0] = 7;
    ads.checked = test_now;
    lists.lists_.push_back(ads);
    ListStatus file;
    file.settings.name = "mine";
    file.settings.path = "/etc/culvert/mine.txt";
    file.error = "no such file";
    lists.lists_.push_back(file);
    server.put("laptop", 1, Source::file);
  }
  json get(const std::string& target, int status = 200) {
    const Response response = ask(request("GET", target));
    CHECK(response.status == status);
    return json::parse(response.body);
  }
  json post(const std::string& body, int status = 200) {
    const Response response = ask(request("POST", "/v1/dns/lists/update", body));
    CHECK(response.status == status);
    return json::parse(response.body);
  }
};

}  // namespace

TEST_CASE("lists are told with what was not understood, and no secret of a URL") {
  World world;
  world.lists.rules_.awaited = {"ads"};
  const json answer = world.get("/v1/dns/lists");
  hold_to("DnsLists", answer);
  CHECK(answer["awaited"] == json{"ads"});
  const json& ads = answer["lists"][0];
  CHECK(ads["url"] == "https://lists.example/ads.txt");
  CHECK(ads["path"].is_null());
  CHECK(ads["rules"] == 12);
  CHECK(ads["faults"][0]["lines"] == 3);
  CHECK(ads["faults"][0]["first_line"] == 7);
  CHECK(ads["taken_as"] == "auto");
  CHECK(ads["changed"].is_null());
  CHECK(answer["lists"][1]["error"] == "no such file");
  CHECK(answer["lists"][1]["taken_as"].is_null());
  world.get("/v1/dns/lists?x=1", 400);
}

TEST_CASE("an update names its lists, and what is wrong with it is named") {
  World world;
  const json answer = world.post(R"({"lists":["ads"],"force":true})");
  hold_to("DnsUpdated", answer);
  CHECK(answer["results"][0]["outcome"] == "failed");
  CHECK(answer["results"][0]["error"] == "HTTP status 404");
  CHECK(world.lists.forced_);
  CHECK(world.post("{}")["results"].empty());
  CHECK(!world.lists.forced_);
  world.post(R"({"lists":["missing"]})", 404);
  CHECK(world.post(R"({"lists":"ads"})", 422)["errors"][0]["field"] == "lists");
  CHECK(world.post(R"({"lists":[1]})", 422)["errors"][0]["field"] == "lists/0");
  CHECK(world.post(R"({"force":1})", 422)["errors"][0]["field"] == "force");
  CHECK(world.post(R"({"forced":true})", 422)["errors"][0]["field"] == "forced");
  world.post("[]", 422);
}

TEST_CASE("a name is explained by the policy of who asks") {
  World world;
  auto policy = std::make_shared<culvert::dns::Policy>();
  policy->block = {"ads.example"};
  world.server.peers_[0].entry.policy.dns = policy;
  const json blocked = world.get("/v1/dns/explain?name=x.ADS.example&peer=laptop&type=aaaa");
  hold_to("DnsExplanation", blocked);
  CHECK(blocked["verdict"] == "block");
  CHECK(blocked["reason"] == "peer_block");
  CHECK(blocked["name"] == "x.ads.example");
  CHECK(blocked["type"] == "AAAA");
  CHECK(blocked["peer"] == "laptop");
  CHECK(blocked["heard"][0]["domain"] == "ads.example");
  const json passed = world.get("/v1/dns/explain?name=x.ads.example");
  CHECK(passed["verdict"] == "pass");
  CHECK(passed["peer"].is_null());
  CHECK(world.get("/v1/dns/explain?name=laptop.culvert.internal")["reason"] == "local_record");
  CHECK(world.get("/v1/dns/explain?name=localhost")["reason"] == "special_name");
}

TEST_CASE("an alias is explained by what it leads to") {
  World world;
  world.server.dns_settings_.records = {
      {"alias.example", "CNAME", "x.ads.example", std::chrono::seconds(60)}};
  auto policy = std::make_shared<culvert::dns::Policy>();
  policy->block = {"ads.example"};
  world.server.peers_[0].entry.policy.dns = policy;
  const json blocked = world.get("/v1/dns/explain?name=alias.example&peer=laptop");
  hold_to("DnsExplanation", blocked);
  CHECK(blocked["verdict"] == "block");
  CHECK(blocked["reason"] == "peer_block");
  CHECK(blocked["heard"][0]["decides"] == true);
  const json passed = world.get("/v1/dns/explain?name=alias.example");
  CHECK(passed["verdict"] == "local");
  CHECK(passed["why"].get<std::string>().ends_with("it leads to x.ads.example"));
}

TEST_CASE("what cannot be explained is a problem of its field") {
  World world;
  CHECK(world.get("/v1/dns/explain", 400)["errors"][0]["field"] == "name");
  CHECK(world.get("/v1/dns/explain?name=a..b", 400)["errors"][0]["field"] == "name");
  CHECK(world.get("/v1/dns/explain?name=a&type=X", 400)["errors"][0]["field"] == "type");
  world.get("/v1/dns/explain?name=a&peer=nobody", 404);
}
