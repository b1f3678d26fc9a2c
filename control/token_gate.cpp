#include "control/token_gate.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <span>

#include "base/secret.hpp"
#include "control/forget_secrets.hpp"
#include "control/uri.hpp"

namespace culvert::control {
namespace {

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c = char(c + ('a' - 'A'));
  return out;
}

// Who has one IPv6 address has the other 2^64 of its network.
base::IpAddress source_of(const base::IpAddress& from) {
  return from.is_v6() ? base::Prefix(from, 64).address() : from;
}

// "[::1]:9586" and "name:80" without the port; "" if it is none of them.
std::string host_of(std::string_view field) {
  if (field.starts_with('[')) {
    const std::size_t end = field.find(']');
    return end == field.npos ? std::string() : lower(field.substr(1, end - 1));
  }
  return lower(field.substr(0, std::min(field.find(':'), field.size())));
}

GateAnswer unauthorized(std::string detail) {
  return {{401, "Unauthorized", std::move(detail), {}},
          {{"WWW-Authenticate", "Bearer realm=\"culvert\""}}};
}

}  // namespace

TokenGate::TokenGate(std::string token, std::vector<std::string> known_hosts)
    : token_(std::move(token)), known_hosts_(std::move(known_hosts)) {
  for (std::string& name : known_hosts_) name = lower(name);
}

void TokenGate::forget_token() noexcept {
  forget_secret(token_);
}

bool TokenGate::is_right(std::string_view authorization) const noexcept {
  constexpr std::string_view scheme = "bearer ";
  if (token_.empty() || authorization.size() < scheme.size() ||
      lower(authorization.substr(0, scheme.size())) != scheme)
    return false;
  authorization.remove_prefix(scheme.size());
  while (authorization.starts_with(' ')) authorization.remove_prefix(1);
  return base::equal_constant_time(std::as_bytes(std::span(authorization)),
                                   std::as_bytes(std::span(token_)));
}

std::optional<GateAnswer> TokenGate::check_token(const Request& request, base::Time now) {
  if (token_.empty())
    return GateAnswer{
        {403, "API is off", "the API over TCP is off: set server.http_token_file", {}}, {}};
  const base::IpAddress from = source_of(request.from);
  if (const auto wait = must_wait(from, now)) {
    const auto seconds = std::chrono::ceil<std::chrono::seconds>(*wait).count();
    return GateAnswer{{429, "Too many failures", "too many wrong tokens from this address", {}},
                      {{"Retry-After", std::to_string(seconds)}}};
  }
  const std::string_view authorization = request.header("Authorization");
  if (is_right(authorization)) return std::nullopt;
  if (authorization.empty())
    return unauthorized("expected the field \"Authorization: Bearer TOKEN\"");
  count_failure(from, now);
  return unauthorized("the token is not the one of server.http_token_file");
}

std::optional<base::Duration> TokenGate::must_wait(const base::IpAddress& from,
                                                   base::Time now) const {
  const auto found = std::ranges::find(failures_, from, &Failures::from);
  if (found == failures_.end()) return std::nullopt;
  const base::Duration wait = found->paid_until - now - (burst - 1) * another_after;
  return wait > base::Duration::zero() ? std::optional(wait) : std::nullopt;
}

void TokenGate::count_failure(const base::IpAddress& from, base::Time now) {
  std::erase_if(failures_, [now](const Failures& each) { return each.paid_until <= now; });
  auto found = std::ranges::find(failures_, from, &Failures::from);
  if (found == failures_.end()) {
    // A crowd of addresses: the one that failed least makes room.
    if (failures_.size() >= remembered_addresses)
      failures_.erase(std::ranges::min_element(failures_, {}, &Failures::paid_until));
    found = failures_.insert(failures_.end(), {from, now});
  }
  found->paid_until = std::max(found->paid_until, now) + another_after;
  if (told_.allow(now)) base::log::warn("API over TCP: a wrong token from {}", from.to_string());
}

std::optional<Problem> TokenGate::check_host(const Request& request) const {
  const std::string_view field = request.header("Host");
  if (field.empty()) return std::nullopt;  // HTTP/1.0: no browser
  const std::string host = host_of(field);
  if (host == "localhost" || base::IpAddress::parse(host) ||
      std::ranges::find(known_hosts_, host) != known_hosts_.end() ||
      is_right(request.header("Authorization")))
    return std::nullopt;
  return Problem{421,
                 "Misdirected request",
                 fmt::format("this server is not known as \"{}\": use its address or localhost, or "
                             "send the token",
                             shown(host)),
                 {}};
}

}  // namespace culvert::control
