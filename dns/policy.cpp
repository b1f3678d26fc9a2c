#include "dns/policy.hpp"

#include <algorithm>

namespace culvert::dns {
namespace {

// The lists' bits in the table, which may be of other settings than the policy: by name.
ListMask mask_of(const std::vector<std::string>& names, const RuleTable* table) {
  ListMask mask;
  if (!table) return mask;
  const std::vector<std::string>& lists = table->lists();
  for (std::size_t i = 0; i < lists.size() && i < max_lists; ++i)
    if (std::find(names.begin(), names.end(), lists[i]) != names.end()) mask.set(i);
  return mask;
}

}  // namespace

CompiledPolicy::CompiledPolicy(std::shared_ptr<const Policy> policy, const RuleTable* table,
                               const NameKey& key, std::uint64_t generation)
    : policy_(std::move(policy)),
      generation_(generation),
      base_(mask_of(policy_->lists, table)),
      refuses_bypass_(policy_->refuses_bypass()) {
  for (const std::string& name : policy_->allow) names_.add(name, NameSet::allow);
  for (const std::string& name : policy_->block) names_.add(name, NameSet::block);
  const std::size_t schedules = std::min(policy_->schedules.size(), max_schedules);
  for (std::size_t i = 0; i < schedules; ++i) {
    const Schedule& schedule = policy_->schedules[i];
    of_schedule_.push_back(mask_of(schedule.lists, table));
    for (const std::string& name : schedule.block) names_.add(name, NameSet::schedule0 << i);
    if (schedule.everything) everything_ |= std::uint64_t(1) << i;
  }
  names_.build(key);
}

ListMask CompiledPolicy::lists(std::uint64_t schedules) const noexcept {
  ListMask mask = base_;
  for (std::size_t i = 0; schedules != 0 && i < of_schedule_.size(); ++i, schedules >>= 1)
    if (schedules & 1) mask |= of_schedule_[i];
  return mask;
}

ListRights list_rights(const std::vector<ListSettings>& lists, const RuleTable* table) {
  std::vector<std::string> reaching, trusted;
  for (const ListSettings& list : lists) {
    if (list.trusted || list.allows) reaching.push_back(list.name);
    if (list.trusted) trusted.push_back(list.name);
  }
  return {mask_of(reaching, table), mask_of(trusted, table)};
}

}  // namespace culvert::dns
