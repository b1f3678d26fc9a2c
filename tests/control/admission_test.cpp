#include "control/admission.hpp"

#include <boost/asio/io_context.hpp>

#include "control/admission_hook.hpp"
#include "tests/support/catch.hpp"

using namespace culvert;
using namespace culvert::control;
using namespace std::chrono_literals;
using Answer = AdmissionVerdict::Answer;

namespace {

struct World {
  struct Question {
    AdmissionRequest who;
    Admission::Done done;
  };

  explicit World(bool fail_open) { settings.fail_open = fail_open; }
  Admission make() {
    return Admission(settings, {[this](const AdmissionRequest& who, Admission::Done done) {
                                  questions.push_back({who, std::move(done)});
                                },
                                [this](std::uint32_t slot, bool admitted) {
                                  state[slot] = admitted;
                                  ++changes;
                                },
                                [this] { return now; }, [this] { ++wakes; }});
  }
  std::string answer(Answer what, std::optional<std::chrono::seconds> ttl = {}) {
    REQUIRE_FALSE(questions.empty());
    Question first = std::move(questions.front());
    questions.pop_front();
    first.done({what, ttl, "why\nnot"});
    return first.who.peer;
  }

  AdmissionSettings settings;
  base::Time now{1h};
  std::deque<Question> questions;
  std::map<std::uint32_t, bool> state;
  int changes = 0, wakes = 0;
};

AdmissionRequest who(std::string name) {
  return {std::move(name), {}, "", "family"};
}

void move_to(World& world, Admission& admission, base::Duration by) {
  world.now += by;
  admission.tick(world.now);
}

}  // namespace

TEST_CASE("a peer is asked about when it connects, and stopped until then only if fail-closed") {
  const bool fail_open = GENERATE(false, true);
  World world(fail_open);
  Admission admission = world.make();
  admission.peer_added(3, who("a"));
  CHECK(world.state.at(3) == fail_open);
  CHECK(world.questions.empty());
  admission.peer_connected(3, "192.0.2.1:5");
  REQUIRE(world.questions.size() == 1);
  CHECK(world.questions[0].who.endpoint == "192.0.2.1:5");
  CHECK(world.questions[0].who.group == "family");
  CHECK(world.state.at(3) == fail_open);
  world.answer(Answer::admit);
  CHECK(world.state.at(3));
  CHECK(world.wakes == 1);
  CHECK(admission.status().admitted == 1);
}

TEST_CASE("a verdict holds for its time and is used again when the peer comes back") {
  World world(false);
  Admission admission = world.make();
  admission.peer_added(0, who("a"));
  admission.peer_connected(0, "");
  world.answer(Answer::admit);
  admission.peer_disconnected(0);
  move_to(world, admission, 59s);
  admission.peer_connected(0, "");
  CHECK(world.questions.empty());
  CHECK(world.state.at(0));
}

TEST_CASE(
    "a connected peer is asked about again when the verdict expires; a revocation stops it then") {
  World world(true);
  Admission admission = world.make();
  admission.peer_added(0, who("a"));
  admission.peer_connected(0, "");
  world.answer(Answer::admit, 10s);
  CHECK(admission.next_deadline() == world.now + 10s);
  move_to(world, admission, 10s - 1ns);
  CHECK(world.questions.empty());
  move_to(world, admission, 1ns);
  REQUIRE(world.questions.size() == 1);
  CHECK(world.state.at(0));  // what held goes on until the answer
  world.answer(Answer::refuse);
  CHECK_FALSE(world.state.at(0));
  move_to(world, admission, 60s);
  world.answer(Answer::admit);
  CHECK(world.state.at(0));
}

TEST_CASE("a fail-closed peer whose verdict expired while it was away waits for the next one") {
  World world(false);
  Admission admission = world.make();
  admission.peer_added(0, who("a"));
  admission.peer_connected(0, "");
  world.answer(Answer::admit);
  admission.peer_disconnected(0);
  move_to(world, admission, 60s);
  CHECK(world.questions.empty());
  CHECK_FALSE(world.state.at(0));
  admission.peer_connected(0, "");
  CHECK_FALSE(world.state.at(0));
  world.answer(Answer::admit);
  CHECK(world.state.at(0));
}

TEST_CASE("without a verdict the setting decides, and it is asked again after 5 s, 10 s ... 60 s") {
  const bool fail_open = GENERATE(false, true);
  World world(fail_open);
  Admission admission = world.make();
  admission.peer_added(0, who("a"));
  admission.peer_connected(0, "");
  world.answer(Answer::refuse);
  move_to(world, admission, 60s);
  for (const base::Duration wait : {5s, 10s, 20s, 40s, 60s, 60s}) {
    world.answer(Answer::none);
    CHECK(world.state.at(0) == fail_open);
    CHECK(admission.next_deadline() == world.now + wait);
    CHECK(admission.status().last_error == "why not");
    move_to(world, admission, wait);
  }
  world.answer(Answer::admit);
  CHECK(admission.status().last_error.empty());
  CHECK(admission.status().failed == 6);
  CHECK(admission.next_deadline() == world.now + 60s);
}

TEST_CASE("eight questions are open at once and the others wait in order") {
  World world(false);
  Admission admission = world.make();
  for (std::uint32_t i = 0; i < 20; ++i) {
    admission.peer_added(i, who(std::to_string(i)));
    admission.peer_connected(i, "");
  }
  CHECK(world.questions.size() == Admission::max_under_way);
  CHECK(admission.status().waiting == 12);
  for (int i = 0; i < 20; ++i) {
    CHECK(world.questions.size() <= Admission::max_under_way);
    CHECK(world.answer(Answer::admit) == std::to_string(i));
  }
  CHECK(admission.status().under_way == 0);
  CHECK(admission.status().admitted == 20);
}

TEST_CASE(
    "a peer that left while it waited is not asked about, and a fail-closed one stays stopped") {
  World world(false);
  Admission admission = world.make();
  for (std::uint32_t i = 0; i < 9; ++i) {
    admission.peer_added(i, who(std::to_string(i)));
    admission.peer_connected(i, "");
  }
  admission.peer_disconnected(8);
  world.answer(Answer::admit);
  CHECK(world.questions.size() == 7);
  CHECK_FALSE(world.state.at(8));
  admission.peer_connected(8, "");
  CHECK(world.questions.size() == 8);
}

TEST_CASE("an answer on a peer that was removed is not applied to its successor in the slot") {
  World world(false);
  Admission admission = world.make();
  admission.peer_added(0, who("old"));
  admission.peer_connected(0, "");
  admission.peer_removed(0);
  admission.peer_added(0, who("new"));
  admission.peer_connected(0, "");
  CHECK(world.answer(Answer::admit) == "old");
  CHECK_FALSE(world.state.at(0));
  CHECK(world.answer(Answer::admit) == "new");
  CHECK(world.state.at(0));
  admission.peer_removed(0);
  CHECK(admission.next_deadline() == base::never);
}

TEST_CASE("an answer after the end is nobody's") {
  World world(false);
  {
    Admission admission = world.make();
    admission.peer_added(0, who("a"));
    admission.peer_connected(0, "");
  }
  world.answer(Answer::admit);
  CHECK_FALSE(world.state.at(0));
}

namespace {

AdmissionVerdict http_verdict(int status, std::string body, std::string error = {}) {
  AdmissionSettings settings;
  settings.kind = AdmissionSettings::Kind::http;
  settings.url = "http://h/";
  settings.secret = "s";
  HookWorld world;
  world.wall = [] { return base::WallTime(5s); };
  world.post = [&](HttpRequest request, HookWorld::Done done) {
    CHECK(request.body == R"({"endpoint":"","group":"family","peer":"a","public_key":")" +
                              wg::PublicKey{}.to_string() + R"("})");
    CHECK(request.headers.size() == 3);
    done({status, body, error});
  };
  boost::asio::io_context io;
  AdmissionVerdict verdict;
  const auto ask =
      make_admission_hook(io.get_executor(), std::make_shared<AdmissionSettings>(settings), world);
  ask(who("a"), [&](AdmissionVerdict got) { verdict = std::move(got); });
  return verdict;
}

AdmissionVerdict command_verdict(std::vector<std::string> command) {
  AdmissionSettings settings;
  settings.kind = AdmissionSettings::Kind::command;
  settings.command = std::move(command);
  settings.timeout = 1s;
  boost::asio::io_context io;
  AdmissionVerdict verdict;
  verdict.reason = "not asked";
  const auto ask =
      make_admission_hook(io.get_executor(), std::make_shared<AdmissionSettings>(settings), {});
  AdmissionRequest request = who("a");
  request.endpoint = "192.0.2.1:5";
  bool called = false;
  ask(request, [&](AdmissionVerdict got) { verdict = std::move(got), called = true; });
  CHECK_FALSE(called);
  io.run();
  return verdict;
}

}  // namespace

TEST_CASE("an HTTP status is a verdict, and the body may say more") {
  CHECK(http_verdict(200, "").answer == Answer::admit);
  CHECK(http_verdict(204, "").answer == Answer::admit);
  CHECK(http_verdict(403, "").answer == Answer::refuse);
  for (const int status : {201, 301, 401, 404, 500})
    CHECK(http_verdict(status, "").answer == Answer::none);
  CHECK(http_verdict(0, "", "timed out").reason == "timed out");
  CHECK(http_verdict(200, "OK").answer == Answer::admit);
  const AdmissionVerdict full = http_verdict(200, R"({"admit":false,"ttl":5,"reason":"unpaid"})");
  CHECK(full.answer == Answer::refuse);
  CHECK(full.ttl == 5s);
  CHECK(full.reason == "unpaid");
  CHECK(http_verdict(403, R"({"admit":true})").answer == Answer::refuse);
  for (const char* body : {"{", R"({"ttl":"5"})", R"({"ttl":-1})", R"({"ttl":1.5})",
                           R"({"admit":1})", R"({"reason":7})", R"({} x)"})
    CHECK(http_verdict(200, body).answer == Answer::none);
}

TEST_CASE("an exit code is a verdict, and the output may say more") {
  CHECK(command_verdict({"/bin/true"}).answer == Answer::admit);
  CHECK(command_verdict({"/bin/false"}).answer == Answer::refuse);
  CHECK(command_verdict({"sh", "-c", "exit 2"}).reason == "exit code 2");
  CHECK(command_verdict({"/nonexistent/hook"}).answer == Answer::none);
  const AdmissionVerdict full =
      command_verdict({"sh", "-c",
                       "echo \"{\\\"ttl\\\":7,\\\"reason\\\":\\\"$CULVERT_PEER $CULVERT_ENDPOINT "
                       "$CULVERT_GROUP\\\"}\"; exit 1"});
  CHECK(full.answer == Answer::refuse);
  CHECK(full.ttl == 7s);
  CHECK(full.reason == "a 192.0.2.1:5 family");
}
