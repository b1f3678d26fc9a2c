// Peers that come as JSON: the same keys and words as in the file, and each mistake by its field.
#include "app/peer_definition.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "tests/support/catch.hpp"

using namespace culvert;
using nlohmann::json;

namespace {

constexpr const char* some_key = "AgAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";

app::Config config() {
  app::Config made;
  base::SystemRandom random;
  made.private_key = wg::generate_private_key(random);
  made.address = {{*base::IpAddress::parse("10.8.0.1"), *base::Prefix::parse("10.8.0.0/24")}};
  made.calendar =
      std::make_shared<const control::Calendar>(std::move(*control::Calendar::open("UTC")));
  app::GroupConfig group;
  group.name = "staff";
  group.down = 5'000'000;
  made.groups.emplace("staff", group);
  return made;
}

std::vector<std::string> fields(const json& definition) {
  const auto read = app::read_definition(definition, config());
  std::vector<std::string> all;
  if (!read)
    for (const auto& each : read.problem().fields) all.push_back(each.field);
  return all;
}

json with(json changes) {
  json definition{{"public_key", some_key}, {"allowed_ips", {"10.8.0.2/32"}}};
  definition.update(changes);
  return definition;
}

}  // namespace

TEST_CASE("a definition has the meaning of the same keys in the file") {
  const auto read = app::read_definition(with({{"name", "anna"},
                                               {"group", "staff"},
                                               {"up", "1mbit"},
                                               {"preshared_key", some_key},
                                               {"endpoint", "192.0.2.1:51820"},
                                               {"persistent_keepalive", 25},
                                               {"full_cone", true},
                                               {"limits", {{"udp_mappings", 9}}},
                                               {"egress", {{"allow", {"10.1.0.0/16"}}}}}),
                                         config());
  REQUIRE(read);
  CHECK(read->name == "anna");
  CHECK(read->public_key.to_string() == some_key);
  CHECK_FALSE(read->preshared_key.is_zero());
  CHECK(read->allowed_ips == std::vector{*base::Prefix::parse("10.8.0.2/32")});
  CHECK(read->endpoint == base::Endpoint::parse("192.0.2.1:51820"));
  CHECK(read->persistent_keepalive == std::chrono::seconds(25));
  CHECK(read->policy.down == 5'000'000);
  CHECK(read->policy.up == 1'000'000);
  CHECK(read->policy.full_cone);
  CHECK(read->policy.limits.udp_mappings == 9);
  REQUIRE(read->policy.egress != nullptr);
  CHECK(read->policy.egress->allow.size() == 1);
  CHECK(app::read_definition(with(json::object()), config())->name == some_key);
}

TEST_CASE("a mistake in a definition names its field") {
  using Fields = std::vector<std::string>;
  CHECK(fields(json{{"name", "x"}}) == Fields{"public_key"});
  CHECK(fields(with({{"public_key", "short"}})) == Fields{"public_key"});
  CHECK(fields(with({{"public_key", 7}})) == Fields{"public_key"});
  CHECK(fields(with({{"allowed_ips", {"10.8.0.2/32", "nowhere"}}})) == Fields{"allowed_ips/1"});
  CHECK(fields(with({{"allowed_ips", {"10.8.0.1/32"}}})) == Fields{"allowed_ips/0"});
  CHECK(fields(with({{"group", "nobody"}})) == Fields{"group"});
  CHECK(fields(with({{"nmae", "x"}})) == Fields{"nmae"});
  CHECK(fields(with({{"name", nullptr}})) == Fields{"name"});
  CHECK(fields(with({{"limits", {{"udp_mappings", -1}}}})) == Fields{"limits/udp_mappings"});
  CHECK(fields(with({{"limits", 5}})) == Fields{"limits"});
  CHECK(fields(with({{"persistent_keepalive", 18446744073709551615u}})) ==
        Fields{"persistent_keepalive"});
  CHECK(fields(with({{"endpoint", "vpn.example.org:51820"}})) == Fields{"endpoint"});
  CHECK(fields(with({{"preshared_key_file", "/etc/shadow"}})) == Fields{"preshared_key_file"});
  CHECK(fields(with({{"a/b~c", 1}})) == Fields{"a~1b~0c"});
  CHECK(app::read_definition(json::array(), config()).problem().status == 400);
  CHECK(app::read_definition(with({{"group", "nobody"}}), config()).problem().status == 422);
}

TEST_CASE("DNS of a definition fits beside the server's") {
  CHECK(fields(with({{"dns_lists", {"none"}}})) == std::vector<std::string>{"dns_lists"});
  CHECK(fields(with({{"dns_upstream", {"10.8.0.1"}}})) == std::vector<std::string>{"dns_upstream"});
  const json schedule{{{"hours", "22:00-06:00"}, {"lists", {"none"}}}};
  CHECK(fields(with({{"dns_schedule", schedule}})) == std::vector<std::string>{"dns_schedule"});
  app::Config encrypted = config();
  encrypted.dns.encrypted_only = true;
  encrypted.dns.lists.emplace_back().name = "ads";
  CHECK(app::read_definition(with({{"dns_lists", {"ads"}}}), encrypted));
  CHECK_FALSE(app::read_definition(with({{"dns_upstream", {"192.0.2.1"}}}), encrypted));
}

TEST_CASE("a definition nested without end is refused") {
  json deep = 1;
  for (int i = 0; i < 1000; ++i) deep = json{{"limits", deep}};
  CHECK(fields(with({{"limits", deep}})) == std::vector<std::string>{"limits/limits"});
}

TEST_CASE("the server's own key is nobody else's") {
  const app::Config server = config();
  const auto read = app::read_definition(
      with({{"public_key", wg::public_key_of(server.private_key).to_string()}}), server);
  REQUIRE_FALSE(read);
  CHECK(read.problem().fields.at(0).field == "public_key");
}

TEST_CASE("the text of a key is wiped where it stands") {
  json definition = with({{"preshared_key", some_key}});
  app::wipe_definition(definition);
  const auto text = definition["preshared_key"].get<std::string>();
  CHECK(std::ranges::all_of(text, [](char c) { return c == 0; }));
}
