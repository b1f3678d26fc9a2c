// Verdict: what is to be done with a question or an answer, and why, so that a person can be told.
#pragma once

#include <cstdint>
#include <string>

#include "base/ip.hpp"
#include "dns/name.hpp"
#include "dns/rule.hpp"

namespace culvert::dns {

// What decided. The order in which they are asked (the first that speaks decides):
//   special names, the zone and local records; peer allow; canaries; peer block; schedules; of the
//   lists an important exception, an important block, an exception, a block, patterns among them;
//   encrypted resolvers; safe search; types the client is not to have; then the upstream.
// An exception of a list takes back blocks of lists only. While a client's filter is paused only
// the canaries, the types and rebinding are left.
enum class Reason : std::uint8_t {
  none,          // nothing: it is asked upstream
  special_name,  // RFC 6761, 6303, 8375, 9462: localhost, invalid, onion, private reverse zones...
  local_record,  // [[dns.record]], a peer's name
  peer_allow,
  peer_block,
  schedule,            // schedule names or "everything"
  list,                // a rule of a list
  canary,              // use-application-dns.net, mask.icloud.com, resolver.arpa
  encrypted_resolver,  // the name of a known DoH/DoT server
  safe_search,
  rebinding,       // a private address for a public name
  ech,             // HTTPS records under ech = "drop"
  no_ipv6,         // filter_aaaa
  answer_address,  // an address list, or rpz-ip
  rate,
  in_flight,  // too much of one client
};
std::string_view to_string(Reason reason) noexcept;

struct Verdict {
  // pass: ask upstream (or answer from the cache).
  enum class What : std::uint8_t { pass, block, rewrite, forward, local };

  What what = What::pass;
  Reason reason = Reason::none;
  RuleAction action =
      RuleAction::block;  // how a rule of a list wants it blocked; block: as the policy says
  bool important = false;
  bool by_chain = false;       // not the name asked, but one its answer leads to
  std::uint16_t list = 0;      // of Reason::list and answer_address
  std::uint8_t labels = 0;     // of the domain that matched, from the right
  const Rule* rule = nullptr;  // a complex one: where to rewrite or forward to; lives as the table

  bool is_block() const noexcept { return what == What::block; }
};

}  // namespace culvert::dns
