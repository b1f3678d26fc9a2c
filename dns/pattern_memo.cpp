#include "dns/pattern_memo.hpp"

#include <algorithm>

namespace culvert::dns {

void PatternMemo::forget() {
  entries_.clear();
  now_ = 0;
}

std::span<const std::uint32_t> PatternMemo::find(const RuleTable& table, const Name& name) {
  if (entries_.empty()) entries_.resize(sets * ways);
  if (++now_ == 0) {  // after 2^32 questions the order is lost: begin anew
    std::fill(entries_.begin(), entries_.end(), Entry{});
    now_ = 1;
  }
  const std::uint64_t hash = NameHash{}(name);
  const std::span<Entry> set = std::span(entries_).subspan(hash % sets * ways, ways);
  Entry* oldest = &set[0];
  for (Entry& each : set) {
    if (each.used != 0 && each.hash == hash) {
      each.used = now_;
      return std::span(each.rules).first(each.count);
    }
    if (each.used < oldest->used) oldest = &each;
  }
  found_.clear();
  table.find_patterns(name, found_);
  if (found_.size() > most) return found_;  // asked again each time: rules that fit are few
  oldest->hash = hash;
  oldest->used = now_;
  oldest->count = static_cast<std::uint32_t>(found_.size());
  std::copy(found_.begin(), found_.end(), oldest->rules.begin());
  return found_;
}

}  // namespace culvert::dns
