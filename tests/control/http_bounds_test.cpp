// What a client may cost: sizes, times, connections, listeners to events.
#include "tests/control/support/http_world.hpp"

using namespace culvert::control;
using namespace std::chrono_literals;
using World = HttpWorld;
using Raw = RawClient;

TEST_CASE("sizes are bounded, each with its status") {
  World world;
  const std::string head = "GET /healthz HTTP/1.1\r\nHost: x\r\n";
  CHECK(is(world.answer_to(head + "X: " + std::string(15'000, 'x') + "\r\n\r\n"), 200));
  CHECK(is(world.answer_to(head + "X: " + std::string(17'000, 'x') + "\r\n\r\n"), 431));
  CHECK(is(world.answer_to(get("/" + std::string(9'000, 'x'))), 414));
  CHECK(is(world.answer_to("GET /" + std::string(20'000, 'x')), 414));
  const std::string post =
      "POST /v1/peers HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n";
  CHECK(is(world.answer_to(post + "Content-Length: 1048577\r\n\r\n"), 413));
  CHECK(is(world.answer_to(post + "Content-Length: 99999999999999999999\r\n\r\n"), 400));
  Raw& client = world.connect();
  client.send(post + "Transfer-Encoding: chunked\r\n\r\n");
  const std::string chunk = "8000\r\n" + std::string(0x8000, ' ') + "\r\n";
  for (int i = 0; i < 40 && client.got.empty(); ++i) {
    client.send(chunk);
    world.until([] { return false; }, 3ms);
  }
  REQUIRE(world.answered(client));
  CHECK(is(client.got, 413));
}

TEST_CASE("a request that does not end is refused, a connection that says nothing is closed") {
  World world(short_times());
  Raw &slow = world.connect(), &body = world.connect(), &silent = world.connect();
  slow.send("GET /healthz HT");
  body.send(
      "POST /v1/peers HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
      "Content-Length: 100\r\n\r\n{");
  CHECK(world.answered(slow));
  CHECK(is(slow.got, 408));
  CHECK(world.answered(body));
  CHECK(is(body.got, 408));
  CHECK(world.ended(silent));
  CHECK(silent.got.empty());
  CHECK(world.ended(slow));
  CHECK(world.until([&] { return world.server_.connections() == 0; }));
}

TEST_CASE("a request that comes byte by byte must still end in time") {
  World world(short_times());
  Raw& client = world.connect();
  const std::string text = get("/healthz");
  const auto start = std::chrono::steady_clock::now();
  for (std::size_t i = 0; i < text.size() && client.got.empty(); ++i) {
    client.send(text.substr(i, 1));
    world.until([] { return false; }, 10ms);
  }
  CHECK(is(client.got, 408));
  CHECK(std::chrono::steady_clock::now() - start < 1s);
}

TEST_CASE("a client that does not take its answer is cut off") {
  World world(short_times());
  for (unsigned char i = 1; i < 250; ++i)
    world.server.put("peer " + std::to_string(i), i, Source::file);
  Raw& client = world.connect(Door::local, 4096);
  client.send(get("/v1/peers"));
  const auto end = std::chrono::steady_clock::now() + 5s;
  while (world.server_.connections() > 0 && std::chrono::steady_clock::now() < end) {
    world.io.run_for(5ms);
    world.io.restart();
  }
  CHECK(world.server_.connections() == 0);
  CHECK(world.ended(client));
}

TEST_CASE("100 idle connections do not keep a new request out") {
  World world;
  Raw& first = world.connect();
  for (int i = 0; i < 99; ++i) world.connect();
  CHECK(world.ended(first));
  CHECK(world.server_.connections() == 64);
  CHECK(is(world.answer_to(get("/healthz")), 200));
  CHECK(world.server_.connections() == 64);
}

TEST_CASE("100 requests that do not end do not keep a new one out") {
  World world;
  for (int i = 0; i < 100; ++i) world.connect().send("GET /");
  CHECK(world.until([&] { return world.server_.connections() == 64; }));
  CHECK(is(world.answer_to(get("/healthz")), 200));
}

TEST_CASE("each door has its own room") {
  World world;
  for (int i = 0; i < 100; ++i) world.connect(Door::tcp);
  Raw& client = world.connect(Door::local);
  CHECK(world.server_.connections() == 65);
  client.send(get("/v1/status"));
  CHECK(world.answered(client));
  CHECK(is(client.got, 200));
  Raw& remote = world.connect(Door::tcp);
  remote.send(get("/v1/status"));
  CHECK(world.answered(remote));
  CHECK(is(remote.got, 401));
}

TEST_CASE("a failure inside is a problem of its own and not the end") {
  World world;
  world.server.put("laptop", 1, Source::database);
  world.server.fails = true;
  Raw& client = world.connect();
  client.send("DELETE /v1/peers/laptop HTTP/1.1\r\nHost: x\r\n\r\n" + get("/healthz"));
  CHECK(world.answered(client, 2));
  CHECK(is(client.got, 500));
  CHECK(client.got.find("the test said so") == std::string::npos);
}

TEST_CASE("a client that goes away in the middle leaves nothing behind") {
  World world;
  world.server.put("laptop", 1, Source::database);
  for (const std::string& text :
       {std::string("DELETE /v1/peers/laptop HTTP/1.1\r\nHost: x\r\n\r\n"), get("/v1/events"),
        std::string("GET / HTTP"), std::string()}) {
    Raw& client = world.connect();
    client.send(text);
    client.close();
  }
  CHECK(world.until([&] { return world.server_.connections() == 0; }));
  CHECK(world.server.peers().empty());
}

TEST_CASE("events go on with a comment where nothing happens, until the client goes") {
  World world(short_times());
  Raw& client = world.connect();
  client.send(get("/v1/events"));
  REQUIRE(world.until([&] { return client.got.find("retry: ") != std::string::npos; }));
  CHECK(client.got.find("Content-Type: text/event-stream\r\n") != std::string::npos);
  CHECK(client.got.find("Content-Length") == std::string::npos);
  REQUIRE(world.until([&] { return client.got.find(": heartbeat\n\n") != std::string::npos; }));
  world.events.publish(EventKind::connect, "laptop", "");
  REQUIRE(world.until([&] { return client.got.find("id: 1\n") != std::string::npos; }));
  world.until([] { return false; },
              200ms);  // longer than a request may take or an idle client stay
  CHECK_FALSE(client.ended);
  client.close();
  CHECK(world.until([&] { return world.server_.connections() == 0; }));
}

TEST_CASE("listeners have a bound, and leave room for requests") {
  World world;
  const HttpBounds bounds;
  for (std::size_t i = 0; i < bounds.streams; ++i) {
    Raw& client = world.connect();
    client.send(get("/v1/events"));
    REQUIRE(world.until([&] { return client.got.find("retry") != std::string::npos; }));
  }
  CHECK(is(world.answer_to(get("/v1/events")), 503));
  for (int i = 0; i < 100; ++i) world.connect();
  CHECK(is(world.answer_to(get("/healthz")), 200));
}

TEST_CASE("a listener that does not read is dropped, another goes on") {
  World world(short_times());
  Raw &slow = world.connect(Door::local, 4096), &good = world.connect();
  for (Raw* each : {&slow, &good}) {
    each->send(get("/v1/events"));
    REQUIRE(world.until([&] { return each->got.find("retry") != std::string::npos; }));
  }
  const std::string detail(1000, 'x');
  const auto end = std::chrono::steady_clock::now() + 5s;
  std::uint64_t told = 0;
  while (world.server_.connections() > 1 && std::chrono::steady_clock::now() < end) {
    world.events.publish(EventKind::connect, "laptop", detail);
    ++told;
    world.io.run_for(1ms);
    world.io.restart();
    good.listen();
  }
  CHECK(world.server_.connections() == 1);
  CHECK(world.until(
      [&] { return good.got.find("id: " + std::to_string(told) + "\n") != std::string::npos; }));
}
