// A filter and one client of it, for tests.
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "dns/filter.hpp"
#include "tests/dns/answer_support.hpp"
#include "tests/dns/table_support.hpp"

namespace culvert::dns::test {

inline base::WallTime wall_at(std::int64_t seconds) {
  return base::WallTime(std::chrono::seconds(seconds));
}

// Lists, settings and a policy are set first, then asked; a change of `policy` needs use_policy().
struct World {
  Settings settings;
  Policy policy;
  base::PeerControls controls;
  base::PeerCounters counters;
  base::WallTime now = wall_at(1'000'000);
  std::unique_ptr<Filter> filter;
  std::unique_ptr<Client> client;

  World() { use({}); }
  explicit World(const std::vector<ListText>& lists, Policy with = {}) : policy(std::move(with)) {
    use(lists);
  }

  void use(const std::vector<ListText>& lists) {
    settings.lists.clear();
    for (const ListText& list : lists) settings.lists.push_back(settings_of(list));
    filter = std::make_unique<Filter>(settings);
    if (!lists.empty()) filter->set_table(make_table(lists));
    use_policy();
  }
  void use_policy() {
    ClientConfig config;
    config.name = "laptop";
    config.group = "family";
    config.addresses = {base::Prefix::parse("10.8.0.2/32").value(),
                        base::Prefix::parse("fd08::2/128").value()};
    config.policy = std::make_shared<const Policy>(policy);
    config.controls = &controls;
    client = std::make_unique<Client>(config, counters, settings.limits, base::Time{});
  }

  Verdict ask(std::string_view about, std::uint16_t type = type::a) {
    return filter->of_question(*client, name(about), type, now);
  }
  // In words: "pass", "pass peer_allow", "block list ads", "rewrite safe_search"...
  std::string say(std::string_view about, std::uint16_t type = type::a) {
    return words(ask(about, type));
  }
  std::string words(const Verdict& verdict) const {
    constexpr std::string_view whats[] = {"pass", "block", "rewrite", "forward", "local"};
    std::string out(whats[std::size_t(verdict.what)]);
    if (verdict.reason == Reason::none) return out;
    out += ' ' + std::string(to_string(verdict.reason));
    const bool of_list = verdict.reason == Reason::list || verdict.reason == Reason::answer_address;
    if (of_list) out += ' ' + filter->table()->lists().at(verdict.list);
    return out;
  }
};

inline Policy policy_of(std::vector<std::string> lists) {
  Policy policy;
  policy.lists = std::move(lists);
  return policy;
}

}  // namespace culvert::dns::test
