// The configuration of DNS: [dns] as a whole, and the policy that a group or peer has. Plain
// values: app/ reads them from the file, tells them to the workers, and hands them to control/ for
// the lists.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/ip.hpp"

namespace culvert::dns {

// How a blocked question is answered.
enum class AnswerMode : std::uint8_t {
  null_address,  // 0.0.0.0 or ::, other types NODATA
  nxdomain,
  nodata,
  refused,
  address,  // answer4 / answer6; a family without one, and other types: NODATA
  drop,
};

// What is written down of a client's questions; it holds wherever a name could be written: the
// query log, the statistics of names, the domain in flow records.
enum class LogPrivacy : std::uint8_t {
  off,      // not even counted by what was decided
  counts,   // numbers only
  blocked,  // the names of what was blocked
  full,
};

enum class EchPolicy : std::uint8_t { allow, strip, drop };  // drop: HTTPS records as a whole

// In its hours (local time, evaluated by the supervisor) the lists and names are blocked as well.
struct Schedule {
  std::string hours;               // as control::Hours reads it
  std::vector<std::string> lists;  // names of [[dns.list]]
  std::vector<std::string> block;  // domains with all below them
  bool everything = false;         // no name at all is answered
  friend bool operator==(const Schedule&, const Schedule&) = default;
};
inline constexpr std::size_t max_schedules =
    32;  // of one policy: bits of PeerControls::dns_schedules

// What a group says and a peer may override. Domains are names with all below them; "=name" is that
// name alone.
struct Policy {
  std::vector<std::string> lists;  // names of [[dns.list]]
  std::vector<std::string> allow, block;
  std::vector<std::string> tags;  // $ctag of Adblock rules
  AnswerMode answer = AnswerMode::null_address;
  base::IpAddress answer4, answer6;
  std::chrono::seconds answer_ttl{10};
  LogPrivacy log = LogPrivacy::counts;
  std::vector<std::string> upstream;  // none: the global ones
  bool safe_search = false;
  std::optional<bool> refuse_bypass;  // 853 and known encrypted resolvers; unset: if it filters
  bool only_handed_out = false;       // flows only to addresses that our answers held
  EchPolicy ech = EchPolicy::allow;
  bool rebinding_protection = true;  // no private address from a public name
  bool filter_aaaa = false;          // NODATA for AAAA, and no ipv6hint
  std::vector<Schedule> schedules;

  // Does it decide anything by name? Then ways around it are refused unless refuse_bypass says not.
  bool filters() const noexcept {
    return !lists.empty() || !block.empty() || !schedules.empty() || safe_search;
  }
  bool refuses_bypass() const noexcept { return refuse_bypass.value_or(filters()); }
  friend bool operator==(const Policy&, const Policy&) = default;
};

// [[dns.list]]
struct ListSettings {
  enum class Format : std::uint8_t {
    automatic,
    hosts,
    domains,
    adblock,
    dnsmasq,
    rpz,
    regex,
    addresses
  };
  std::string name;
  std::string path, url;  // one of them
  Format format = Format::automatic;
  bool allows = false;      // kind = "allow": its names are exceptions
  bool trusted = false;     // may rewrite, give addresses, and override other lists
  bool subdomains = false;  // a plain name stands for all below it too (match = "suffix")
  bool force = false;       // take it even if it shrank by half, or blocks a public suffix
  std::chrono::seconds update{24 * 3600};  // of a url
  std::uint64_t max_size = 256 << 20;      // bytes, unpacked
  std::string ca_file;                     // PEM, of a https url; "" = the system's
  friend bool operator==(const ListSettings&, const ListSettings&) = default;
};
inline constexpr std::size_t max_lists = 256;

// [[dns.route]]: questions of a domain and all below it go there.
struct Route {
  std::string domain;
  std::vector<std::string> upstream;
  friend bool operator==(const Route&, const Route&) = default;
};

// [[dns.record]]: what is answered without asking anybody. `type` is a mnemonic (A, AAAA, CNAME,
// PTR, TXT, MX, SRV, HTTPS by RFC 3597 text), `value` in presentation form. A name may start with
// "*.".
struct LocalRecord {
  std::string name, type, value;
  std::chrono::seconds ttl{300};
  friend bool operator==(const LocalRecord&, const LocalRecord&) = default;
};

struct CacheSettings {
  std::uint64_t bytes = 16 << 20;  // of all workers together
  std::chrono::seconds min_ttl{0}, max_ttl{24 * 3600}, max_negative_ttl{3600};
  std::chrono::seconds max_stale{24 * 3600};    // 0: no stale answers (RFC 8767)
  std::chrono::milliseconds stale_after{1800};  // how long the upstream is given before
  bool prefetch = true;                         // popular names before they expire
  friend bool operator==(const CacheSettings&, const CacheSettings&) = default;
};

struct QueryLogSettings {
  std::string path;                    // "" = off
  std::uint64_t rotate_at = 64 << 20;  // bytes of one file
  std::uint64_t keep = 256 << 20;      // bytes of all its files
  friend bool operator==(const QueryLogSettings&, const QueryLogSettings&) = default;
};

struct LimitSettings {
  std::uint64_t forwarded_per_second = 1000, forwarded_burst = 2000;  // of one client; 0 = no limit
  std::uint64_t in_flight = 100, in_flight_total = 4096;
  std::uint64_t tcp_connections = 16;  // of one client
  friend bool operator==(const LimitSettings&, const LimitSettings&) = default;
};

struct Settings {
  bool intercept = true;           // port 53 of any destination, not only the tunnel address
  std::vector<base::Prefix> pass;  // destinations whose port 53 is left alone
  // "9.9.9.9", "[2620:fe::fe]:5353", "udp://", "tcp://", "tls://9.9.9.9#dns.quad9.net",
  // "tls://dns.quad9.net", "tls://ADDRESS#sha256/BASE64" (SPKI pin, RFC 7858), "https://HOST/PATH"
  // (with "#ADDRESS" to skip the look-up). Empty: the host's resolvers.
  std::vector<std::string> upstream, fallback;
  std::vector<std::string> bootstrap;  // addresses that names of upstreams are asked of
  std::vector<std::string> system;     // the host's resolvers, as found at start
  std::string ca_file;          // PEM, of authorities besides the system's; for all upstreams
  bool encrypted_only = false;  // fail closed: no upstream or fallback in the clear
  std::vector<Route> routes;
  std::vector<LocalRecord> records;
  std::string zone = "culvert.internal";  // NAME.zone is a peer's address; "" = off
  bool canary_firefox = true, canary_apple = true, canary_ddr = true;
  CacheSettings cache;
  LimitSettings limits;
  QueryLogSettings log;
  std::vector<ListSettings> lists;
  Policy policy;  // of who has no group, and what groups start from
  friend bool operator==(const Settings&, const Settings&) = default;
};

}  // namespace culvert::dns
