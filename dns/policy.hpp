// CompiledPolicy: a Policy against the present table and settings: names as hashes, lists as bits.
// Made by the Filter at the first question after a change of any of them, shared by all clients
// that have the same Policy object, immutable. Nothing here uses the heap once it is built.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "dns/name_set.hpp"
#include "dns/rule_table.hpp"
#include "dns/settings.hpp"

namespace culvert::dns {

class CompiledPolicy {
 public:
  // `table` may be null: no list says anything then.
  // `key`: of the paths that its names are asked by.
  CompiledPolicy(std::shared_ptr<const Policy> policy, const RuleTable* table, const NameKey& key,
                 std::uint64_t generation);

  const Policy& policy() const noexcept { return *policy_; }
  std::uint64_t generation() const noexcept { return generation_; }  // of the Filter

  // Allowed, blocked and schedules' names.
  const NameSet& names() const noexcept { return names_; }
  // Lists in force under these schedules (a bit each, as PeerControls::dns_schedules).
  ListMask lists(std::uint64_t schedules) const noexcept;
  // Those of the schedules that let no name be answered.
  std::uint64_t everything(std::uint64_t schedules) const noexcept {
    return schedules & everything_;
  }
  bool refuses_bypass() const noexcept { return refuses_bypass_; }

 private:
  std::shared_ptr<const Policy> policy_;
  std::uint64_t generation_;
  NameSet names_;
  ListMask base_;
  std::vector<ListMask> of_schedule_;
  std::uint64_t everything_ = 0;
  bool refuses_bypass_;
};

// What the lists of a table may do, from the settings: the same for all policies.
struct ListRights {
  // Its exceptions hold against other lists: trusted, or of kind "allow", which is there for that.
  ListMask reaches_others;
  ListMask trusted;  // its rules may be important, rewrite and forward
};
ListRights list_rights(const std::vector<ListSettings>& lists, const RuleTable* table);

}  // namespace culvert::dns
