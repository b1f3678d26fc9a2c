// The webhooks and the admission hook together, with a real loop, child process and receiver.
#include "control/hooks.hpp"

#include <boost/asio/io_context.hpp>
#include <map>
#include <nlohmann/json.hpp>

#include "tests/control/http_receiver.hpp"
#include "tests/support/catch.hpp"

using namespace culvert;
using namespace culvert::control;
using namespace std::chrono_literals;
using nlohmann::json;

namespace {

Peer peer(std::uint32_t slot, const char* name, bool connected = false) {
  Peer made;
  made.entry.name = name;
  made.entry.public_key.bytes.fill(std::byte(slot + 1));
  made.entry.group = "family";
  made.slot = slot;
  made.endpoint = base::Endpoint::parse("192.0.2.1:5000");
  made.connected = connected;
  return made;
}

AdmissionSettings command(std::vector<std::string> arguments) {
  AdmissionSettings settings;
  settings.kind = AdmissionSettings::Kind::command;
  settings.command = std::move(arguments);
  settings.timeout = 10s;
  return settings;
}

class World {
 public:
  bool until(const std::function<bool()>& done) {
    const auto end = std::chrono::steady_clock::now() + 20s;
    while (!done() && std::chrono::steady_clock::now() < end) {
      io.restart();
      io.run_one_for(10ms);
    }
    return done();
  }
  bool becomes(std::uint32_t slot, bool admitted) {
    return until([&] { return states.contains(slot) && states[slot] == admitted; });
  }

  boost::asio::io_context io{1};
  EventBus bus;
  std::map<std::uint32_t, bool> states;
  int told = 0;
  Hooks hooks{{io.get_executor(),
               bus,
               [this](std::uint32_t slot, bool admitted) {
                 states[slot] = admitted;
                 ++told;
               },
               {}}};
};

std::string body_of(const std::string& request) {
  return request.substr(request.find("\r\n\r\n") + 4);
}

}  // namespace

TEST_CASE("without settings there is neither a webhook nor an admission hook") {
  World world;
  const Peer anna = peer(0, "anna");
  world.hooks.configure({}, {}, {&anna});
  world.hooks.on_peer_added(anna);
  world.hooks.on_peer_connected(anna);
  world.hooks.on_peer_disconnected(anna);
  world.hooks.on_peer_left(0);
  world.bus.publish(EventKind::connect, "anna", "");
  CHECK(world.hooks.webhooks().empty());
  CHECK_FALSE(world.hooks.admission());
  CHECK(world.told == 0);
}

TEST_CASE("a webhook gets the events, and one that did not change goes on at a reload") {
  World world;
  HttpReceiver receiver(world.io, [](const std::string&) { return http_answer(204); });
  const WebhookSettings settings{receiver.url(), "secret", {}, {}};
  world.hooks.configure({settings}, {}, {});
  world.bus.publish(EventKind::connect, "anna", "from afar");
  REQUIRE(world.until([&] { return world.hooks.webhooks().at(0).delivered == 1; }));
  REQUIRE(receiver.requests().size() == 1);
  CHECK(json::parse(body_of(receiver.requests()[0]))["peer"] == "anna");

  world.hooks.configure({settings}, {}, {});
  CHECK(world.hooks.webhooks().at(0).delivered == 1);
  world.hooks.configure({}, {}, {});
  CHECK(world.hooks.webhooks().empty());
  world.bus.publish(EventKind::connect, "bert", "");
  CHECK(receiver.requests().size() == 1);
}

TEST_CASE("a webhook that nobody answers is tried again by the timer") {
  World world;
  int calls = 0;
  HttpReceiver receiver(world.io,
                        [&](const std::string&) { return http_answer(++calls == 1 ? 500 : 200); });
  world.hooks.configure({{receiver.url(), "", {}, {}}}, {}, {});
  world.bus.publish(EventKind::quota, "anna", "");
  REQUIRE(world.until([&] { return world.hooks.webhooks().at(0).delivered == 1; }));
  CHECK(calls == 2);
}

TEST_CASE("a command decides about each peer by its name, group and endpoint") {
  World world;
  const Peer anna = peer(3, "anna"), bert = peer(4, "bert");
  world.hooks.configure({},
                        command({"sh", "-c",
                                 "[ \"$CULVERT_PEER $CULVERT_GROUP $CULVERT_ENDPOINT\" = "
                                 "\"anna family 192.0.2.1:5000\" ]"}),
                        {&anna, &bert});
  CHECK_FALSE(world.states.at(3));  // until there is a verdict
  world.hooks.on_peer_connected(anna);
  world.hooks.on_peer_connected(bert);
  REQUIRE(world.becomes(3, true));
  REQUIRE(world.until([&] { return world.hooks.admission()->refused == 1; }));
  CHECK_FALSE(world.states.at(4));
  CHECK(world.hooks.admission()->admitted == 1);
}

TEST_CASE("a hook that is switched on asks about who is connected, and switched off lets all in") {
  World world;
  const Peer anna = peer(0, "anna", true), bert = peer(1, "bert");
  world.hooks.configure({}, {}, {&anna, &bert});
  world.hooks.configure({}, command({"false"}), {&anna, &bert});
  REQUIRE(world.until([&] { return world.hooks.admission()->refused == 1; }));
  CHECK(world.states == std::map<std::uint32_t, bool>{{0, false}, {1, false}});

  const int before = world.told;
  world.hooks.configure({}, command({"false"}), {&anna, &bert});  // the same: verdicts hold
  CHECK(world.told == before);
  CHECK(world.hooks.admission()->refused == 1);

  world.hooks.configure({}, {}, {&anna, &bert});
  CHECK_FALSE(world.hooks.admission());
  CHECK(world.states == std::map<std::uint32_t, bool>{{0, true}, {1, true}});
}

TEST_CASE("an HTTP hook gives verdicts, and a peer that left is not asked about") {
  World world;
  HttpReceiver receiver(world.io, [](const std::string& request) {
    const bool good = json::parse(body_of(request))["peer"] == "anna";
    return http_answer(good ? 200 : 403);
  });
  AdmissionSettings settings;
  settings.kind = AdmissionSettings::Kind::http;
  settings.url = receiver.url();
  settings.timeout = 10s;
  const Peer anna = peer(0, "anna"), bert = peer(1, "bert");
  world.hooks.configure({}, settings, {&anna, &bert});
  world.hooks.on_peer_left(1);
  world.hooks.on_peer_connected(bert);
  world.hooks.on_peer_connected(anna);
  REQUIRE(world.becomes(0, true));
  CHECK(receiver.requests().size() == 1);
  world.hooks.on_peer_added(bert);
  world.hooks.on_peer_connected(bert);
  REQUIRE(world.until([&] { return world.hooks.admission()->refused == 1; }));
  CHECK_FALSE(world.states.at(1));
}
