// The inside of Filter, shared by filter.cpp and filter_explain.cpp; nobody else includes it.
#pragma once

#include <memory>
#include <unordered_map>

#include "dns/filter.hpp"
#include "dns/name_screen.hpp"
#include "dns/name_set.hpp"
#include "dns/pattern_memo.hpp"
#include "dns/policy.hpp"
#include "dns/rule_votes.hpp"

namespace culvert::dns {

// Without rules of strangers all names that are looked for are the operator's and our own: a key
// would defend nothing.
inline constexpr NameKey key_without_table{{0x9e3779b97f4a7c15, 0xbf58476d1ce4e5b9,
                                            0x94d049bb133111eb, 0xff51afd7ed558ccd}};

struct Filter::Impl {
  explicit Impl(const Settings& settings);

  void set_settings(const Settings& settings);
  void set_table(std::shared_ptr<const RuleTable> table);
  void hash_names();  // under the key of the table

  // A question's client as it stands now.
  struct Asked {
    const CompiledPolicy& policy;
    std::uint64_t schedules = 0;  // that hold now
    bool paused = false;

    bool everything() const noexcept { return policy.everything(schedules) != 0; }
    // What counts of the names of its policy.
    NameSet::Bits wanted() const noexcept {
      return NameSet::allow | NameSet::block | schedules << 8;
    }
  };
  Asked asked(Client& client, base::WallTime wall);
  const CompiledPolicy& compiled(Client& client);

  // The stages, in the order in which they are asked; each says whether it decided.
  bool by_canary(const Asked& asked, const NamePath& path, Verdict& out) const noexcept;
  bool by_names(const Asked& asked, const NameSet::Found& found, Verdict& out) const noexcept;
  // `silent`: lists that do not speak, but for their forwards. Exceptions and forwards are in `out`
  // with `false`.
  bool by_rules(const Client& client, const Asked& asked, const NamePath& path, std::uint16_t type,
                const ListMask& silent, Verdict& out);
  bool by_resolvers(const Asked& asked, const NamePath& path, Verdict& out) const noexcept;
  bool by_safe_search(const Asked& asked, const NamePath& path, Verdict& out) const noexcept;
  bool by_address(const Asked& asked, const base::IpAddress& address, const ListMask& silent,
                  Verdict& out) const noexcept;
  bool by_type(const Asked& asked, std::uint16_t type, Verdict& out) const noexcept;

  NamePath expect(const Client& client, const Name& name) const noexcept;
  Verdict question(Client& client, const NamePath& path, std::uint16_t type, base::WallTime wall,
                   const ListMask& silent);
  Verdict target(Client& client, const Name& name, std::uint16_t type, base::WallTime wall,
                 const ListMask& silent);
  Verdict address(Client& client, const Name& name, const base::IpAddress& address,
                  base::WallTime wall, const ListMask& silent);
  ListMask exceptions(Client& client, const Name& name, std::uint16_t type, base::WallTime wall);

  Explanation explain(Client& client, const Name& name, std::uint16_t type, base::WallTime wall);
  void hear_policy(const Asked& now, const NamePath& path, const Verdict& verdict,
                   std::vector<Explanation::Heard>& out) const;
  void hear_rules(Client& client, const Asked& now, const NamePath& path, std::uint16_t type,
                  const Verdict& verdict, std::vector<Explanation::Heard>& out);

  std::shared_ptr<const RuleTable> table;
  // Of every path that is made here: the table's, or any where there is none.
  NameKey key = key_without_table;
  std::uint64_t generation = 1;
  ListRights rights;
  NameScreen known_names;  // canaries, encrypted resolvers, safe search
  NameSet local_names;  // routes, records, the zone: names that may have private addresses
  bool canary_firefox = true, canary_apple = true, canary_ddr = true;
  std::vector<ListSettings> lists;
  PatternMemo memo;
  std::unordered_map<const Policy*, std::weak_ptr<const CompiledPolicy>> policies;

  const Name firefox, apple_mask, apple_mask_h2, ddr;
};

// Says of a verdict that this is why, and nothing else.
inline void decide(Verdict& out, Verdict::What what, Reason reason, RuleAction action,
                   unsigned labels = 0) noexcept {
  out = Verdict{};
  out.what = what;
  out.reason = reason;
  out.action = action;
  out.labels = static_cast<std::uint8_t>(labels);
}

}  // namespace culvert::dns
