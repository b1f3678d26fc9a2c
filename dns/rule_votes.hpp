// RuleVotes: what the rules of a table say of one name for one client, and which of them decides.
// Lives during one question, in the Filter. No heap, but where a pattern is looked up anew.
//
// An important exception beats an important block, that an exception, that a block; among equals
// the longest domain decides, its conditional rules before its plain ones, and patterns come last.
// A list that is not trusted speaks for itself only: its exceptions and what is important in it
// hold among its own rules, and what is left of them is an ordinary block.
#pragma once

#include <array>
#include <functional>
#include <span>

#include "dns/pattern_memo.hpp"
#include "dns/policy.hpp"
#include "dns/rule_conditions.hpp"
#include "dns/verdict.hpp"

namespace culvert::dns {

class RuleVotes {
 public:
  // `active`: the lists that are asked at all; `path`: of the name asked. The arguments outlive the
  // object.
  RuleVotes(const RuleTable& table, const ListRights& rights, const ListMask& active,
            const NamePath& path, const RuleAsk& ask, PatternMemo& memo);

  // Fills `out` with a block, a rewrite or an exception; false: no rule decides.
  bool decide(Verdict& out) const;
  // The rule of a trusted list that says where the name is to be asked; null = none.
  bool forward(Verdict& out) const;
  // Lists that make an exception for the name, be it for themselves only.
  ListMask exceptions() const noexcept { return said_[allow] | said_[important_allow]; }

  enum Kind : unsigned { important_allow, important_block, allow, block };
  struct Vote {
    std::uint16_t list = 0;
    unsigned labels = 0;  // of the domain; of the whole name for a pattern
    Kind kind = block;
    const Rule* rule = nullptr;             // a complex one
    RuleAction action = RuleAction::block;  // of a simple one that blocks
  };
  // Every rule that speaks, forwards among them; for explain.
  void each(const std::function<void(const Vote&)>& fn) const;

 private:
  using Masks = std::array<ListMask, 4>;  // by Kind

  template <typename Fn>
  void each_complex(std::span<const std::uint32_t> rules, Fn fn) const;
  bool may_speak(const RuleTable::ComplexRule& complex) const noexcept;
  void collect(std::span<const std::uint32_t> rules);
  Masks effective() const noexcept;
  bool find(std::span<const std::uint32_t> rules, unsigned labels, Kind kind, const ListMask& lists,
            Vote& out) const;
  Vote find(Kind kind, const ListMask& lists) const;

  const RuleTable& table_;
  const ListRights& rights_;
  const ListMask& active_;
  const RuleAsk& ask_;
  std::array<RuleTable::Match, RuleTable::max_matches> matches_;
  std::size_t count_;
  std::span<const std::uint32_t> patterns_;
  Masks said_;  // as the lists say it
  bool forwards_ = false;
};

}  // namespace culvert::dns
