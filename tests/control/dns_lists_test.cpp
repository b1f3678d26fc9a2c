#include "control/dns_lists.hpp"

#include <signal.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstring>

#include "dns/rule_file.hpp"
#include "tests/control/gzip.hpp"
#include "tests/control/lists_world.hpp"
#include "tests/support/catch.hpp"

using namespace culvert::control;
using namespace culvert::control::test;
using namespace std::chrono_literals;
namespace dns = culvert::dns;
using Outcome_ = ListUpdate::Outcome;

namespace {

std::string names(unsigned count, const std::string& domain = "example") {
  std::string text;
  for (unsigned i = 0; i < count; ++i) text += "n" + std::to_string(i) + "." + domain + "\n";
  return text;
}

std::string tagged(const std::string& text, const std::string& tag) {
  return "HTTP/1.1 200 OK\r\nETag: " + tag + "\r\nContent-Length: " + std::to_string(text.size()) +
         "\r\n\r\n" + text;
}

const std::string page =
    "<!DOCTYPE html>\n<html>\n<head><title>Welcome to the hotel</title></head>\n<body>\n"
    "<p>Please sign in first.</p>\n</body>\n</html>\n";

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

// A feed whose answer a test changes.
struct Feed {
  explicit Feed(ListsWorld& world, std::string first)
      : answer(std::move(first)),
        receiver(world.io, [this](const std::string&) { return answer; }) {}
  dns::ListSettings list(const std::string& name = "feed") const {
    return ListsWorld::of_url(name, receiver.url());
  }
  std::string answer;
  HttpReceiver receiver;
};

}  // namespace

TEST_CASE("a list that is a file is in force before the workers start") {
  ListsWorld world;
  world.start({world.of_file("ads", "ads.example\n<not a name>\n")});
  CHECK(world.server.given == 1);
  CHECK(world.blocked("ads.example"));
  CHECK(!world.blocked("good.example"));
  const ListStatus status = world.status();
  CHECK(status.in_force);
  CHECK(status.report.rules == 1);
  CHECK(status.report.lines == 2);
  CHECK(status.error == "");
  CHECK(world.lists->rules().rules == 1);
  CHECK(world.lists->rules().trouble == "");
}

TEST_CASE("a list that was never had is awaited until it came, and those that are there are not") {
  ListsWorld world;
  Feed feed(world, http_answer(200, names(10)));
  world.start({feed.list(), world.of_file("ads", "ads.example\n")});
  CHECK(world.blocked("ads.example"));
  CHECK(world.server.rules->lists() == std::vector<std::string>{"ads"});
  CHECK(world.lists->rules().awaited == std::vector<std::string>{"feed"});
  REQUIRE(world.run_until_blocked("n9.example"));
  CHECK(world.run([&] { return world.lists->rules().awaited.empty(); }));
}

TEST_CASE(
    "a list that cannot be had is awaited until that is known, and is known to the table then") {
  ListsWorld world;
  Feed feed(world, http_answer(404, "gone"));
  world.start({feed.list()});
  CHECK(world.server.given == 0);
  CHECK(world.lists->rules().awaited == std::vector<std::string>{"feed"});
  REQUIRE(world.run([&] { return world.server.given == 1; }));
  CHECK(world.run([&] { return world.lists->rules().awaited.empty(); }));
  CHECK(world.server.rules->lists() == std::vector<std::string>{"feed"});
  CHECK(world.count(EventKind::list_failed) == 1);
  // The next start knows that there is none, and what it is waiting for is nothing.
  world.start();
  CHECK(world.lists->rules().awaited.empty());
}

TEST_CASE("a list that comes with a reload is not awaited") {
  ListsWorld world;
  Feed feed(world, http_answer(200, names(10)));
  world.start({world.of_file("ads", "ads.example\n")});
  world.server.dns_settings_.lists.push_back(feed.list());
  world.lists->configure();
  CHECK(world.lists->rules().awaited.empty());
  CHECK(world.run_until_blocked("n9.example"));
}

TEST_CASE("without lists nothing is compiled and nothing given") {
  ListsWorld world;
  world.start({});
  CHECK(world.server.given == 0);
  CHECK(world.update({}).empty());
}

TEST_CASE("a start that finds nothing changed maps what is compiled, at once") {
  ListsWorld world;
  world.start({world.of_file("ads", names(50'000))});
  const auto compiled = identity_of(world.kept("rules.culvert"));
  REQUIRE(compiled.exists());
  const auto begin = std::chrono::steady_clock::now();
  world.start();
  const auto took = std::chrono::steady_clock::now() - begin;
  CHECK(world.server.given == 2);
  CHECK(world.blocked("n49999.example"));
  CHECK(identity_of(world.kept("rules.culvert")) == compiled);
  CHECK(took < 50ms);
}

TEST_CASE("a file that changed while the server was down is compiled before the workers start") {
  ListsWorld world;
  world.start({world.of_file("ads", "old.example\n")});
  world.of_file("ads", "new.example\nnewer.example\n");
  world.start();
  CHECK(world.blocked("new.example"));
  CHECK(!world.blocked("old.example"));
}

TEST_CASE("a damaged or missing table is compiled anew") {
  ListsWorld world;
  world.start({world.of_file("ads", "ads.example\n")});
  const std::string table = world.kept("rules.culvert");
  const bool missing = GENERATE(false, true);
  if (missing)
    std::filesystem::remove(table);
  else
    write_file(table, "nonsense");
  world.server.rules.reset();
  world.start();
  CHECK(world.blocked("ads.example"));
}

TEST_CASE("a table of another version of its format is compiled anew") {
  ListsWorld world;
  world.start({world.of_file("ads", "ads.example\n")});
  const std::string table = world.kept("rules.culvert");
  std::string octets = read_file(table);
  dns::RuleFileHeader header;
  std::memcpy(&header, octets.data(), sizeof(header));
  header.version = dns::rule_file_version - 1;
  std::memcpy(octets.data(), &header, sizeof(header));
  REQUIRE(dns::seal_rule_file(std::as_writable_bytes(std::span(octets))));
  write_file(table, octets);
  world.server.rules.reset();
  world.start();
  CHECK(world.blocked("ads.example"));
  octets = read_file(table);
  REQUIRE(octets.size() >= sizeof(header));
  std::memcpy(&header, octets.data(), sizeof(header));
  CHECK(header.version == dns::rule_file_version);
  CHECK(world.status().in_force);
}

TEST_CASE("a reload looks at files, whether the configuration changed or not") {
  ListsWorld world;
  world.start({world.of_file("ads", "old.example\n")});
  world.of_file("ads", "new.example\nnewer.example\n");
  world.lists->configure();
  CHECK(world.run_until_blocked("new.example"));
}

TEST_CASE("a file is looked at each minute, and at an update") {
  ListsWorld world;
  world.start({world.of_file("ads", "old.example\n")});
  world.of_file("ads", "new.example\nnewer.example\n");
  world.now += 61s;
  CHECK(world.run_until_blocked("new.example"));
  world.of_file("ads", "newest.example\n");
  CHECK(world.update_one("ads").outcome == Outcome_::updated);
  CHECK(world.blocked("newest.example"));
  CHECK(world.update_one("ads").outcome == Outcome_::unchanged);
}

TEST_CASE("a clock that is set back puts no look off") {
  ListsWorld world;
  world.start({world.of_file("ads", "old.example\n")});
  world.now += 24h * 365;
  REQUIRE(world.run([&] { return world.status().checked == world.now; }));
  world.now -= 24h * 365;
  world.of_file("ads", "new.example\nnewer.example\n");
  CHECK(world.run_until_blocked("new.example"));
}

TEST_CASE("a file that is gone leaves the last good copy in force") {
  ListsWorld world;
  world.start({world.of_file("ads", "ads.example\n")});
  std::filesystem::remove(world.scratch.file("ads.txt"));
  const ListUpdate update = world.update_one("ads");
  CHECK(update.outcome == Outcome_::failed);
  CHECK(has(update.error, "No such file"));
  CHECK(world.blocked("ads.example"));
  CHECK(world.count(EventKind::list_failed) == 1);
  world.start();
  CHECK(world.blocked("ads.example"));
  CHECK(world.count(EventKind::list_failed) == 1);
}

TEST_CASE("a pipe in the place of a list is refused and stalls nothing") {
  ListsWorld world;
  dns::ListSettings list = world.of_file("ads", "");
  std::filesystem::remove(list.path);
  REQUIRE(::mkfifo(list.path.c_str(), 0600) == 0);
  world.start({list});
  CHECK(has(world.status().error, "not a file"));
}

TEST_CASE("a feed is downloaded when the loop runs, and asked for conditionally when it is due") {
  ListsWorld world;
  Feed feed(world, tagged("ads.example\n", "\"v1\""));
  world.start({feed.list()});
  CHECK(world.server.given <= 1);
  REQUIRE(world.run_until_blocked("ads.example"));
  CHECK(world.count(EventKind::list_updated) == 1);
  feed.answer = "HTTP/1.1 304 Not Modified\r\n\r\n";
  const int given = world.server.given;
  world.now += 23h;
  world.run([n = 0]() mutable { return ++n > 20; });
  CHECK(feed.receiver.requests().size() == 1);
  world.now += 3h;
  REQUIRE(world.run([&] { return world.status().checked == world.now; }));
  CHECK(has(feed.receiver.requests().at(1), "If-None-Match: \"v1\""));
  CHECK(world.status().error == "");
  CHECK(world.server.given == given);
}

TEST_CASE("what a server sends again unchanged is not compiled again") {
  ListsWorld world;
  Feed feed(world, http_answer(200, gzip(names(10))));
  world.start({feed.list()});
  REQUIRE(world.run_until_blocked("n9.example"));
  const int given = world.server.given;
  feed.answer = http_answer(200, names(10));
  CHECK(world.update_one("feed").outcome == Outcome_::unchanged);
  CHECK(world.server.given == given);
}

TEST_CASE("after a restart a feed's copy is used, and it is not asked for before it is due") {
  ListsWorld world;
  Feed feed(world, tagged(names(10), "\"v1\""));
  world.start({feed.list()});
  REQUIRE(world.run_until_blocked("n9.example"));
  world.server.rules.reset();
  world.start();
  CHECK(world.blocked("n9.example"));
  world.run([n = 0]() mutable { return ++n > 20; });
  CHECK(feed.receiver.requests().size() == 1);
}

TEST_CASE("a feed that fails keeps its copy, is told of once and left alone for a while") {
  ListsWorld world;
  Feed feed(world, http_answer(200, names(10)));
  world.start({feed.list()});
  REQUIRE(world.run_until_blocked("n9.example"));
  feed.answer = http_answer(503);
  CHECK(world.update_one("feed").error == "HTTP status 503");
  CHECK(world.update_one("feed").outcome == Outcome_::failed);
  CHECK(world.count(EventKind::list_failed) == 1);
  CHECK(world.blocked("n9.example"));
  const auto next = world.status().next;
  REQUIRE(next);
  CHECK(*next >= world.now + 120s);
  CHECK(*next <= world.now + 180s);
  CHECK(world.status().failures == 2);
  feed.answer = http_answer(200, names(11));
  world.now = *next;
  CHECK(world.run_until_blocked("n10.example"));
  CHECK(world.status().error == "");
}

TEST_CASE("a page in the place of a list is refused, the first time and later") {
  ListsWorld world;
  Feed feed(world, http_answer(200, page));
  world.start({feed.list()});
  CHECK(has(world.update_one("feed").error, "this is no list"));
  CHECK(!world.status().in_force);
  feed.answer = http_answer(200, names(10));
  CHECK(world.update_one("feed").outcome == Outcome_::updated);
  feed.answer = http_answer(200, page);
  CHECK(has(world.update_one("feed").error, "this is no list"));
  CHECK(world.blocked("n9.example"));
}

TEST_CASE("a feed that lost more than half of its rules is refused unless forced") {
  ListsWorld world;
  Feed feed(world, http_answer(200, names(100)));
  world.start({feed.list()});
  REQUIRE(world.run_until_blocked("n99.example"));
  feed.answer = http_answer(200, names(49));
  CHECK(world.update_one("feed").error == "it shrank from 100 rules to 49: refused unless forced");
  CHECK(world.status().error == "it shrank from 100 rules to 49: refused unless forced");
  CHECK(world.count(EventKind::list_failed) == 1);
  CHECK(world.blocked("n99.example"));
  CHECK(world.update_one("feed", true).outcome == Outcome_::updated);
  CHECK(!world.blocked("n99.example"));
  CHECK(world.blocked("n48.example"));
  feed.answer = http_answer(200, "");
  CHECK(has(world.update_one("feed").error, "to 0"));
}

TEST_CASE("a list with force in its settings may shrink") {
  ListsWorld world;
  Feed feed(world, http_answer(200, names(100)));
  dns::ListSettings list = feed.list();
  list.force = true;
  world.start({list});
  REQUIRE(world.run_until_blocked("n99.example"));
  feed.answer = http_answer(200, names(1));
  CHECK(world.update_one("feed").outcome == Outcome_::updated);
}

TEST_CASE("a feed whose certificate is not trusted is a failure") {
  ListsWorld world;
  Feed feed(world, http_answer(200, names(10)));
  feed.receiver.secure("DNS:localhost", world.scratch.file("ca.pem"));
  dns::ListSettings list = ListsWorld::of_url("feed", feed.receiver.url("localhost"));
  world.start({list});
  CHECK(has(world.update_one("feed").error, "certificate"));
  list.ca_file = world.scratch.file("ca.pem");
  world.server.dns_settings_.lists = {list};
  world.lists->configure();
  CHECK(world.run_until_blocked("n9.example"));
}

TEST_CASE("a list larger than max_size is refused, whether it comes or lies there") {
  ListsWorld world;
  Feed feed(world, http_answer(200, gzip(names(1000))));
  dns::ListSettings fetched = feed.list(), file = world.of_file("file", names(1000));
  fetched.max_size = file.max_size = 1024;
  world.start({fetched, file});
  for (const ListUpdate& each : world.update({})) CHECK(has(each.error, "more than 1024 bytes"));
}

TEST_CASE("a damaged index loses no rule: copies stay in force until lists came again") {
  ListsWorld world;
  Feed feed(world, tagged(names(10), "\"v1\""));
  world.start({feed.list()});
  REQUIRE(world.run_until_blocked("n9.example"));
  const auto text = GENERATE(as<std::string>(), "", "{", "[]", "{\"version\":1,\"lists\":3}",
                             "{\"version\":1,\"lists\":{\"feed\":{\"from\":7}}}",
                             "{\"version\":1,\"compiled\":{\"made_of\":[1]}}", "\xff\xfe\x01");
  write_file(world.kept("index.json"), text);
  feed.answer = http_answer(500);
  world.server.rules.reset();
  world.start();
  CHECK(world.blocked("n9.example"));
  world.run([&] { return feed.receiver.requests().size() == 2; });
  REQUIRE(feed.receiver.requests().size() == 2);
  CHECK(!has(feed.receiver.requests()[1], "If-None-Match"));
}

TEST_CASE("where the state directory cannot be had lists work, and what is lost is said") {
  ListsWorld world;
  write_file(world.scratch.file("file"), "");
  const bool none = GENERATE(true, false);
  world.state_dir = none ? "" : world.scratch.file("file") + "/state";
  Feed feed(world, http_answer(200, names(10)));
  world.start({feed.list(), world.of_file("ads", "ads.example\n")});
  CHECK(world.blocked("ads.example"));
  CHECK(world.run_until_blocked("n9.example"));
  CHECK(has(world.lists->rules().trouble, "end with the server"));
}

TEST_CASE("a child killed in the middle of its work costs nothing that is in force") {
  ListsWorld world;
  world.start({world.of_file("ads", names(300'000))});
  REQUIRE(world.blocked("n1.example"));
  world.of_file("ads", names(300'000, "later.example"));
  std::optional<Outcome<std::vector<ListUpdate>>> result;
  const bool compiling = GENERATE(false, true);
  world.ask(world.lists->update({}, false), result);
  REQUIRE(world.run([&] {
    return world.lists->job() != 0 &&
           std::filesystem::exists(world.kept("rules.culvert.new")) == compiling;
  }));
  ::kill(world.lists->job(), SIGKILL);
  REQUIRE(world.run([&] { return result.has_value(); }));
  REQUIRE(*result);
  CHECK((**result)[0].outcome == Outcome_::failed);
  CHECK(has((**result)[0].error, "ended before it was done"));
  CHECK(world.blocked("n1.example"));
  CHECK(world.count(EventKind::list_failed) == 1);
  world.now += 61s;
  CHECK(world.run_until_blocked("n1.later.example"));
  CHECK(world.lists->rules().error == "");
}

TEST_CASE("lists come and go with the configuration, those that stay are left alone") {
  ListsWorld world;
  Feed feed(world, http_answer(200, names(10)));
  world.start({feed.list()});
  REQUIRE(world.run_until_blocked("n9.example"));
  world.server.dns_settings_.lists.push_back(world.of_file("ads", "ads.example\n"));
  world.lists->configure();
  CHECK(world.run_until_blocked("ads.example"));
  CHECK(feed.receiver.requests().size() == 1);
  world.server.dns_settings_.lists.erase(world.server.dns_settings_.lists.begin());
  world.lists->configure();
  CHECK(world.run([&] { return !world.blocked("n9.example"); }));
  CHECK(world.blocked("ads.example"));
  CHECK(world.server.rules->lists() == std::vector<std::string>{"ads"});
}

TEST_CASE("a list whose settings change while it is taken in is taken in with the new ones") {
  ListsWorld world;
  world.start({world.of_file("ads", "old.example\n")});
  auto list = world.of_file("ads", names(300'000));
  world.now += 61s;
  REQUIRE(world.run([&] { return world.lists->job() != 0; }));
  list.subdomains = true;
  world.server.dns_settings_.lists = {list};
  world.lists->configure();
  CHECK(world.run_until_blocked("a.n1.example"));
  CHECK(world.count(EventKind::list_failed) == 0);
}

TEST_CASE("another URL is another list: nothing is held against it") {
  ListsWorld world;
  Feed first(world, tagged(names(100), "\"v1\"")), second(world, tagged(names(3, "b"), "\"v1\""));
  world.start({first.list()});
  REQUIRE(world.run_until_blocked("n99.example"));
  world.server.dns_settings_.lists = {second.list()};
  world.lists->configure();
  CHECK(world.run_until_blocked("n2.b"));
  CHECK(!has(second.receiver.requests().at(0), "If-None-Match"));
}

TEST_CASE("two lists are downloaded at a time") {
  ListsWorld world;
  HttpReceiver silent(world.io, [](const std::string&) { return std::string(); });
  std::vector<dns::ListSettings> lists;
  for (const char* name : {"a", "b", "c"}) lists.push_back(ListsWorld::of_url(name, silent.url()));
  world.start(lists);
  REQUIRE(world.run([&] { return silent.requests().size() == 2; }));
  world.run([n = 0]() mutable { return ++n > 20; });
  CHECK(silent.requests().size() == 2);
  CHECK(std::ranges::count(world.lists->lists(), true, &ListStatus::updating) == 2);
}

TEST_CASE("the lines behind a name are found in the copies") {
  ListsWorld world;
  world.start({world.of_file("ads", "# first\nother.example\nads.example\n"),
               world.of_file("more", "ads.example\n")});
  std::optional<Outcome<std::vector<ListKeeper::Found>>> found;
  world.asked(world.lists->find_lines({"ads", "more", "unknown"}, *dns::Name::parse("ads.example")),
              found);
  REQUIRE(found);
  REQUIRE(*found);
  REQUIRE((**found).size() == 2);
  REQUIRE((**found)[0].lines.size() == 1);
  CHECK((**found)[0].list == "ads");
  CHECK((**found)[0].lines[0].line == 3);
  CHECK((**found)[0].lines[0].text == "ads.example");
  CHECK((**found)[1].lines.at(0).line == 1);
}

TEST_CASE("an unknown list cannot be updated") {
  ListsWorld world;
  world.start({world.of_file("ads", "ads.example\n")});
  std::optional<Outcome<std::vector<ListUpdate>>> result;
  world.asked(world.lists->update({"adds"}, false), result);
  REQUIRE(result);
  REQUIRE(!*result);
  CHECK(result->problem().status == 404);
}

TEST_CASE("copies of lists that are not configured any more are removed at a start") {
  ListsWorld world;
  world.start({world.of_file("ads", "ads.example\n"), world.of_file("more", "b.example\n")});
  REQUIRE(std::filesystem::exists(world.kept("more.list")));
  write_file(world.kept("ads.list.new"), "half");
  world.server.dns_settings_.lists.pop_back();
  world.start();
  CHECK(!std::filesystem::exists(world.kept("more.list")));
  CHECK(!std::filesystem::exists(world.kept("ads.list.new")));
  CHECK(std::filesystem::exists(world.kept("ads.list")));
}

TEST_CASE("a list's name cannot lead out of the folder") {
  ListsWorld world;
  for (const std::string& name :
       std::vector<std::string>{"../../evil", "a/b", "..", std::string(300, 'x')}) {
    dns::ListSettings list = world.of_file("ads", "ads.example\n");
    list.name = name;
    world.start({list});
    CHECK(world.status().error == "");
    CHECK(world.status().in_force);
  }
  CHECK(!std::filesystem::exists(world.scratch.file("evil.list")));
}
