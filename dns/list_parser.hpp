// ListParser: the text of a list to rules, line by line, whatever comes: lines of any length (those
// over 4 KiB are skipped), any octets, any line ends, a byte order mark. What a list may do depends
// on its settings: of a list that is not trusted an address, a rewrite, a forward and an exception
// that reaches other lists are dropped and counted. A rule with an unknown modifier is dropped.
//
// Formats: hosts(5); one domain a line, also "*.d" and ".d"; Adblock as AdGuard's DNS filtering
// syntax documents it; dnsmasq (address=, server=, local=); RPZ zone files (qname, rpz-ip,
// rpz-client-ip); RE2 expressions; addresses and prefixes. `automatic` looks at the first lines
// that say something.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>

#include "dns/rule.hpp"

namespace culvert::dns {

// Why a line gave no rule.
enum class LineFault : std::uint8_t {
  not_understood,
  bad_name,  // no domain name, or not in ASCII
  too_long,
  unknown_modifier,
  cosmetic,       // an Adblock rule of pages, not of names
  not_trusted,    // the list may not do that
  public_suffix,  // it would block a top-level domain or public suffix (libpsl); see force
  bad_pattern,    // RE2 refused it, or it is too large
  badfilter,      // switched off by a $badfilter rule (counted by the compiler)
  no_room,        // more than a rule table holds (counted by the compiler)
  name_servers,   // RPZ: about the servers of a domain, which a forwarder does not see
  count_
};
std::string_view to_string(LineFault fault) noexcept;

struct ListReport {
  ListSettings::Format format = ListSettings::Format::automatic;  // as it was taken
  std::uint64_t lines = 0, rules = 0;
  std::array<std::uint64_t, std::size_t(LineFault::count_)> faults{};
  std::array<std::uint32_t, std::size_t(LineFault::count_)>
      first{};  // line of the first of each; 0 = none
};

class ListParser {
 public:
  // Called for every rule; the rule is valid during the call. `badfilter`: it takes away the rules
  // of its list that say the same without that modifier.
  using OnRule = std::function<void(const Rule& rule, bool badfilter)>;

  ListParser(const ListSettings& list, OnRule on_rule);
  ~ListParser();

  void feed(std::string_view text);  // the next piece, cut anywhere
  ListReport finish();               // the last line needs no end

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace culvert::dns
