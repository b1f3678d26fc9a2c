// The questions that workers tell of: the log, the latest, the most asked.
#include "control/query_recorder.hpp"

#include <map>
#include <nlohmann/json.hpp>
#include <random>

#include "tests/control/scratch.hpp"
#include "tests/control/support/flow_source.hpp"
#include "tests/control/support/query_record.hpp"
#include "tests/support/catch.hpp"

using namespace culvert;
using namespace culvert::control;
using How = dns::QueryRecord::How;
using nlohmann::json;

namespace {

constexpr base::Time now{std::chrono::hours(1)};
constexpr base::WallTime wall{std::chrono::seconds(1'796'289'302)};

dns::Settings settings() {
  dns::Settings made;
  made.lists.resize(2);
  made.lists[0].name = "ads";
  made.lists[1].name = "games";
  return made;
}

struct World {
  World() {
    server.add("laptop", "family");
    server.add("a\"b");
  }
  std::vector<QueryEntry> latest() const {
    std::vector<QueryEntry> all;
    recorder.latest([&](const QueryEntry& entry) { return all.push_back(entry), true; });
    return all;
  }
  FlowSource server;
  QueryRecorder recorder{settings()};
};

}  // namespace

TEST_CASE("a question gets its peer's, its list's and its upstream's name") {
  World world;
  world.server.dns_counters_.upstreams[3].name.set("tls://9.9.9.9#dns.quad9.net");
  auto blocked = question(0, "ads.example", How::blocked);
  blocked.reason = dns::Reason::list;
  blocked.list = 1;
  auto asked = question(1, "example.com");
  asked.upstream = 3;
  asked.took = 12'500;
  asked.address = *base::IpAddress::parse("192.0.2.7");
  world.server.queries_ = {blocked, asked};
  world.recorder.tick(world.server, now, wall);
  const auto latest = world.latest();
  REQUIRE(latest.size() == 2);
  CHECK(latest[0].name == "example.com");  // the newest first
  CHECK(latest[0].id == 2);
  CHECK(latest[0].upstream == "tls://9.9.9.9#dns.quad9.net");
  CHECK(latest[0].list.empty());
  CHECK(latest[1].peer == "laptop");
  CHECK(latest[1].group == "family");
  CHECK(latest[1].list == "games");
  const json line = json::parse(query_line(latest[0]));
  CHECK(line["time"] == "2026-12-03T09:15:02.123Z");
  CHECK(line["peer"] == "a\"b");
  CHECK(line["type"] == "A");
  CHECK(line["how"] == "forwarded");
  CHECK(line["address"] == "192.0.2.7");
  CHECK(line["milliseconds"] == 12.5);
}

TEST_CASE("an upstream is named only where it answered") {
  World world;
  world.server.dns_counters_.upstreams[0].name.set("tls://9.9.9.9#dns.quad9.net");
  world.server.queries_ = {question(0, "a.example", How::stale),
                           question(0, "a.example", How::cached), question(0, "a.example")};
  world.recorder.tick(world.server, now, wall);
  const auto latest = world.latest();
  REQUIRE(latest.size() == 3);
  CHECK(latest[0].upstream == "tls://9.9.9.9#dns.quad9.net");
  CHECK(latest[1].upstream.empty());
  CHECK(latest[2].upstream.empty());
}

TEST_CASE("what a worker says that cannot be is no harm") {
  World world;
  auto wild = question(0, "a.example", How::blocked);
  wild.peer = 40'000;
  wild.name_size = 255;
  wild.reason = dns::Reason::list;
  wild.list = 200;
  wild.rcode = 4000;
  wild.upstream = 255;
  world.server.queries_ = {wild};
  world.recorder.tick(world.server, now, wall);
  REQUIRE(world.latest().size() == 1);
  const json line = json::parse(query_line(world.latest()[0]));
  CHECK(line["name"] == "");
  CHECK(line["peer"] == "");
  CHECK(line["list"] == "");
  CHECK(line["rcode"] == "RCODE4000");
}

TEST_CASE("names are counted apart by whether they were blocked") {
  World world;
  for (int i = 0; i < 3; ++i) world.server.queries_.push_back(question(0, "often.example"));
  world.server.queries_.push_back(question(0, "ads.example", How::blocked));
  world.server.queries_.push_back(question(1, "seldom.example", How::cached));
  world.recorder.tick(world.server, now, wall);
  const auto asked = world.recorder.asked().top(10);
  REQUIRE(asked.size() == 2);
  CHECK(asked[0].name == "often.example");
  CHECK(asked[0].count == 3);
  CHECK(world.recorder.blocked().top(10).at(0).name == "ads.example");
}

TEST_CASE("only the latest are remembered") {
  World world;
  for (std::size_t i = 0; i < QueryRecorder::remembered + 10; ++i)
    world.server.queries_.push_back(question(0, "n" + std::to_string(i) + ".example"));
  world.recorder.tick(world.server, now, wall);
  const auto latest = world.latest();
  REQUIRE(latest.size() == QueryRecorder::remembered);
  CHECK(latest.back().name == "n10.example");
}

TEST_CASE("the query log has a line for each question") {
  const test::Scratch folder;
  World world;
  dns::Settings with_log = settings();
  with_log.log.path = folder.file("queries");
  world.recorder.configure(with_log);
  world.server.queries_ = {question(0, "a.example"), question(0, "b.example")};
  world.recorder.flush(world.server, now, wall);
  std::ifstream file(folder.file("queries"));
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  CHECK(std::ranges::count(text, '\n') == 2);
  CHECK(json::parse(text.substr(0, text.find('\n')))["name"] == "a.example");
}

TEST_CASE("the most asked names stay whatever else is asked, within the promised error") {
  TopNames top(50);
  std::mt19937 random(7);
  std::map<std::string, std::uint64_t> truth;
  for (int i = 0; i < 20'000; ++i) {
    const bool popular = random() % 2 == 0;
    const std::string name =
        popular ? "p" + std::to_string(random() % 10) : std::to_string(random());
    ++truth[name];
    top.add(name);
  }
  CHECK(top.size() == 50);
  CHECK(top.total() == 20'000);
  const auto best = top.top(10);
  for (const TopNames::Entry& entry : best) {
    INFO(entry.name);
    CHECK(entry.name[0] == 'p');
    CHECK(entry.count >= truth[entry.name]);
    CHECK(entry.count - entry.error <= truth[entry.name]);
    CHECK(entry.error <= 20'000 / 50);
  }
}
