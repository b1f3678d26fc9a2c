// HttpClient: what the command line asks the running server, over its control socket. It blocks;
// only commands use it, never the supervisor. url_encode is in uri.
#pragma once

#include <chrono>
#include <functional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "control/uri.hpp"

namespace culvert::control {

// In words for the operator: nobody listens, no right to ask, no answer in time, not HTTP.
struct ClientError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

struct Answer {
  int status = 0;
  std::string content_type;
  std::string body;
  bool ok() const noexcept { return status >= 200 && status < 300; }
  // Of an answer that is not ok(): its problem document in one line, "" of any other.
  std::string problem() const;
};

class HttpClient {
 public:
  explicit HttpClient(std::string socket_path,
                      std::chrono::milliseconds patience = std::chrono::seconds(30));

  // `target`: "/v1/peers?x=y"; `body` is JSON unless the content type says otherwise. Throws
  // ClientError. One connection each.
  Answer request(std::string_view method, std::string_view target, std::string_view body = {},
                 std::string_view content_type = "application/json",
                 std::string_view accept = "application/json");
  Answer get(std::string_view target) { return request("GET", target); }

  struct Event {
    std::string id, type, data;
  };
  // Server-sent events until `each` returns false or the server ends; an answer other than 200 is
  // returned at once. `poll` is asked at least every 200 ms whether to go on (may be empty).
  // `last_id`: first what is remembered of later ones; "" = only new ones.
  Answer events(std::string_view target, const std::function<bool(const Event&)>& each,
                const std::function<bool()>& poll = {}, std::string_view last_id = {});

 private:
  std::string path_;
  std::chrono::milliseconds patience_;
};

}  // namespace culvert::control
