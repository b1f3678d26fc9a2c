// Api: the control plane over HTTP, as control/openapi.json describes it. It asks and changes what
// the interfaces give it and owns nothing.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "control/calendar.hpp"
#include "control/events.hpp"
#include "control/http.hpp"
#include "control/ledger.hpp"
#include "control/server.hpp"

namespace culvert::control {

class DnsControls;
class ListKeeper;
class QueryRecorder;

// What /healthz and /readyz answer: 200 or 503, and a JSON object with a newline.
struct HealthAnswer {
  bool good = false;
  std::string text;
};

struct ApiParts {
  Server& server;
  Ledger& ledger;
  EventBus& events;
  const QueryRecorder* queries = nullptr;  // never null
  DnsControls* dns_controls = nullptr;     // never null
  ListKeeper* lists = nullptr;             // never null
  std::string token;                       // of TCP; "" = only the open routes there
  std::vector<std::string> known_hosts;    // names that a Host field may have, besides addresses
  std::function<boost::asio::awaitable<std::string>()> metrics;
  std::function<HealthAnswer()> healthy, ready;
  // A time as people write it, in the configured zone: Calendar::parse.
  std::function<std::optional<base::WallTime>(std::string_view)> parse_time;
  // The file for the client's WireGuard program; the problem where no key of it is at hand.
  std::function<Outcome<std::string>(const Peer&)> client_file;
  std::function<base::WallTime()> now = [] {
    return base::WallTime(std::chrono::system_clock::now());
  };
};

class Api final : public HttpHandler {
 public:
  explicit Api(ApiParts parts);
  ~Api() override;

  std::optional<Response> refuse(const Request& head) override;
  boost::asio::awaitable<Response> handle(Request request) override;
  Response problem(int status, std::string title, std::string detail) override;

  // "GET /v1/peers/{peer}", in the words of the description.
  std::vector<std::string> routes() const;
  void forget_token() noexcept;  // in a child process

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// control/openapi.json.
std::string_view openapi_text() noexcept;

}  // namespace culvert::control
