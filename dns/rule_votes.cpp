#include "dns/rule_votes.hpp"

#include <bit>

namespace culvert::dns {
namespace {

RuleVotes::Kind kind_of(const Rule& rule) noexcept {
  if (rule.action == RuleAction::allow)
    return rule.important ? RuleVotes::important_allow : RuleVotes::allow;
  return rule.important ? RuleVotes::important_block : RuleVotes::block;
}

const ListMask& mask_of(const RuleTable::Said& said, RuleVotes::Kind kind) noexcept {
  switch (kind) {
    case RuleVotes::important_allow:
      return said.important_allow;
    case RuleVotes::important_block:
      return said.important_block;
    case RuleVotes::allow:
      return said.allow;
    case RuleVotes::block:
      break;
  }
  return said.block;
}

// What is important in a list that may not say so counts as ordinary.
bool answers_to(RuleVotes::Kind said, RuleVotes::Kind wanted) noexcept {
  return said == wanted || (wanted == RuleVotes::allow && said == RuleVotes::important_allow) ||
         (wanted == RuleVotes::block && said == RuleVotes::important_block);
}

std::uint16_t first_of(const ListMask& mask) noexcept {
  static const ListMask word(~0ull);
  for (unsigned at = 0; at < max_lists; at += 64)
    if (const std::uint64_t bits = ((mask >> at) & word).to_ullong())
      return static_cast<std::uint16_t>(at + unsigned(std::countr_zero(bits)));
  return 0;
}

constexpr RuleVotes::Kind kinds[] = {RuleVotes::important_allow, RuleVotes::important_block,
                                     RuleVotes::allow, RuleVotes::block};

}  // namespace

RuleVotes::RuleVotes(const RuleTable& table, const ListRights& rights, const ListMask& active,
                     const NamePath& path, const RuleAsk& ask, PatternMemo& memo)
    : table_(table),
      rights_(rights),
      active_(active),
      ask_(ask),
      count_(table.find(path, matches_)) {
  for (const RuleTable::Match& match : std::span(matches_).first(count_)) {
    if (match.said)
      for (const Kind kind : kinds) said_[kind] |= mask_of(*match.said, kind) & active_;
    collect(match.complex);
  }
  if (!table_.has_patterns()) return;
  patterns_ = memo.find(table_, ask_.name);
  collect(patterns_);
}

// A rule of a list that is not asked, or whose conditions fail, says nothing; nor does a rewrite or
// a forward of one that is not trusted.
bool RuleVotes::may_speak(const RuleTable::ComplexRule& complex) const noexcept {
  if (complex.list >= max_lists || !active_[complex.list]) return false;
  const RuleAction action = complex.rule.action;
  if ((action == RuleAction::rewrite || action == RuleAction::forward) &&
      !rights_.trusted[complex.list])
    return false;
  return rule_holds(complex.rule, ask_);
}

template <typename Fn>
void RuleVotes::each_complex(std::span<const std::uint32_t> rules, Fn fn) const {
  for (const std::uint32_t index : rules) {
    const RuleTable::ComplexRule& complex = table_.complex(index);
    if (may_speak(complex) && !fn(complex)) return;
  }
}

void RuleVotes::collect(std::span<const std::uint32_t> rules) {
  each_complex(rules, [this](const RuleTable::ComplexRule& complex) {
    if (complex.rule.action == RuleAction::forward)
      forwards_ = true;
    else
      said_[kind_of(complex.rule)].set(complex.list);
    return true;
  });
}

RuleVotes::Masks RuleVotes::effective() const noexcept {
  const ListMask& reaching = rights_.reaches_others;
  Masks out;
  out[important_allow] = said_[important_allow] & rights_.trusted;
  out[important_block] = said_[important_block] & rights_.trusted;
  out[allow] = (said_[allow] | said_[important_allow]) & reaching;
  const ListMask left = (said_[important_block] & ~said_[important_allow]) |
                        (said_[block] & ~said_[allow] & ~said_[important_allow]);
  out[block] = ((said_[block] | said_[important_block]) & reaching) | (left & ~reaching);
  return out;
}

bool RuleVotes::find(std::span<const std::uint32_t> rules, unsigned labels, Kind kind,
                     const ListMask& lists, Vote& out) const {
  bool found = false;
  each_complex(rules, [&](const RuleTable::ComplexRule& complex) {
    found = complex.rule.action != RuleAction::forward && lists[complex.list] &&
            answers_to(kind_of(complex.rule), kind);
    if (found) out = Vote{complex.list, labels, kind, &complex.rule, complex.rule.action};
    return !found;
  });
  return found;
}

// The one that decides, of those of a kind.
RuleVotes::Vote RuleVotes::find(Kind kind, const ListMask& lists) const {
  Vote out;
  for (const RuleTable::Match& match : std::span(matches_).first(count_)) {
    if (find(match.complex, match.labels, kind, lists, out)) return out;
    if (!match.said) continue;
    for (const Kind said : kinds) {
      if (!answers_to(said, kind)) continue;
      const ListMask who = mask_of(*match.said, said) & lists;
      if (!who.any()) continue;
      const std::uint16_t list = first_of(who);
      return Vote{list, match.labels, kind, nullptr, match.said->action_of(list)};
    }
  }
  find(patterns_, ask_.name.labels(), kind, lists, out);
  return out;
}

bool RuleVotes::decide(Verdict& out) const {
  if (count_ == 0 && patterns_.empty()) return false;
  const Masks masks = effective();
  for (const Kind kind : kinds) {
    if (masks[kind].none()) continue;
    const Vote vote = find(kind, masks[kind]);
    const bool allows = kind == allow || kind == important_allow;
    out.reason = Reason::list;
    out.important = kind == important_allow || kind == important_block;
    out.list = vote.list;
    out.labels = static_cast<std::uint8_t>(vote.labels);
    out.rule = vote.rule;
    out.action = allows ? RuleAction::allow : vote.action;
    out.what = allows                              ? Verdict::What::pass
               : out.action == RuleAction::rewrite ? Verdict::What::rewrite
                                                   : Verdict::What::block;
    return true;
  }
  return false;
}

bool RuleVotes::forward(Verdict& out) const {
  if (!forwards_) return false;
  ListMask excepted;  // a longer domain of the list says that it is asked as usual
  const auto take = [&](std::span<const std::uint32_t> rules, unsigned labels) {
    bool found = false;
    each_complex(rules, [&](const RuleTable::ComplexRule& complex) {
      found = complex.rule.action == RuleAction::forward && !excepted[complex.list];
      if (!found) return true;
      out = Verdict{};
      out.what = Verdict::What::forward;
      out.reason = Reason::list;
      out.action = RuleAction::forward;
      out.list = complex.list;
      out.labels = static_cast<std::uint8_t>(labels);
      out.rule = &complex.rule;
      return false;
    });
    return found;
  };
  for (const RuleTable::Match& match : std::span(matches_).first(count_)) {
    if (take(match.complex, match.labels)) return true;
    if (match.said) excepted |= match.said->allow | match.said->important_allow;
  }
  return take(patterns_, ask_.name.labels());
}

void RuleVotes::each(const std::function<void(const Vote&)>& fn) const {
  const auto tell = [&](std::span<const std::uint32_t> rules, unsigned labels) {
    each_complex(rules, [&](const RuleTable::ComplexRule& complex) {
      fn(Vote{complex.list, labels, kind_of(complex.rule), &complex.rule, complex.rule.action});
      return true;
    });
  };
  for (const RuleTable::Match& match : std::span(matches_).first(count_)) {
    tell(match.complex, match.labels);
    if (!match.said) continue;
    for (const Kind kind : kinds) {
      const ListMask who = mask_of(*match.said, kind) & active_;
      for (std::uint16_t list = 0; list < max_lists; ++list)
        if (who[list]) fn(Vote{list, match.labels, kind, nullptr, match.said->action_of(list)});
    }
  }
  tell(patterns_, ask_.name.labels());
}

}  // namespace culvert::dns
