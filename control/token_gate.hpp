// TokenGate: who may use the API over TCP. A right token is compared in constant time; whoever
// tries wrong ones too often waits. And a browser that was led here under a foreign name (DNS
// rebinding) is told that this is not the server it wanted.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "base/ip.hpp"
#include "base/log.hpp"
#include "base/time.hpp"
#include "control/http.hpp"
#include "control/outcome.hpp"

namespace culvert::control {

struct GateAnswer {
  Problem problem;
  HeaderFields fields;  // WWW-Authenticate, Retry-After
};

class TokenGate {
 public:
  static constexpr int burst = 10;                         // wrong tokens of one address
  static constexpr std::chrono::seconds another_after{6};  // then one more
  static constexpr std::size_t remembered_addresses = 1024;

  TokenGate(std::string token, std::vector<std::string> known_hosts);

  // Nothing if the request may go on.
  std::optional<GateAnswer> check_token(const Request& request, base::Time now);
  // An address, "localhost" or a known name; a request with the right token may use any.
  std::optional<Problem> check_host(const Request& request) const;
  void forget_token() noexcept;  // in a child process

 private:
  struct Failures {
    base::IpAddress from;
    base::Time paid_until{};  // GCRA (ITU-T I.371): where the failures so far are paid off
  };

  bool is_right(std::string_view authorization) const noexcept;
  std::optional<base::Duration> must_wait(const base::IpAddress& from, base::Time now) const;
  void count_failure(const base::IpAddress& from, base::Time now);

  std::string token_;
  std::vector<std::string> known_hosts_;
  std::vector<Failures> failures_;
  base::log::Limiter told_{std::chrono::seconds(10)};
};

}  // namespace culvert::control
