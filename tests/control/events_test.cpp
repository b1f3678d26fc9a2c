#include "control/events.hpp"

#include <nlohmann/json.hpp>
#include <utility>

#include "tests/support/catch.hpp"

using namespace culvert::control;
using culvert::base::WallTime;

namespace {

// 2026-12-31 23:59:59.250 UTC
constexpr WallTime new_year_eve{std::chrono::milliseconds(1798761599250)};

}  // namespace

TEST_CASE("every kind of event has a name that is read back") {
  for (unsigned i = 0; i <= unsigned(EventKind::state_recovered); ++i) {
    const auto kind = EventKind(i);
    CHECK(to_string(kind) != "unknown");
    CHECK(parse_event_kind(to_string(kind)) == kind);
  }
  CHECK_FALSE(parse_event_kind("unknown"));
  CHECK_FALSE(parse_event_kind(""));
}

TEST_CASE("an event is one line of JSON, its members in order") {
  const Event event{7,        EventKind::connect, new_year_eve,
                    "laptop", "from 192.0.2.1:5", R"("endpoint":"192.0.2.1:5")"};
  CHECK(event.to_json() ==
        R"({"id":7,"type":"connect","time":"2026-12-31T23:59:59.250Z","peer":"laptop",)"
        R"("detail":"from 192.0.2.1:5","endpoint":"192.0.2.1:5"})");
  CHECK(Event{1, EventKind::reloaded, new_year_eve, "", "", ""}.to_json() ==
        R"({"id":1,"type":"reloaded","time":"2026-12-31T23:59:59.250Z","peer":"","detail":""})");
}

TEST_CASE("whatever the texts hold, the JSON is valid and holds no control character") {
  EventBus bus;
  std::string line;
  const auto token = bus.listen([&](const Event& event) { line = event.to_json(); });
  bus.publish(EventKind::quota, "a\"b\\c\nd\x1b[31m\x7f", "\xc2\x9b\xff\xc3 \xe2\x82\xac",
              "\"x\":\n1");
  for (const char c : line) CHECK(static_cast<unsigned char>(c) >= 0x20);
  const auto json = nlohmann::json::parse(line);
  CHECK(json["peer"] == "a\"b\\c d [31m ");
  CHECK(json["detail"] == "  \xef\xbf\xbd\xef\xbf\xbd \xe2\x82\xac");
  CHECK(json["x"] == 1);
}

TEST_CASE("a listener hears events until its token is gone") {
  EventBus bus;
  std::vector<std::uint64_t> heard;
  auto token = bus.listen([&](const Event& event) { heard.push_back(event.id); });
  bus.publish(EventKind::connect, "a", "");
  bus.publish(EventKind::disconnect, "a", "");
  token.reset();
  bus.publish(EventKind::connect, "a", "");
  CHECK(heard == std::vector<std::uint64_t>{1, 2});
}

TEST_CASE("a listener may end itself and others in the middle of an event") {
  EventBus bus;
  std::shared_ptr<void> first, second;
  const auto guard = std::make_shared<int>(0);  // dies with the function that captured it
  int second_heard = 0;
  first = bus.listen([&, guard](const Event&) {
    second.reset();
    first.reset();
    ++*guard;
  });
  second = bus.listen([&](const Event&) { ++second_heard; });
  bus.publish(EventKind::connect, "a", "");
  CHECK(*guard == 1);
  CHECK(guard.use_count() == 1);
  CHECK(second_heard == 0);
}

TEST_CASE("who begins to listen in the middle of an event hears the next one") {
  EventBus bus;
  std::vector<std::shared_ptr<void>> late;
  std::vector<std::uint64_t> heard;
  const auto first = bus.listen([&](const Event&) {
    late.push_back(bus.listen([&](const Event& event) { heard.push_back(event.id); }));
  });
  bus.publish(EventKind::connect, "a", "");
  CHECK(heard.empty());
  bus.publish(EventKind::connect, "b", "");
  CHECK(heard == std::vector<std::uint64_t>{2});
}

TEST_CASE("a bus may die before its listeners' tokens") {
  const auto guard = std::make_shared<int>(0);
  std::shared_ptr<void> token;
  {
    EventBus bus;
    token = bus.listen([guard](const Event&) {});
  }
  token.reset();
  CHECK(guard.use_count() == 1);
}

TEST_CASE("the last 1024 events are remembered and told in order") {
  EventBus bus;
  for (int i = 0; i < 1500; ++i) bus.publish(EventKind::connect, std::to_string(i), "");
  std::vector<std::uint64_t> ids;
  bus.replay(0, [&](const Event& event) { ids.push_back(event.id); });
  REQUIRE(ids.size() == EventBus::remembered);
  CHECK(ids.front() == 477);
  CHECK(ids.back() == 1500);
  ids.clear();
  bus.replay(1498, [&](const Event& event) { ids.push_back(event.id); });
  CHECK(ids == std::vector<std::uint64_t>{1499, 1500});
}
