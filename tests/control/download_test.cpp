#include <sys/stat.h>

#include <boost/asio/co_spawn.hpp>
#include <optional>

#include "control/http_process.hpp"
#include "control/outgoing_http.hpp"
#include "tests/control/gzip.hpp"
#include "tests/control/http_receiver.hpp"
#include "tests/control/scratch.hpp"
#include "tests/support/catch.hpp"

using namespace culvert::control;
using namespace culvert::control::test;
using namespace std::chrono_literals;
namespace asio = boost::asio;

namespace {

asio::awaitable<void> store(OutgoingHttp& http, DownloadRequest request,
                            std::optional<DownloadReply>* into) {
  *into = co_await http.download(request);
}

struct World {
  DownloadRequest to(std::string url) const {
    DownloadRequest request;
    request.url = std::move(url);
    request.file = file;
    request.max_size = 1 << 20;
    request.timeout = 5s;
    return request;
  }

  DownloadReply get(DownloadRequest request) {
    std::optional<DownloadReply> reply;
    asio::co_spawn(io, store(http, std::move(request), &reply), [](std::exception_ptr error) {
      if (error) std::rethrow_exception(error);
    });
    const auto end = std::chrono::steady_clock::now() + 20s;
    while (!reply && std::chrono::steady_clock::now() < end) {
      io.restart();
      io.run_one_for(10ms);
    }
    return reply.value_or(DownloadReply{});
  }
  DownloadReply get_from(const HttpReceiver& receiver) { return get(to(receiver.url())); }

  Scratch scratch;
  std::string file = scratch.file("list");
  asio::io_context io{1};
  OutgoingHttp http{io.get_executor()};
};

std::string answer(const std::string& fields, const std::string& body) {
  return "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) + "\r\n" + fields +
         "\r\n" + body;
}

std::string redirect(const std::string& to) {
  return "HTTP/1.1 302 Found\r\nLocation: " + to + "\r\nContent-Length: 0\r\n\r\n";
}

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

const std::string list_text = "ads.example\ntracker.example\n";

}  // namespace

TEST_CASE("a download is a file of the owner alone, with the server's words about it") {
  World world;
  HttpReceiver receiver(world.io, [](const std::string&) {
    return answer("ETag: \"v1\"\r\nLast-Modified: Fri, 20 Nov 2026 10:00:00 GMT\r\n", list_text);
  });
  const DownloadReply reply = world.get_from(receiver);
  CHECK(reply.error == "");
  CHECK(reply.status == 200);
  CHECK(reply.etag == "\"v1\"");
  CHECK(reply.last_modified == "Fri, 20 Nov 2026 10:00:00 GMT");
  CHECK(reply.bytes == list_text.size());
  CHECK(read_file(world.file) == list_text);
  struct stat status {};
  REQUIRE(::stat(world.file.c_str(), &status) == 0);
  CHECK((status.st_mode & 0777) == 0600);
  const std::string& asked = receiver.requests().at(0);
  CHECK(asked.starts_with("GET /hook HTTP/1.1\r\n"));
  CHECK(has(asked, "\r\nAccept-Encoding: gzip\r\n"));
  CHECK(!has(asked, "If-None-Match"));
}

TEST_CASE("what is known is asked for conditionally, and an unasked 304 is a failure") {
  World world;
  HttpReceiver receiver(world.io, [](const std::string&) {
    return std::string("HTTP/1.1 304 Not Modified\r\nETag: \"v1\"\r\n\r\n");
  });
  DownloadRequest request = world.to(receiver.url());
  request.etag = "\"v1\"";
  request.last_modified = "Fri, 20 Nov 2026 10:00:00 GMT";
  const DownloadReply reply = world.get(request);
  CHECK(reply.error == "");
  CHECK(reply.status == 304);
  CHECK(has(receiver.requests().at(0), "\r\nIf-None-Match: \"v1\"\r\n"));
  CHECK(has(receiver.requests().at(0), "\r\nIf-Modified-Since: Fri, 20 Nov 2026 10:00:00 GMT\r\n"));
  CHECK(!std::filesystem::exists(world.file));
  CHECK(world.get_from(receiver).error == "HTTP status 304");
}

TEST_CASE("any other status is a failure and leaves no file") {
  World world;
  const int status = GENERATE(204, 206, 404, 500, 503);
  HttpReceiver receiver(world.io, [&](const std::string&) { return http_answer(status, "sorry"); });
  CHECK(world.get_from(receiver).error == "HTTP status " + std::to_string(status));
  CHECK(!std::filesystem::exists(world.file));
}

TEST_CASE("redirects are followed, relative ones and to another server") {
  World world;
  HttpReceiver last(world.io, [](const std::string&) { return http_answer(200, list_text); });
  HttpReceiver first(world.io, [&](const std::string& request) {
    if (request.starts_with("GET /hook ")) return redirect("/a/b/../list?x=1");
    return redirect(last.url());
  });
  CHECK(world.get_from(first).error == "");
  CHECK(read_file(world.file) == list_text);
  CHECK(first.requests().at(1).starts_with("GET /a/list?x=1 "));
}

TEST_CASE("redirects in a circle, to nowhere and to another scheme are failures") {
  World world;
  struct Case {
    std::string location, error;
  };
  const auto each = GENERATE(values<Case>({{"/hook", "more than 5 redirects"},
                                           {"", "a redirect to nowhere"},
                                           {"ftp://example/list", "which is no URL"},
                                           {"file:///etc/passwd", "which is no URL"},
                                           {"http://user@example/", "which is no URL"}}));
  HttpReceiver receiver(world.io, [&](const std::string&) { return redirect(each.location); });
  CHECK(has(world.get_from(receiver).error, each.error));
  CHECK(receiver.requests().size() <= 6);
}

TEST_CASE("from https a redirect to http is refused, and the certificate is checked") {
  World world;
  HttpReceiver receiver(world.io,
                        [](const std::string&) { return redirect("http://127.0.0.1:1/list"); });
  const std::string certificate = world.scratch.file("ca.pem");
  receiver.secure("DNS:localhost", certificate);
  DownloadRequest request = world.to(receiver.url("localhost"));
  CHECK(has(world.get(request).error, "TLS: certificate: "));
  request.ca_file = certificate;
  CHECK(has(world.get(request).error, "which is not encrypted"));
  request.ca_file = world.scratch.file("missing.pem");
  CHECK(world.get(request).error != "");
}

// Its octets say what it is: a server or a mirror before it may have unpacked and kept the label. What
// is judged is what the file holds.
TEST_CASE("what is labelled gzip and is not packed is taken as it is, and its label never believed") {
  for (const std::string& body : {list_text, std::string("\x1f"), std::string()}) {
    World world;
    HttpReceiver receiver(world.io, [&](const std::string&) {
      return answer("Content-Encoding: gzip\r\nContent-Type: application/gzip\r\n", body);
    });
    CHECK(world.get_from(receiver).error == "");
    CHECK(read_file(world.file) == body);
  }
}

TEST_CASE("gzip is undone: by the server, in the file, both, and in several members") {
  World world;
  const auto body =
      GENERATE(answer("Content-Encoding: gzip\r\n", gzip(list_text)), answer("", gzip(list_text)),
               answer("Content-Encoding: gzip\r\n", gzip(gzip(list_text))),
               answer("", gzip("ads.example\n") + gzip("tracker.example\n")),
               answer("", gzip(list_text) + std::string(100, '\0')));
  HttpReceiver receiver(world.io, [&](const std::string&) { return body; });
  const DownloadReply reply = world.get_from(receiver);
  CHECK(reply.error == "");
  CHECK(reply.bytes == list_text.size());
  CHECK(read_file(world.file) == list_text);
}

TEST_CASE("a bomb, what is too large, damaged or cut off is refused while it comes") {
  World world;
  const std::string noise = [] {
    std::string text;
    for (unsigned i = 0, x = 1; i < 2'000'000; ++i)
      text += char((x = x * 1103515245 + 12345) >> 16);
    return text;
  }();
  struct Case {
    std::string answer, error;
  };
  std::string damaged = gzip(noise.substr(0, 100'000));
  damaged[50'000] = char(~damaged[50'000]);
  const std::vector<Case> cases{
      {answer("", gzip(std::string(100 << 20, 'x'))), "more than 1048576 bytes unpacked"},
      {answer("", gzip(gzip(std::string(64 << 20, 'x')))), "more than 1048576 bytes unpacked"},
      {answer("", noise), "more than 1048576 bytes"},
      {"HTTP/1.1 200 OK\r\n\r\n" + noise, "more than 1048576 bytes"},
      {"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n", "more than 1048576 bytes"},
      {answer("", damaged), "it is damaged"},
      {answer("", gzip(list_text).substr(0, 20)), "breaks off"},
      {"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nads.example\n", "receive: "},
      {answer("Content-Encoding: br\r\n", "x"), "packed as \"br\""},
      {"HTTP/1.1 200 OK\r\nX: " + std::string(20'000, 'x') + "\r\n\r\n", "receive: "}};
  for (const Case& each : cases) {
    HttpReceiver receiver(world.io, [&](const std::string&) { return each.answer; });
    INFO(each.error);
    CHECK(has(world.get_from(receiver).error, each.error));
    CHECK(!std::filesystem::exists(world.file));
  }
}

TEST_CASE("a bomb below the largest size is told by its ratio") {
  World world;
  HttpReceiver receiver(
      world.io, [](const std::string&) { return answer("", gzip(std::string(32 << 20, 'x'))); });
  DownloadRequest request = world.to(receiver.url());
  request.max_size = 1 << 30;
  CHECK(has(world.get(request).error, "more than 200 times"));
}

TEST_CASE("silence and what cannot be written are failures in words") {
  World world;
  HttpReceiver silent(world.io, [](const std::string&) { return std::string(); });
  DownloadRequest request = world.to(silent.url());
  request.timeout = 50ms;
  CHECK(has(world.get(request).error, "timed out"));
  HttpReceiver receiver(world.io, [](const std::string&) { return http_answer(200, list_text); });
  request = world.to(receiver.url());
  request.file = world.scratch.file("no/such/folder");
  CHECK(has(world.get(request).error, "No such file"));
}

TEST_CASE("the child process downloads, and its death is a failure") {
  World world;
  HttpProcess process(world.io.get_executor());
  std::optional<DownloadReply> reply;
  const auto ask = [&](const HttpReceiver& receiver) {
    reply.reset();
    process.download(world.to(receiver.url()), [&](DownloadReply got) { reply = got; });
  };
  const auto run = [&](auto until) {
    const auto end = std::chrono::steady_clock::now() + 20s;
    while (!until() && std::chrono::steady_clock::now() < end) {
      world.io.restart();
      world.io.run_one_for(10ms);
    }
  };
  HttpReceiver receiver(world.io,
                        [](const std::string&) { return answer("ETag: x\r\n", list_text); });
  ask(receiver);
  run([&] { return reply.has_value(); });
  REQUIRE(reply);
  CHECK(reply->error == "");
  CHECK(reply->etag == "x");
  CHECK(read_file(world.file) == list_text);
  HttpReceiver silent(world.io, [](const std::string&) { return std::string(); });
  ask(silent);
  run([&] { return !silent.requests().empty(); });
  ::kill(process.pid(), SIGKILL);
  run([&] { return reply.has_value(); });
  REQUIRE(reply);
  CHECK(reply->error == "the http process ended");
}
