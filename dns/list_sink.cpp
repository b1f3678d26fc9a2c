#include "dns/list_sink.hpp"

#include <tuple>

#include "dns/list_pattern.hpp"
#include "dns/list_text.hpp"

namespace culvert::dns {
namespace {

// RE2 is not asked about more; the compiler takes half as many of all lists.
constexpr std::uint32_t max_patterns = 20'000;

// Records of one rule.
constexpr std::size_t max_held = 32;

// An address list that was taken over must not make whole regions vanish.
constexpr unsigned shortest_v4 = 8, shortest_v6 = 16;

bool is_wide(const base::Prefix& prefix) noexcept {
  return prefix.length() < (prefix.address().is_v4() ? shortest_v4 : shortest_v6);
}

// About some clients and every name: a feed cannot know who they are.
bool is_of_client(const Rule& rule) noexcept {
  return rule.domain.is_root() && rule.pattern.empty() && !rule.clients.empty();
}

}  // namespace

ListSink::ListSink(const ListSettings& list, ListParser::OnRule on_rule)
    : list_(list), on_rule_(std::move(on_rule)) {
  plain_.action = list_.allows ? RuleAction::allow : RuleAction::block;
}

void ListSink::fault(LineFault fault) noexcept {
  const auto at = static_cast<std::size_t>(fault);
  if (report_.faults[at]++ == 0) report_.first[at] = line_;
}

void ListSink::plain(std::string_view name, Rule::Reach reach) {
  if (!read_domain(name, plain_.domain)) return fault(LineFault::bad_name);
  plain_.reach = reach;
  if (refuses(plain_)) return;
  if (holds_) flush();
  plain_.line = line_;
  give(plain_, false);
}

void ListSink::give(const Rule& rule, bool badfilter) {
  if (!badfilter) ++report_.rules;
  on_rule_(rule, badfilter);
}

void ListSink::flush() {
  if (holds_) give(held_, false);
  holds_ = false;
}

// Says the same of the same name, but for the records?
bool ListSink::joins_held(const Rule& rule) {
  if (!holds_ || !(rule.domain == held_.domain) || rule.reach != held_.reach ||
      rule.important != held_.important || rule.pattern != held_.pattern ||
      held_.addresses.size() + held_.records.size() >= max_held)
    return false;
  const auto conditions = [](const Rule& of) {
    return std::tie(of.types, of.not_types, of.clients, of.not_clients, of.tags, of.not_tags,
                    of.deny_allow, of.answer_prefixes);
  };
  if (conditions(rule) != conditions(held_)) return false;
  held_.addresses.insert(held_.addresses.end(), rule.addresses.begin(), rule.addresses.end());
  held_.records.insert(held_.records.end(), rule.records.begin(), rule.records.end());
  return true;
}

// An exception inside its own list harms nobody; a rewrite or a forward needs trust anyway.
bool ListSink::is_guarded(const Rule& rule) const noexcept {
  if (list_.force || rule.reach == Rule::Reach::exact || !rule.pattern.empty()) return false;
  if (rule.action == RuleAction::rewrite || rule.action == RuleAction::forward) return false;
  return rule.action != RuleAction::allow || (list_.allows && !list_.trusted);
}

bool ListSink::refuses(const Rule& rule) noexcept {
  const bool redirects = rule.action == RuleAction::rewrite || rule.action == RuleAction::forward;
  // An important exception overrides the other lists.
  const bool overrides = rule.action == RuleAction::allow && rule.important && !list_.allows;
  if (!list_.trusted && (redirects || overrides || is_of_client(rule)))
    return fault(LineFault::not_trusted), true;
  if (!is_guarded(rule) || is_of_client(rule)) return false;
  bool wide = false;
  if (rule.answer_prefixes.empty()) wide = suffixes_.contains(rule.domain);
  for (const base::Prefix& prefix : rule.answer_prefixes) wide = wide || is_wide(prefix);
  if (wide) fault(LineFault::public_suffix);
  return wide;
}

void ListSink::emit(Rule& rule, bool badfilter) {
  if (list_.allows && rule.action != RuleAction::rewrite && rule.action != RuleAction::forward)
    rule.action = RuleAction::allow;
  if (!badfilter && refuses(rule)) return;
  // Of a list that is not trusted: it would override the exceptions of the others.
  if (!list_.trusted) rule.important = false;
  rule.line = line_;
  const bool has_records = rule.action == RuleAction::rewrite && rule.cname.is_root() && !badfilter;
  if (has_records && joins_held(rule)) return;
  flush();
  if (!has_records) return give(rule, badfilter);
  held_ = rule;
  holds_ = true;
}

bool ListSink::set_pattern(Rule& rule, std::string expression, bool about_all) {
  const bool asked = patterns_ < max_patterns;
  if (asked) ++patterns_;
  const auto checked = asked ? check_pattern(expression) : PatternCheck::bad;
  if (checked == PatternCheck::bad) return fault(LineFault::bad_pattern), false;
  const bool blocks = rule.action != RuleAction::allow || (list_.allows && !list_.trusted);
  if (about_all && checked == PatternCheck::of_everything && blocks && !list_.force)
    return fault(LineFault::public_suffix), false;
  rule.pattern = std::move(expression);
  return true;
}

}  // namespace culvert::dns
