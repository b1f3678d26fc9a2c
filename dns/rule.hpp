// Rule: one line of a list, understood. The parsers make them, the compiler puts them into the rule
// table. Domains are lower-cased wire names.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/ip.hpp"
#include "dns/name.hpp"
#include "dns/settings.hpp"

namespace culvert::dns {

// What a rule does when it is the one that decides. Those before `rewrite` need no more than a
// few bits of the table.
enum class RuleAction : std::uint8_t {
  block,
  allow,     // an exception
  nxdomain,  // from here to tcp_only: a block, and how it is answered (RPZ, $dnsrewrite)
  nodata,
  refused,
  servfail,
  drop,
  tcp_only,  // RPZ: TC over UDP
  rewrite,   // to Rule::cname, Rule::addresses or Rule::records
  forward,   // dnsmasq server=/d/address: Rule::upstream
};

struct Rule {
  enum class Reach : std::uint8_t {
    exact,       // the name alone
    subdomains,  // the name and all below it
    below,       // only what is below it (*.example.com)
  };

  RuleAction action = RuleAction::block;
  bool important = false;  // $important
  Reach reach = Reach::subdomains;
  Name domain;  // the anchor; the root where `pattern` has none

  // A regular expression (RE2) over the name without its last dot; "" = the domain decides alone.
  std::string pattern;

  // Modifiers; empty = not said. A rule with any of them, or with a rewrite, is "complex".
  std::vector<std::uint16_t> types, not_types;  // $dnstype
  std::vector<std::string> clients,
      not_clients;                          // $client: peer or group names, addresses, prefixes
  std::vector<std::string> tags, not_tags;  // $ctag
  std::vector<Name> deny_allow;             // $denyallow: not these, nor below them
  std::vector<base::IpAddress> addresses;   // rewrite
  Name cname;                               // rewrite, if not the root
  // Rewrite to other records: "MX 10 mail.example.com", type and value as LocalRecord has them.
  std::vector<std::string> records;
  std::string upstream;  // forward
  // RPZ rpz-ip, address lists: the answer's address decides; `domain` means nothing.
  std::vector<base::Prefix> answer_prefixes;

  std::uint32_t line = 0;  // of its list, from 1

  bool is_complex() const noexcept {
    return !types.empty() || !not_types.empty() || !clients.empty() || !not_clients.empty() ||
           !tags.empty() || !not_tags.empty() || !deny_allow.empty() || !addresses.empty() ||
           !cname.is_root() || !records.empty() || !upstream.empty() ||
           action >= RuleAction::rewrite;
  }
};

}  // namespace culvert::dns
