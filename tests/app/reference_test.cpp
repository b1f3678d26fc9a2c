// docs/CONFIGURATION.md and the file that init writes name every key that the reader knows, and the
// defaults are what they say.
#include <algorithm>
#include <cctype>
#include <sstream>

#include "app/config.hpp"
#include "app/init_template.hpp"
#include "tests/app/command.hpp"

using namespace culvert::app;
using namespace culvert::test;

namespace {

constexpr const char* key = "QGrqY9/5cI8gVFG4wQBu9fMbHjlRk3YjC8oF6oZpWVs=";
constexpr const char* other_key = "xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg=";

std::vector<std::string> parts(const std::string& text, const std::string& apart) {
  std::vector<std::string> out;
  for (std::size_t from = 0, at = 0; at != std::string::npos; from = at + apart.size()) {
    at = text.find(apart, from);
    out.push_back(text.substr(from, at == std::string::npos ? at : at - from));
  }
  return out;
}

// The reader itself says what it knows when a key is far from all of them.
std::vector<std::string> known_keys(const std::string& section) {
  const Loaded loaded = load_config_text(section + "\nqqqqqqqq = 1\n", "f", {});
  const std::string expected = "expected one of ";
  for (const Finding& finding : loaded.findings)
    if (const auto at = finding.text.find(expected);
        finding.text.find("unknown key") == 0 && at != std::string::npos)
      return parts(finding.text.substr(at + expected.size()), ", ");
  return {};
}

// `# key = value   # why` of the template, without the mark; the other comments stay.
std::string all_lines_of(const std::string& text) {
  std::string out, line;
  std::istringstream lines(text);
  while (std::getline(lines, line)) {
    const bool setting = line.size() > 2 && line.compare(0, 2, "# ") == 0 &&
                         (line[2] == '[' || (std::islower(static_cast<unsigned char>(line[2])) &&
                                             line.find(" = ") != std::string::npos &&
                                             line.find(' ', 2) == line.find(" = ")));
    out += (setting ? line.substr(2) : line) + "\n";
  }
  return out;
}

}  // namespace

TEST_CASE("the reference of the configuration has a row for every key of every section") {
  const std::string document = content(CULVERT_REFERENCE);
  const std::pair<const char*, const char*> sections[] = {
      {"[server]", "## `[server]`"},
      {"[egress]", "## `[egress]`"},
      {"[limits]", "## `[limits]`"},
      {"[dns]", "## `[dns]`"},
      {"[[dns.list]]", "## `[dns]`"},
      {"[[dns.route]]", "## `[dns]`"},
      {"[[dns.record]]", "## `[dns]`"},
      {"[[dns.schedule]]", "## `[dns]`"},
      {"[dns.cache]", "## `[dns]`"},
      {"[dns.limits]", "## `[dns]`"},
      {"[dns.query_log]", "## `[dns]`"},
      {"[group.g]", "## `[group.NAME]`"},
      {"[accounting]", "## `[accounting]`"},
      {"[accounting.flow_log]", "## `[accounting.flow_log]`"},
      {"[accounting.ipfix]", "## `[accounting.ipfix]`"},
      {"[[webhook]]", "## `[[webhook]]`"},
      {"[admission]", "## `[admission]`"},
      {"[[peer]]", "## `[[peer]]`"},
      {"[[forward]]", "## `[[forward]]`"}};
  for (const auto& [section, title] : sections) {
    const auto start = document.find(title);
    INFO(title);
    REQUIRE(start != std::string::npos);
    const std::string chapter = document.substr(start, document.find("\n## ", start) - start);
    const auto keys = known_keys(section);
    CHECK(keys.size() >= 2);
    for (const std::string& name : keys) {
      INFO(section << " " << name);
      CHECK(chapter.find("`" + name + "`") != std::string::npos);
    }
  }
}

TEST_CASE("what init writes shows the defaults: with every line switched on nothing changes") {
  const std::string text = init_template({51820, "vpn.example.org:51820", "phone", other_key, key});
  const auto settings = std::vector<Setting>{
      {"server.private_key", key}, {"server.state_dir", ""}, {"peer", "[]"}, {"forward", "[]"}};
  const Loaded plain = load_config_text(text, "f", settings);
  const std::string lines = all_lines_of(text);
  INFO(lines);
  const Loaded full = load_config_text(lines, "f", settings);
  for (const Finding& finding : full.findings) UNSCOPED_INFO(finding.to_string());
  REQUIRE(plain.config != nullptr);
  REQUIRE(full.config != nullptr);
  const auto& limits = full.config->limits;
  const auto& defaults = plain.config->limits;
  CHECK(limits.tcp_flows == defaults.tcp_flows);
  CHECK(limits.tcp_dials == defaults.tcp_dials);
  CHECK(limits.new_flows_per_second == defaults.new_flows_per_second);
  CHECK(limits.new_flows_burst == defaults.new_flows_burst);
  CHECK(limits.udp_mappings == defaults.udp_mappings);
  CHECK(limits.echo_per_second == defaults.echo_per_second);
  CHECK(limits.tcp_flows_total == defaults.tcp_flows_total);
  CHECK(limits.tcp_dials_total == defaults.tcp_dials_total);
  CHECK(limits.new_flows_per_second_total == defaults.new_flows_per_second_total);
  CHECK(limits.udp_mappings_total == defaults.udp_mappings_total);
  CHECK(limits.reserved_descriptors == defaults.reserved_descriptors);
  CHECK(limits.tcp_idle == defaults.tcp_idle);
  CHECK(limits.tcp_half_closed == defaults.tcp_half_closed);
  CHECK(limits.tcp_dial == defaults.tcp_dial);
  CHECK(limits.tcp_no_progress == defaults.tcp_no_progress);
  CHECK(limits.tcp_no_progress_crowded == defaults.tcp_no_progress_crowded);
  CHECK(limits.udp_idle == defaults.udp_idle);
  CHECK(limits.udp_idle_dns == defaults.udp_idle_dns);
  CHECK(limits.echo_idle == defaults.echo_idle);
  CHECK(full.config->receive_window_max == plain.config->receive_window_max);
  CHECK(full.config->send_buffer_max == plain.config->send_buffer_max);
  CHECK(full.config->window_budget == plain.config->window_budget);
  CHECK(full.config->mtu == plain.config->mtu);
  CHECK(full.config->interface == plain.config->interface);
  CHECK(full.config->uapi_dir == plain.config->uapi_dir);
  CHECK(full.config->http == plain.config->http);
  const auto& control = full.config->control;
  const auto& control_defaults = plain.config->control;
  CHECK(control.status_line.interval == control_defaults.status_line.interval);
  CHECK(control.status_line.json == control_defaults.status_line.json);
  CHECK(control.accounting.active_timeout == control_defaults.accounting.active_timeout);
  CHECK(control.accounting.top_destinations == control_defaults.accounting.top_destinations);
  CHECK(control.accounting.keep_minutes == control_defaults.accounting.keep_minutes);
  CHECK(control.accounting.keep_hours == control_defaults.accounting.keep_hours);
  CHECK(control.accounting.keep_days == control_defaults.accounting.keep_days);
  CHECK(control.accounting.flow_log.path == control_defaults.accounting.flow_log.path);
  CHECK(control.accounting.flow_log.rotate_at == control_defaults.accounting.flow_log.rotate_at);
  CHECK(control.accounting.flow_log.keep == control_defaults.accounting.flow_log.keep);
  CHECK_FALSE(control.accounting.ipfix.collector);
  CHECK(control.accounting.ipfix.observation_domain ==
        control_defaults.accounting.ipfix.observation_domain);
  CHECK(control.accounting.ipfix.template_interval ==
        control_defaults.accounting.ipfix.template_interval);
  CHECK(full.config->gso == plain.config->gso);
  CHECK(full.config->sandbox == plain.config->sandbox);
  CHECK(full.config->overlay == plain.config->overlay);
}
