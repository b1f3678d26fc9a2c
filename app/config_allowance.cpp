// How much, how fast and when: the keys of groups and peers that limit what a client uses.
//
// A group's quota comes in parts (QuotaTerms) because a peer may override each of them and keep the
// others. The parts are joined, and judged, where the last of them was read.
#include <fmt/format.h>

#include "app/config_policy.hpp"
#include "app/config_units.hpp"

namespace culvert::app {
namespace {

constexpr std::uint64_t smallest_quota = 1000'000, largest_quota = 1000'000'000'000'000'000;

// The keys of one quota.
struct Keys {
  const char *quota, *action, *reset_day, *throttle_down, *throttle_up;
};

constexpr Keys own_keys{"quota", "quota_action", "quota_reset_day", "throttle_down", "throttle_up"};
constexpr Keys total_keys{"total_quota", "total_quota_action", "total_quota_reset_day",
                          "total_throttle_down", "total_throttle_up"};

void read_amount(TableReader& table, const char* key, QuotaTerms& terms) {
  std::string text;
  if (!table.string(key, text)) return;
  const auto before = terms.amount;
  terms.amount.reset();
  if (trim(text).empty()) return;
  const auto read = parse_quota(text);
  if (!read || read->bytes < smallest_quota || read->bytes > largest_quota)
    return table.wrong(key, *table.take(key),
                       "at least 1MB per day, week or month, such as \"200GB/month\", or \"\" for "
                       "no quota");
  terms.amount = read;
  // The 5th of a month is not the 5th day of a week.
  if (before && before->period != read->period) terms.reset_day.reset();
}

void read_terms(TableReader& table, const Keys& keys, QuotaTerms& terms) {
  read_amount(table, keys.quota, terms);
  std::string action = "block";
  if (table.choice(keys.action, action, {"block", "throttle"}))
    terms.throttle = action == "throttle";
  table.rate(keys.throttle_down, terms.throttle_down);
  table.rate(keys.throttle_up, terms.throttle_up);
  if (unsigned day = 1; table.number(keys.reset_day, day, 1, 31)) terms.reset_day = day;
}

class Judge {
 public:
  Judge(TableReader& table, const Keys& keys, const QuotaTerms& terms, Findings& findings)
      : table_(table), keys_(keys), terms_(terms), findings_(findings) {}

  void run(const char* down_key, std::uint64_t down, const char* up_key, std::uint64_t up) {
    throttle(keys_.throttle_down, terms_.throttle_down, down_key, down);
    throttle(keys_.throttle_up, terms_.throttle_up, up_key, up);
    const Node* const day = table_.take(keys_.reset_day);
    if (day == nullptr || !terms_.amount || !terms_.reset_day) return;
    if (terms_.amount->period == Quota::Period::day)
      table_.wrong(keys_.reset_day, *day, "none: a quota per day is reset at midnight");
    else if (terms_.amount->period == Quota::Period::week && *terms_.reset_day > 7)
      table_.wrong(keys_.reset_day, *day, "1 (Monday) to 7 for a quota per week");
  }

  // Terms that bind nobody.
  void need_amount() {
    if (terms_.amount) return;
    for (const char* key : {keys_.action, keys_.reset_day, keys_.throttle_down, keys_.throttle_up})
      if (const Node* const at = table_.take(key); at != nullptr && !at->text.empty())
        return findings_.error(at->place,
                               fmt::format("{} without a quota, expected {} as well, such as "
                                           "\"200GB/month\"",
                                           table_.full(key), table_.full(keys_.quota)));
  }

 private:
  void throttle(const char* key, std::uint64_t rate, const char* limit_key, std::uint64_t limit) {
    const Node* const at = table_.take(key);
    if (at != nullptr && rate != 0 && !terms_.throttle)
      return findings_.error(at->place, fmt::format("{} without {} = \"throttle\"",
                                                    table_.full(key), table_.full(keys_.action)));
    if (!terms_.throttle) return;
    const Node* const action = table_.take(keys_.action);
    if (const Node* const cause = at != nullptr ? at : action; cause != nullptr && rate == 0)
      findings_.error(cause->place, fmt::format("{} = \"throttle\", expected {} as well, such as "
                                                "\"1mbit\"",
                                                table_.full(keys_.action), table_.full(key)));
    const Node* const bound = table_.take(limit_key);
    if (const Node* const cause = at != nullptr ? at : bound;
        cause != nullptr && limit != 0 && rate > limit)
      findings_.error(cause->place,
                      fmt::format("{} ({} bit/s) is more than {} ({} bit/s), expected less",
                                  table_.full(key), rate, table_.full(limit_key), limit));
  }

  TableReader& table_;
  const Keys& keys_;
  const QuotaTerms& terms_;
  Findings& findings_;
};

std::optional<Quota> joined(const QuotaTerms& terms) {
  std::optional<Quota> quota = terms.amount;
  if (!quota) return quota;
  if (quota->period != Quota::Period::day) quota->reset_day = terms.reset_day.value_or(1);
  if (terms.throttle) quota->over_down = terms.throttle_down, quota->over_up = terms.throttle_up;
  return quota;
}

void read_expiry(TableReader& table, const control::Calendar& calendar, Policy& policy,
                 Findings& findings) {
  const Node* const node = table.take("expires");
  if (node == nullptr) return;
  const bool text = node->kind == Node::Kind::string;
  policy.expires.reset();
  if (text && trim(node->text).empty()) return;
  if (text || node->kind == Node::Kind::other) policy.expires = calendar.parse(trim(node->text));
  if (!policy.expires)
    return table.wrong("expires", *node,
                       "a date, such as \"2026-12-31\" (its end), or a date and a time, such as "
                       "\"2026-12-31 18:00\", or \"\" for never");
  if (*policy.expires <= base::WallTime(std::chrono::system_clock::now()))
    findings.warn(node->place, fmt::format("{} = {} has passed: nothing goes through",
                                           table.full("expires"), shown(*node)));
}

void read_hours(TableReader& table, Policy& policy) {
  std::string text;
  if (!table.string("hours", text)) return;
  policy.hours = {};
  if (trim(text).empty()) return;
  if (auto hours = control::Hours::parse(text))
    policy.hours = std::move(*hours);
  else
    table.wrong("hours", *table.take("hours"),
                "hours of the week, such as \"mon-fri 08:00-20:00, sat 10:00-14:00\", or \"\" for "
                "always");
}

}  // namespace

void read_allowance(TableReader& table, Whose whose, const control::Calendar& calendar,
                    Policy& policy, QuotaTerms& terms, Findings& findings) {
  const Keys& keys = own_keys;
  table.rate("down", policy.down);
  table.rate("up", policy.up);
  read_terms(table, keys, terms);
  Judge judge(table, keys, terms, findings);
  judge.run("down", policy.down, "up", policy.up);
  if (whose == Whose::peer) judge.need_amount();
  policy.quota = joined(terms);
  read_expiry(table, calendar, policy, findings);
  read_hours(table, policy);
}

void read_totals(TableReader& table, GroupConfig& group, Findings& findings) {
  const Keys& keys = total_keys;
  QuotaTerms terms;
  table.rate("total_down", group.total_down);
  table.rate("total_up", group.total_up);
  read_terms(table, keys, terms);
  Judge judge(table, keys, terms, findings);
  judge.run("total_down", group.total_down, "total_up", group.total_up);
  judge.need_amount();
  group.total_quota = joined(terms);
}

}  // namespace culvert::app
