// Orders to a worker: each survives its line, its key is wiped on the way, and nonsense is refused.
#include "app/order.hpp"

#include <nlohmann/json.hpp>
#include "app/control_channel.hpp"
#include "app/peer_definition.hpp"
#include "base/random.hpp"
#include "tests/support/catch.hpp"

using namespace culvert;
using app::Order;

namespace {

wg::PresharedKey some_key() {
  wg::PresharedKey key;
  key.mutable_bytes()[0] = std::byte{0xfb};
  key.mutable_bytes()[31] = std::byte{7};
  return key;
}

base::Prefix prefix(const char* text) {
  return *base::Prefix::parse(text);
}

app::AddPeer add_peer() {
  app::AddPeer add;
  add.slot = 65000;
  add.name = "quoted \"name\"";
  add.public_key.bytes[5] = std::byte{9};
  add.preshared_key = some_key();
  add.allowed_ips = {prefix("10.8.0.2/32"), prefix("fd08::/64")};
  add.endpoint = base::Endpoint::parse("[2001:db8::1]:5");
  add.persistent_keepalive = std::chrono::seconds(25);
  add.policy.limits.tcp_flows = 11;
  add.policy.limits.echo_idle = std::chrono::seconds(12);
  add.policy.rules = 3;
  add.policy.full_cone = true;
  return add;
}

Order round_trip(Order::What what) {
  std::string line = to_line(Order{7, std::move(what)});
  REQUIRE(line.ends_with('\n'));
  REQUIRE(line.find('\n') == line.size() - 1);
  auto back = app::parse_order(line);
  REQUIRE(back.has_value());
  CHECK(back->number == 7);
  return std::move(*back);
}

template <class T>
T sent(T what) {
  Order back = round_trip(std::move(what));
  REQUIRE(std::holds_alternative<T>(back.what));
  return std::get<T>(std::move(back.what));
}

}  // namespace

TEST_CASE("an order to add a peer says all of it") {
  const app::AddPeer was = add_peer(), is = sent(add_peer());
  CHECK(is.slot == was.slot);
  CHECK(is.name == was.name);
  CHECK(is.public_key == was.public_key);
  CHECK(is.preshared_key == was.preshared_key);
  CHECK(is.allowed_ips == was.allowed_ips);
  CHECK(is.endpoint == was.endpoint);
  CHECK(is.persistent_keepalive == was.persistent_keepalive);
  CHECK(app::same_limits(is.policy.limits, was.policy.limits));
  CHECK(is.policy.rules == was.policy.rules);
  CHECK(is.policy.full_cone == was.policy.full_cone);
}

TEST_CASE("a change says what changes and nothing else") {
  const app::ChangePeer none = sent(app::ChangePeer{.slot = 4,
                                                    .name = {},
                                                    .preshared_key = {},
                                                    .allowed_ips = {},
                                                    .endpoint = {},
                                                    .persistent_keepalive = {},
                                                    .policy = {}});
  CHECK(none.slot == 4);
  CHECK(none.empty());

  app::ChangePeer all;
  all.name = "new";
  all.preshared_key = some_key();
  all.allowed_ips.emplace();
  all.endpoint = base::Endpoint::parse("192.0.2.1:1");
  all.persistent_keepalive = std::chrono::seconds(0);
  all.policy.emplace().rules = 8;
  const app::ChangePeer is = sent(std::move(all));
  CHECK(is.name == "new");
  CHECK(is.preshared_key == some_key());
  REQUIRE(is.allowed_ips.has_value());
  CHECK(is.allowed_ips->empty());
  CHECK(is.endpoint == base::Endpoint::parse("192.0.2.1:1"));
  CHECK(is.persistent_keepalive == std::chrono::seconds(0));
  REQUIRE(is.policy.has_value());
  CHECK(is.policy->rules == 8);

  app::ChangePeer cleared;
  cleared.preshared_key.emplace();  // zeros: it has none any more
  CHECK(sent(std::move(cleared)).preshared_key == wg::PresharedKey());
}

TEST_CASE("routes, rules, limits and lists of flows survive their lines") {
  const auto routes = sent(
      app::ChangeRoutes{{{prefix("10.8.0.2/32"), {1, 2}}}, {{prefix("fd08::/64"), {70000, 255}}}});
  REQUIRE(routes.removed.size() == 1);
  CHECK(routes.removed[0].prefix == prefix("10.8.0.2/32"));
  REQUIRE(routes.added.size() == 1);
  CHECK(routes.added[0].to == app::PeerRoute{70000, 255});

  proxy::EgressRules rules;
  for (const char* text : {"10.1.0.0/16", "10.1.2.3/32:443/tcp", "[fd00::]/8:80-90"})
    rules.allow.push_back(*proxy::EgressRule::parse(text));
  rules.deny = {*proxy::EgressRule::parse("0.0.0.0/0:25/tcp")};
  const auto set = sent(app::SetRules{12, rules});
  CHECK(set.number == 12);
  CHECK(app::same_rules(set.rules, rules));
  CHECK(sent(app::ForgetRules{{1, UINT64_MAX}}).numbers ==
        std::vector<std::uint64_t>{1, UINT64_MAX});

  app::ChangeGlobals globals;
  globals.limits.tcp_idle = std::chrono::seconds(99);
  globals.egress = rules;
  globals.log_level = base::log::Level::warn;
  const auto changed = sent(globals);
  CHECK(app::same_limits(changed.limits, globals.limits));
  CHECK(app::same_rules(changed.egress, rules));
  CHECK(changed.log_level == base::log::Level::warn);

  CHECK(sent(app::ListFlows{{}, 5}).limit == 5);
  CHECK(sent(app::ListFlows{3, 5}).slot == 3u);
  sent(app::StopWorker{});
}

TEST_CASE("the key is not in the line any more when it was read") {
  std::string line = to_line(Order{1, add_peer()});
  const std::string text = wg::secret_key_text(some_key());
  REQUIRE(line.find(text) != std::string::npos);
  REQUIRE(app::parse_order(line).has_value());
  CHECK(line.find(text) == std::string::npos);
}

TEST_CASE("a line that is no order is refused") {
  std::vector<std::string> lines = {
      "",
      "{",
      "[]",
      "7",
      "{}",
      R"({"do":"stop"})",
      R"({"do":"dance","order":1})",
      R"({"do":"stop","order":-1})",
      R"({"do":"remove_peer","order":1})",
      R"({"do":"remove_peer","order":1,"slot":4294967296})",
      R"({"do":"remove_peer","order":1,"slot":"1"})",
      R"({"do":"change_peer","order":1,"slot":1,"endpoint":"nowhere"})",
      R"({"do":"change_peer","order":1,"slot":1,"allowed_ips":["x"]})",
      R"({"do":"change_peer","order":1,"slot":1,"keepalive":65536})",
      R"({"do":"change_peer","order":1,"slot":1,"limits":[1,2]})",
      R"({"do":"change_routes","order":1,"removed":[]})",
      R"({"do":"change_routes","order":1,"removed":[["10.0.0.0/8",1]],"added":[]})",
      R"({"do":"set_rules","order":1,"rules":1,"allow":["?"],"deny":[]})",
      R"({"do":"forget_rules","order":1,"numbers":[null]})",
      R"({"do":"list_flows","order":1})",
      R"({"do":"change_globals","order":1})",
      R"({"do":"remove_peer","order":1,"slot":1,"preshared_key":"AAAA"})",
      R"({"preshared_key":"not a key at all, but as long as one would be.","do":"remove_peer","order":1,"slot":1})",
  };
  for (std::string& line : lines) {
    INFO(line);
    CHECK_FALSE(app::parse_order(line).has_value());
  }
  std::string cut = to_line(Order{1, add_peer()});
  for (std::size_t size = 0; size + 2 < cut.size(); size += 7) {
    std::string part = cut.substr(0, size);
    CHECK_FALSE(app::parse_order(part).has_value());
  }
}

TEST_CASE("a line larger than the socket's buffer arrives whole, and what is held back waits") {
  boost::asio::io_context io;
  auto [left, right] = app::ControlChannel::make_pair();
  std::vector<std::string> got;
  const auto nothing = [](std::string&) { return true; };
  const auto sender = app::ControlChannel::start(io, std::move(left),
                                                 app::ControlChannel::to_worker, nothing, [] {});
  const auto receiver = app::ControlChannel::start(
      io, std::move(right), app::ControlChannel::to_supervisor,
      [&](std::string& line) { return got.push_back(line), true; }, [] {});
  receiver->hold(true);
  const std::string large(3 << 20, 'x');
  REQUIRE(sender->send(large + "\n"));
  REQUIRE(sender->send("small\n"));
  for (int i = 0; i < 1000; ++i) io.poll_one();
  CHECK(got.empty());
  CHECK(sender->unsent() > 0);
  receiver->hold(false);
  for (int i = 0; i < 100'000 && got.size() < 2; ++i) io.poll_one();
  REQUIRE(got.size() == 2);
  CHECK(got[0] == large);
  CHECK(got[1] == "small");
  CHECK(sender->unsent() == 0);
  sender->close();
  receiver->close();
  io.poll();
}

TEST_CASE("a line beyond the bound ends the channel, and so does nonsense") {
  boost::asio::io_context io;
  for (const bool too_long : {true, false}) {
    io.restart();  // it ran out of work
    auto [left, right] = app::ControlChannel::make_pair();
    bool closed = false;
    const auto sender = app::ControlChannel::start(
        io, std::move(left), {1000, 1 << 20}, [](std::string&) { return true; }, [] {});
    const auto receiver = app::ControlChannel::start(
        io, std::move(right), {1000, 1000}, [](std::string& line) { return line != "nonsense"; },
        [&] { closed = true; });
    sender->send(too_long ? std::string(5000, 'x') : "nonsense\n");
    for (int i = 0; i < 100 && !closed; ++i) io.poll_one();
    CHECK(closed);
    sender->close();
    io.poll();
  }
}

TEST_CASE("what does not fit the bound is refused, not kept") {
  boost::asio::io_context io;
  auto [left, right] = app::ControlChannel::make_pair();
  const auto sender = app::ControlChannel::start(
      io, std::move(left), {1000, 10'000}, [](std::string&) { return true; }, [] {});
  const std::string line(1 << 20, 'x');
  CHECK(sender->send(line));  // beyond the bound after it, not before
  CHECK_FALSE(sender->send(line));
  sender->close();
  io.poll();
}
