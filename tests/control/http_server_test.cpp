// Requests and answers on a connection (RFC 9112), and what is no request.
#include "tests/control/support/http_world.hpp"

using namespace culvert::control;
using namespace std::chrono_literals;
using World = HttpWorld;
using Raw = RawClient;

TEST_CASE("a request is answered and the connection goes on") {
  World world;
  Raw& client = world.connect();
  for (std::size_t i = 1; i <= 3; ++i) {
    client.send(get("/healthz"));
    REQUIRE(world.answered(client, i));
  }
  CHECK(client.got.find("Content-Length: 15\r\n") != std::string::npos);
  CHECK(client.got.find("Connection: keep-alive\r\n") != std::string::npos);
  CHECK_FALSE(client.ended);
}

TEST_CASE("requests sent together are answered in order") {
  World world;
  Raw& client = world.connect();
  client.send(get("/healthz") + get("/v1/nothing") + get("/metrics"));
  REQUIRE(world.answered(client, 3));
  const auto alive = client.got.find("alive"), nothing = client.got.find("404"),
             metrics = client.got.find("# HELP");
  CHECK(alive < nothing);
  CHECK(nothing < metrics);
  CHECK(metrics != std::string::npos);
}

TEST_CASE("HEAD has the length and no body") {
  World world;
  const std::string got = world.answer_to("HEAD /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
  CHECK(is(got, 200));
  CHECK(got.find("Content-Length: 15\r\n") != std::string::npos);
  CHECK(got.ends_with("\r\n\r\n"));
}

TEST_CASE("who expects 100-continue is told to go on, or what is wrong before the body") {
  World world;
  Raw& client = world.connect();
  client.send(
      "POST /v1/peers HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
      "Content-Length: 2\r\nExpect: 100-continue\r\n\r\n");
  REQUIRE(world.until([&] { return client.got == "HTTP/1.1 100 Continue\r\n\r\n"; }));
  client.send("{}");
  REQUIRE(world.answered(client, 2));
  CHECK(client.got.find("HTTP/1.1 422") != std::string::npos);
  CHECK(is(world.answer_to("POST /v1/peers HTTP/1.1\r\nHost: x\r\nContent-Type: text/html\r\n"
                           "Content-Length: 2\r\nExpect: 100-continue\r\n\r\n"),
           415));
  CHECK(is(world.answer_to("POST /v1/peers HTTP/1.1\r\nHost: x\r\nExpect: cake\r\n\r\n"), 417));
}

TEST_CASE("a body may come in chunks") {
  World world;
  const std::string got = world.answer_to(
      "POST /v1/peers HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
      "Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n1\r\n}\r\n0\r\n\r\n");
  CHECK(is(got, 422));
}

TEST_CASE("what is no request is refused as what it is") {
  World world;
  const std::string host = "Host: x\r\n";
  CHECK(is(world.answer_to("nonsense\r\n\r\n"), 400));
  CHECK(is(world.answer_to("GET / HTTP/2.0\r\n" + host + "\r\n"), 505));
  CHECK(is(world.answer_to("GET / HTTP/1.1\r\n\r\n"), 400));
  CHECK(is(world.answer_to("GET / HTTP/1.1\r\n" + host + host + "\r\n"), 400));
  CHECK(is(world.answer_to("GET healthz HTTP/1.1\r\n" + host + "\r\n"), 400));
  CHECK(is(world.answer_to("GET http://x/healthz HTTP/1.1\r\n" + host + "\r\n"), 200));
  CHECK(is(world.answer_to("POST /v1/peers HTTP/1.1\r\n" + host +
                           "Content-Length: 1\r\nContent-Length: 2\r\n\r\n{}"),
           400));
  CHECK(is(world.answer_to("POST /v1/peers HTTP/1.1\r\n" + host +
                           "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}"),
           400));
  CHECK(is(world.answer_to("POST /v1/peers HTTP/1.1\r\n" + host +
                           "Transfer-Encoding: gzip, chunked\r\n\r\n"),
           501));
  CHECK(is(world.answer_to(std::string("GET /\0 HTTP/1.1\r\n", 17) + host + "\r\n"), 400));
}
