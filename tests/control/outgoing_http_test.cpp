#include "control/outgoing_http.hpp"

#include <signal.h>
#include <stdlib.h>

#include <boost/asio/co_spawn.hpp>
#include <filesystem>
#include <optional>

#include "control/http_process.hpp"
#include "tests/control/http_receiver.hpp"
#include "tests/support/catch.hpp"

using namespace culvert::control;
using namespace std::chrono_literals;
namespace asio = boost::asio;

namespace {

struct Folder {
  Folder() {
    char name[] = "/tmp/culvert-http-XXXXXX";
    REQUIRE(::mkdtemp(name));
    path = name;
  }
  ~Folder() { std::filesystem::remove_all(path); }
  std::filesystem::path path;
};

HttpRequest request_to(std::string url, std::string body = "{}") {
  HttpRequest request;
  request.url = std::move(url);
  request.body = std::move(body);
  request.timeout = 5s;
  return request;
}

asio::awaitable<void> store(OutgoingHttp& http, HttpRequest request,
                            std::optional<HttpReply>* into) {
  *into = co_await http.post(request);
}

template <class Condition>
void run_until(asio::io_context& io, Condition condition) {
  const auto end = std::chrono::steady_clock::now() + 20s;
  while (!condition() && std::chrono::steady_clock::now() < end) {
    io.restart();
    io.run_one_for(10ms);
  }
}

struct World {
  HttpReply post(HttpRequest request) {
    std::optional<HttpReply> reply;
    asio::co_spawn(io, store(http, std::move(request), &reply), [](std::exception_ptr error) {
      if (error) std::rethrow_exception(error);
    });
    run_until(io, [&] { return reply.has_value(); });
    return reply.value_or(HttpReply{});
  }
  asio::io_context io{1};
  OutgoingHttp http{io.get_executor()};
};

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("a post arrives with its headers and body, and the answer comes back") {
  World world;
  HttpReceiver receiver(world.io, [](const std::string&) { return http_answer(403, "no"); });
  HttpRequest request = request_to(receiver.url(), R"({"id":1})");
  request.headers = {{"Culvert-Event", "connect"}};
  const HttpReply reply = world.post(request);
  CHECK(reply.error == "");
  CHECK(reply.status == 403);
  CHECK(reply.body == "no");
  REQUIRE(receiver.requests().size() == 1);
  const std::string& got = receiver.requests()[0];
  CHECK(got.starts_with("POST /hook HTTP/1.1\r\nHost: 127.0.0.1:"));
  CHECK(has(got, "\r\nContent-Type: application/json\r\n"));
  CHECK(has(got, "\r\nCulvert-Event: connect\r\n"));
  CHECK(got.ends_with("\r\n\r\n{\"id\":1}"));
}

TEST_CASE("a host name is looked up") {
  World world;
  HttpReceiver receiver(world.io, [](const std::string&) { return http_answer(204); });
  CHECK(world.post(request_to(receiver.url("localhost"))).status == 204);
  CHECK(has(world.post(request_to("http://no-such-host.invalid/")).error, "look up no-such-host"));
}

TEST_CASE("a redirect is an answer and not followed") {
  World world;
  HttpReceiver receiver(world.io, [](const std::string&) {
    return std::string("HTTP/1.1 302 Found\r\nLocation: /other\r\nContent-Length: 0\r\n\r\n");
  });
  CHECK(world.post(request_to(receiver.url())).status == 302);
  CHECK(receiver.requests().size() == 1);
}

TEST_CASE("an answer is bounded, in its header and in its body, whatever length it claims") {
  World world;
  const std::string much(OutgoingHttp::max_body + 1, 'x');
  const auto answer =
      GENERATE_COPY(http_answer(200, much), "HTTP/1.1 200 OK\r\n\r\n" + much,
                    "HTTP/1.1 200 OK\r\nX: " + much + "\r\n\r\n",
                    std::string("HTTP/1.1 200 OK\r\nContent-Length: 99999999999999\r\n\r\n"));
  HttpReceiver receiver(world.io, [&](const std::string&) { return answer; });
  const HttpReply reply = world.post(request_to(receiver.url()));
  CHECK(reply.status == 0);
  CHECK(has(reply.error, "receive: "));
}

TEST_CASE("what is no HTTP, ends early, refuses or is silent is an error in words") {
  World world;
  {
    HttpReceiver receiver(world.io,
                          [](const std::string&) { return std::string("SSH-2.0-x\r\n\r\n"); });
    CHECK(has(world.post(request_to(receiver.url())).error, "receive: "));
  }
  std::string gone;
  {
    HttpReceiver receiver(world.io, [](const std::string&) {
      return std::string("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab");
    });
    gone = receiver.url();
    CHECK(has(world.post(request_to(gone)).error, "receive: "));
  }
  run_until(world.io, [&, n = 0]() mutable { return ++n > 3; });
  CHECK(has(world.post(request_to(gone)).error, "Connection refused"));
  HttpReceiver silent(world.io, [](const std::string&) { return std::string(); });
  HttpRequest request = request_to(silent.url());
  request.timeout = 200ms;
  CHECK(world.post(request).error == "receive: timed out");
  CHECK(has(world.post(request_to("ftp://x/")).error, "not a URL"));
}

TEST_CASE("a certificate is checked, and the name in it") {
  World world;
  const Folder folder;
  HttpReceiver receiver(world.io, [](const std::string&) { return http_answer(200); });
  receiver.secure("DNS:localhost", folder.path / "good.pem");
  HttpReceiver other(world.io, [](const std::string&) { return http_answer(200); });
  other.secure("DNS:localhost", folder.path / "other.pem");
  HttpRequest request = request_to(receiver.url("localhost"));
  request.ca_file = folder.path / "good.pem";
  CHECK(world.post(request).status == 200);
  request.url = receiver.url("127.0.0.1");
  CHECK(has(world.post(request).error, "TLS: certificate: "));
  request.url = receiver.url("localhost");
  request.ca_file = folder.path / "other.pem";
  CHECK(has(world.post(request).error, "TLS: certificate: "));
  request.ca_file = "";
  CHECK(has(world.post(request).error, "TLS: certificate: self-signed certificate"));
  request.ca_file = folder.path / "missing.pem";
  CHECK(has(world.post(request).error, "No such file"));
  CHECK(receiver.requests().size() == 1);
}

TEST_CASE("an address may stand in a certificate") {
  World world;
  const Folder folder;
  HttpReceiver receiver(world.io, [](const std::string&) { return http_answer(200); });
  receiver.secure("IP:127.0.0.1", folder.path / "ip.pem");
  HttpRequest request = request_to(receiver.url());
  request.ca_file = folder.path / "ip.pem";
  CHECK(world.post(request).status == 200);
}

TEST_CASE("the http process posts for others, and is started again after it died") {
  asio::io_context io;
  HttpReceiver receiver(
      io, [](const std::string& got) { return http_answer(200, got.substr(got.size() - 2)); });
  HttpProcess process(io.get_executor());
  CHECK(process.pid() == 0);
  std::vector<HttpReply> replies;
  const auto keep = [&](HttpReply reply) { replies.push_back(std::move(reply)); };
  for (const char* body : {"[]", "{}"}) process.post(request_to(receiver.url(), body), keep);
  CHECK(replies.empty());
  run_until(io, [&] { return replies.size() == 2; });
  REQUIRE(replies.size() == 2);
  CHECK(replies[0].status == 200);
  CHECK(replies[0].body.size() == 2);
  const int first = process.pid();
  CHECK(first > 0);
  HttpReceiver silent(io, [](const std::string&) { return std::string(); });
  process.post(request_to(silent.url()), keep);
  run_until(io, [&] { return silent.requests().size() == 1; });
  ::kill(first, SIGKILL);
  run_until(io, [&] { return replies.size() == 3; });
  REQUIRE(replies.size() == 3);
  CHECK(replies[2].error == "the http process ended");
  CHECK(process.pid() == 0);
  process.post(request_to(receiver.url()), keep);
  run_until(io, [&] { return replies.size() == 4; });
  REQUIRE(replies.size() == 4);
  CHECK(replies[3].status == 200);
  CHECK(process.pid() != first);
}

TEST_CASE("the http process is gone with its owner") {
  asio::io_context io;
  std::optional<HttpProcess> process(std::in_place, io.get_executor());
  bool answered = false;
  process->post(request_to("http://127.0.0.1:9/"), [&](HttpReply) { answered = true; });
  const int pid = process->pid();
  REQUIRE(pid > 0);
  process.reset();
  CHECK(::kill(pid, 0) != 0);
  run_until(io, [&, n = 0]() mutable { return ++n > 5; });
  CHECK_FALSE(answered);
}
