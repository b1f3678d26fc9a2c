// RuleTable: the rules of all lists in one immutable table, in a file that the workers map
// read-only and share. One table for all clients: what a client's policy chooses is a mask of
// lists.
//
// A domain with rules has an entry of 64 bits in a bucket of one cache line: 48 bits of a keyed hash
// and the number of a rule set. A small filter in front of them tells most names apart that no rule
// is about. A false hit has the chance of 8 * 2^-48 for each probe (docs/DNS.md); the key is drawn
// anew for every table.
//
// Not thread safe to build, safe to read by anyone. Every offset is checked when the file is
// mapped: a damaged file is refused, never believed.
#pragma once

#include <array>
#include <bitset>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "dns/name_path.hpp"
#include "dns/rule.hpp"

namespace culvert::dns {

using ListMask = std::bitset<max_lists>;  // by the place of a list in Settings::lists

class RuleTable {
 public:
  // Maps the file; the descriptor may be closed afterwards.
  // `seen`: this very file passed here before, in another process; then its slots, the bulk of it,
  // are not read to be checked. What a slot says is checked whenever it is used.
  static base::Result<std::shared_ptr<const RuleTable>> map(int fd, bool seen = false);
  ~RuleTable();

  // The lists whose rules it holds, in the order of their bits.
  const std::vector<std::string>& lists() const noexcept;
  std::uint64_t generation() const noexcept;  // of the build; never 0
  std::uint64_t rules() const noexcept;       // distinct ones
  std::size_t bytes() const noexcept;         // of the mapping

  // What simple rules say of a domain or an address: which lists block it, allow it, and so on.
  struct Said {
    ListMask block, allow, important_block, important_allow;
    // By action from nxdomain to rewrite (of addresses only): who blocks it in that way.
    std::array<ListMask, 7> how;

    // How the list, which blocks it, wants that.
    RuleAction action_of(std::uint16_t list) const noexcept;
    void set_action(std::uint16_t list, RuleAction action) noexcept;
  };
  // One domain of a name's path that has rules which reach the name.
  struct Match {
    unsigned labels = 0;                     // of the domain that matched, from the right
    const Said* said = nullptr;              // by simple rules; null = nothing
    std::span<const std::uint32_t> complex;  // indices for complex()
  };
  static constexpr std::size_t max_matches = 16;  // the longest domains win where there are more
  // Matches of a name, the longest domain first. noexcept, no heap.
  std::size_t find(const NamePath& path, std::span<Match, max_matches> out) const noexcept;
  std::size_t find(const Name& name, std::span<Match, max_matches> out) const noexcept;
  // Has on its way from memory what find() will read.
  void prefetch(const NamePath& path) const noexcept;
  // False: find() would find nothing. One read of memory.
  bool may_match(const NamePath& path) const noexcept;
  // Of the paths that it is asked by.
  const NameKey& key() const noexcept;

  // A complex rule: everything of Rule but `line`, and its list.
  struct ComplexRule {
    std::uint16_t list = 0;
    Rule rule;
  };
  const ComplexRule& complex(std::uint32_t index) const noexcept;

  // Rules whose pattern fits `name`, as indices for complex(): by one RE2::Set, linear time. Called
  // once for a cache miss, not on the hot path. Appends to `out`.
  void find_patterns(const Name& name, std::vector<std::uint32_t>& out) const;
  bool has_patterns() const noexcept;

  // What is said of an address (answer_prefixes); of one list the longest prefix counts. Null =
  // nothing.
  const Said* find_address(const base::IpAddress& address) const noexcept;
  // The rule by which the list rewrites an address; null = none.
  const Rule* find_address_rewrite(std::uint16_t list,
                                   const base::IpAddress& address) const noexcept;
  bool has_addresses() const noexcept;

 private:
  struct Impl;
  explicit RuleTable(std::unique_ptr<Impl> impl) noexcept;
  std::unique_ptr<Impl> impl_;
};

}  // namespace culvert::dns
