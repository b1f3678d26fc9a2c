// An Api over fakes, and a way to ask it without a socket.
#pragma once

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <exception>
#include <string>

#include "control/api.hpp"
#include "control/dns_controls.hpp"
#include "control/http_message.hpp"
#include "control/query_recorder.hpp"
#include "tests/control/support/changing_server.hpp"
#include "tests/control/support/fake_ledger.hpp"
#include "tests/control/support/fake_lists.hpp"

namespace culvert::control {

inline constexpr base::WallTime test_now{std::chrono::seconds(1'796'289'302)};

struct FakeApi {
  ChangingServer server;
  FakeLedger ledger;
  EventBus events;
  QueryRecorder queries{server.dns_settings_};
  DnsControls dns_controls{server};
  FakeLists lists;
  std::string token = "a token of the tests";
  HealthAnswer ready_answer{true, "{\"ready\":true}\n"};
  Api api{parts()};

  ApiParts parts() {
    return {.server = server,
            .ledger = ledger,
            .events = events,
            .queries = &queries,
            .dns_controls = &dns_controls,
            .lists = &lists,
            .token = token,
            .known_hosts = {"vpn.example"},
            .metrics = []() -> boost::asio::awaitable<std::string> { co_return "# HELP x x\n"; },
            .healthy =
                [] {
                  return HealthAnswer{true, "{\"alive\":true}\n"};
                },
            .ready = [this] { return ready_answer; },
            .parse_time = [](std::string_view text) -> std::optional<base::WallTime> {
              const base::WallTime start(std::chrono::seconds(1'796'083'200));
              if (text == "2026-12-01 00:00") return start;
              if (text == "2026-12-01") return start + std::chrono::days(1);  // as a calendar does
              return std::nullopt;
            },
            .client_file = [](const Peer& peer) -> Outcome<std::string> {
              if (peer.entry.name == "laptop") return std::string("[Interface]\n");
              return Problem{409, "No client file", "the client made its own key", {}};
            },
            .now = [] { return test_now; }};
  }

  Response ask(Request request) {
    if (auto refused = api.refuse(request)) return std::move(*refused);
    boost::asio::io_context io;
    Response answer;
    std::exception_ptr failed;
    boost::asio::co_spawn(io, api.handle(std::move(request)),
                          [&](std::exception_ptr error, Response response) {
                            failed = error;
                            answer = std::move(response);
                          });
    io.run();
    if (failed) std::rethrow_exception(failed);
    return answer;
  }

  static Request request(std::string method, const std::string& target, std::string body = {},
                         HeaderFields fields = {}) {
    Request made;
    made.method = std::move(method);
    split_target(target, made);
    made.fields = std::move(fields);
    made.fields.emplace_back("Host", "localhost");
    if (!body.empty()) {
      made.content_length = body.size();
      if (made.header("Content-Type").empty())
        made.fields.emplace_back("Content-Type", "application/json");
    }
    made.body = std::move(body);
    return made;
  }
};

}  // namespace culvert::control
