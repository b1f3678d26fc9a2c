// Metrics of the lists of names and of the rules compiled of them.
#include "control/list_keeper.hpp"
#include "control/metrics_parts.hpp"

namespace culvert::control {

void list_metrics(Exposition& out, const ListKeeper& keeper) {
  const RulesStatus rules = keeper.rules();
  out.gauge("culvert_dns_rules", "Rules in force, of all lists");
  out.sample("", rules.rules);
  out.gauge("culvert_dns_rules_bytes", "Bytes of the rules in force, which the workers share");
  out.sample("", rules.bytes);
  out.gauge("culvert_dns_rules_ok", "1 if the rules in force are compiled of all that there is");
  out.sample("", std::uint64_t(rules.error.empty() && rules.awaited.empty()));
  const auto lists = keeper.lists();
  const auto each = [&](auto value) {
    for (const ListStatus& list : lists) out.sample(label("list", list.settings.name), value(list));
  };
  out.gauge("culvert_dns_list_rules", "Rules of the last good copy of the list");
  each([](const ListStatus& list) { return list.report.rules; });
  out.gauge("culvert_dns_list_updated_timestamp_seconds",
            "Unix time at which the list last changed");
  each([](const ListStatus& list) {
    const auto changed = list.changed.value_or(base::WallTime{});
    return std::chrono::duration<double>(changed.time_since_epoch()).count();
  });
  out.gauge("culvert_dns_list_checked_timestamp_seconds",
            "Unix time at which it was last looked for");
  each([](const ListStatus& list) {
    const auto checked = list.checked.value_or(base::WallTime{});
    return std::chrono::duration<double>(checked.time_since_epoch()).count();
  });
  out.gauge("culvert_dns_list_ok", "1 if the last look for it went well");
  each([](const ListStatus& list) { return std::uint64_t(list.error.empty()); });
  out.counter("culvert_dns_list_failures_total", "Looks for the list that brought no good copy");
  each([](const ListStatus& list) { return list.failures; });
}

}  // namespace culvert::control
