#include "control/webhooks.hpp"

#include <nlohmann/json.hpp>

#include "control/hook_signature.hpp"
#include "tests/support/catch.hpp"

using namespace culvert;
using namespace culvert::control;
using namespace std::chrono_literals;

namespace {

struct Zeros final : base::Random {
  void fill(base::MutableBytes out) noexcept override {
    for (std::byte& each : out) each = std::byte(value);
    ++value;
  }
  unsigned value = 0;
};

// The world: a clock that stands until it is moved, and posts that wait for their answers.
struct World {
  struct Post {
    HttpRequest request;
    HookWorld::Done done;
  };

  HookWorld hooks() {
    HookWorld world;
    world.post = [this](HttpRequest request, HookWorld::Done done) {
      posts.push_back({std::move(request), std::move(done)});
    };
    world.now = [this] { return now; };
    world.wall = [this] { return base::WallTime(1'700'000'000s + now.time_since_epoch()); };
    world.random = &random;
    world.wake = [this] { ++wakes; };
    return world;
  }
  HttpRequest answer(int status, std::string error = {}) {
    REQUIRE_FALSE(posts.empty());
    Post first = std::move(posts.front());
    posts.pop_front();
    first.done({status, "", std::move(error)});
    return std::move(first.request);
  }

  base::Time now{};
  Zeros random;
  EventBus bus;
  std::deque<Post> posts;
  int wakes = 0;
};

WebhookSettings hook(std::string url, std::string secret = {}, std::vector<EventKind> kinds = {}) {
  return {std::move(url), std::move(secret), std::move(kinds), {}};
}

std::string header(const HttpRequest& request, const std::string& name) {
  for (const auto& [each, value] : request.headers)
    if (each == name) return value;
  return "none";
}

std::string peer_of(const HttpRequest& request) {
  return nlohmann::json::parse(request.body)["peer"];
}

}  // namespace

TEST_CASE("an event is posted at once, named and signed") {
  World world;
  Webhooks hooks({hook("https://h/x", "secret")}, world.bus, world.hooks());
  world.bus.publish(EventKind::connect, "laptop", "");
  const HttpRequest request = world.answer(204);
  CHECK(request.url == "https://h/x");
  CHECK(peer_of(request) == "laptop");
  CHECK(header(request, "Culvert-Event") == "connect");
  CHECK(header(request, "Culvert-Delivery").size() == 32);
  CHECK(header(request, "Culvert-Timestamp") == "1700000000");
  CHECK(header(request, "Culvert-Signature") ==
        hook_signature("secret", "1700000000", request.body));
  CHECK(hooks.status()[0].delivered == 1);
  CHECK(hooks.status()[0].waiting == 0);
  CHECK(hooks.next_deadline() == base::never);
}

TEST_CASE("a hook without secret is not signed, and hears only the kinds it wants") {
  World world;
  const Webhooks hooks({hook("http://h/", "", {EventKind::quota})}, world.bus, world.hooks());
  world.bus.publish(EventKind::connect, "a", "");
  CHECK(world.posts.empty());
  world.bus.publish(EventKind::quota, "b", "");
  CHECK(header(world.answer(200), "Culvert-Signature") == "none");
}

TEST_CASE("events go in order, one at a time, and hooks do not wait for each other") {
  World world;
  const Webhooks hooks({hook("http://one/"), hook("http://two/")}, world.bus, world.hooks());
  for (const char* peer : {"a", "b", "c"}) world.bus.publish(EventKind::connect, peer, "");
  REQUIRE(world.posts.size() == 2);
  std::vector<std::string> one;
  world.posts.pop_back();  // the second hook's never ends
  for (int i = 0; i < 3; ++i) one.push_back(peer_of(world.answer(200)));
  CHECK(one == std::vector<std::string>{"a", "b", "c"});
  CHECK(world.posts.empty());
  CHECK(hooks.status()[1].waiting == 3);
}

TEST_CASE("a failure is tried again later with the same id and a new timestamp") {
  World world;
  Webhooks hooks({hook("http://h/?token=t", "s")}, world.bus, world.hooks());
  world.bus.publish(EventKind::connect, "a", "");
  const HttpRequest first = world.answer(500);
  CHECK(world.posts.empty());
  CHECK(hooks.status()[0].last_error == "HTTP status 500");
  CHECK(hooks.status()[0].url == "http://h/");
  CHECK(world.wakes == 1);
  world.now = hooks.next_deadline() - 1ns;
  hooks.tick(world.now);
  CHECK(world.posts.empty());
  world.now += 1ns;
  hooks.tick(world.now);
  const HttpRequest second = world.answer(200);
  CHECK(header(second, "Culvert-Delivery") == header(first, "Culvert-Delivery"));
  CHECK(header(second, "Culvert-Timestamp") != header(first, "Culvert-Timestamp"));
  CHECK(second.body == first.body);
  CHECK(hooks.status()[0].last_error.empty());
  CHECK(hooks.status()[0].delivered == 1);
}

TEST_CASE("ten retries, each later than the one before, up to five minutes; then the next event") {
  World world;
  Webhooks hooks({hook("http://h/")}, world.bus, world.hooks());
  world.bus.publish(EventKind::connect, "a", "");
  world.bus.publish(EventKind::connect, "b", "");
  base::Duration least = 1s;
  for (int retry = 1; retry <= 10; ++retry) {
    CHECK(peer_of(world.answer(0, "connect:\nrefused")) == "a");
    const base::Duration wait = hooks.next_deadline() - world.now;
    CHECK(wait >= least);
    CHECK(wait <= std::min<base::Duration>(least * 3 / 2, 300s));
    least = std::min<base::Duration>(least * 2, 300s);
    world.now = hooks.next_deadline();
    hooks.tick(world.now);
  }
  CHECK(hooks.status()[0].last_error == "connect: refused");
  CHECK(peer_of(world.answer(404)) == "a");
  CHECK(hooks.status()[0].failed == 1);
  REQUIRE(world.posts.size() == 1);
  CHECK(peer_of(world.answer(200)) == "b");
}

TEST_CASE("where a thousand events wait the oldest goes, but not the one under way") {
  World world;
  Webhooks hooks({hook("http://h/")}, world.bus, world.hooks());
  for (int i = 0; i < 1002; ++i) world.bus.publish(EventKind::connect, std::to_string(i), "");
  CHECK(hooks.status()[0].waiting == 1000);
  CHECK(hooks.status()[0].dropped == 2);
  CHECK(peer_of(world.answer(200)) == "0");
  CHECK(peer_of(world.answer(200)) == "3");
}

TEST_CASE("an answer after the end of the hooks is nobody's") {
  World world;
  auto hooks = std::make_unique<Webhooks>(std::vector{hook("http://h/")}, world.bus, world.hooks());
  world.bus.publish(EventKind::connect, "a", "");
  hooks.reset();
  world.answer(200);
  world.bus.publish(EventKind::connect, "b", "");
  CHECK(world.posts.empty());
  CHECK(world.wakes == 0);
}
