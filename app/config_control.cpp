// The tree to control::Settings: [accounting], [[webhook]], [admission].
#include <fmt/format.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>

#include "app/config_files.hpp"
#include "app/config_policy.hpp"
#include "app/config_reader.hpp"
#include "base/secret.hpp"
#include "control/events.hpp"

namespace culvert::app {
namespace {

constexpr std::int64_t hour = 3600, day = 24 * hour, year = 366 * day;

void read_zone(TableReader& table, Config& config, Findings& findings) {
  std::string& zone = config.control.accounting.time_zone;
  table.string("time_zone", zone);
  auto opened = control::Calendar::open(zone);
  if (!opened) {
    findings.error(table.take("time_zone")->place,
                   "accounting.time_zone: " + opened.problem().fields.front().detail);
    opened = control::Calendar::open("UTC");
  }
  config.calendar = std::make_shared<const control::Calendar>(std::move(*opened));
}

void read_database(TableReader& table, Config& config, Findings& findings) {
  std::string& database = config.control.accounting.database;
  if (!table.string("database", database) || database.empty()) return;
  constexpr std::string_view sqlite = "sqlite3://";
  if (database.starts_with(sqlite) && database.size() > sqlite.size())
    database = std::string(sqlite) + path_of(config, database.substr(sqlite.size()));
  else if (!database.starts_with("postgresql://"))
    // It may hold a password.
    findings.error(table.take("database")->place,
                   "accounting.database, expected \"sqlite3://PATH\" or \"postgresql://...\"");
}

void read_keep(TableReader& table, const char* key, std::chrono::hours& field, std::int64_t low,
               std::int64_t high) {
  std::chrono::seconds seconds(field);
  if (table.seconds(key, seconds, low, high))
    field = std::chrono::ceil<std::chrono::hours>(seconds);
}

void read_flow_log(Node* node, Config& config, Findings& findings) {
  control::FlowLogSettings& log = config.control.accounting.flow_log;
  TableReader table(node, "accounting.flow_log", findings);
  if (table.string("path", log.path)) log.path = path_of(config, log.path);
  read_log_sizes(table, log.rotate_at, log.keep, findings);
  table.finish();
}

void read_collector(TableReader& table, Config& config) {
  std::string text;
  if (!table.string("collector", text) || text.empty()) return;
  const Node& node = *table.take("collector");
  if (!is_host_port(text))
    return table.wrong("collector", node,
                       "an address or a host name, and a port: \"192.0.2.1:4739\"");
  auto& collector = config.control.accounting.ipfix.collector;
  collector = base::Endpoint::parse(text);
  if (collector || config.names == Names::keep) return;
  if (const auto found = look_up(text, AF_UNSPEC))
    collector = *found;
  else
    table.wrong("collector", node, "a name that can be looked up now: " + found.error());
}

void read_ipfix(Node* node, Config& config, Findings& findings) {
  control::IpfixSettings& ipfix = config.control.accounting.ipfix;
  TableReader table(node, "accounting.ipfix", findings);
  read_collector(table, config);
  table.number("observation_domain", ipfix.observation_domain, 0, 0xffffffff);
  table.seconds("template_interval", ipfix.template_interval, 1, day);
  table.finish();
}

void read_accounting(Node* node, Config& config, Findings& findings) {
  control::AccountingSettings& accounting = config.control.accounting;
  TableReader table(node, "accounting", findings);
  read_zone(table, config, findings);
  read_database(table, config, findings);
  table.seconds("active_timeout", accounting.active_timeout, 1, day);
  table.number("top_destinations", accounting.top_destinations, 0, 10000);
  read_keep(table, "keep_minutes", accounting.keep_minutes, hour, year);
  read_keep(table, "keep_hours", accounting.keep_hours, day, 10 * year);
  read_keep(table, "keep_days", accounting.keep_days, 31 * day, 100 * year);
  read_flow_log(table.subtable("flow_log"), config, findings);
  read_ipfix(table.subtable("ipfix"), config, findings);
  table.finish();
}

void read_events(TableReader& table, std::vector<control::EventKind>& events) {
  for (const Node& node : table.strings("events")) {
    if (const auto kind = control::parse_event_kind(node.text)) {
      events.push_back(*kind);
      continue;
    }
    std::string known;
    for (int i = 0; i < 256; ++i) {
      const auto each = static_cast<control::EventKind>(i);
      const std::string_view name = control::to_string(each);
      if (control::parse_event_kind(name) != each) break;
      known += fmt::format("{}{}", known.empty() ? "" : ", ", name);
    }
    table.wrong("events", node, "some of " + known);
  }
}

// `url`, which has to be there; false if it is no good.
bool read_url(TableReader& table, std::string& url) {
  if (!table.string("url", url)) return false;
  if (is_url(url)) return true;
  table.wrong("url", *table.take("url"), "\"https://HOST[:PORT]/PATH\" or http://");
  return false;
}

void read_webhook(Node& node, Config& config, Findings& findings) {
  TableReader table(&node, "webhook", findings);
  control::WebhookSettings& hook = config.control.webhooks.emplace_back();
  if (!read_url(table, hook.url) && !table.has("url"))
    findings.error(node.place, "webhook.url is missing, expected \"https://HOST/PATH\"");
  hook.secret = read_secret(table, "secret", config, findings);
  read_events(table, hook.events);
  if (table.string("ca_file", hook.ca_file) && !hook.ca_file.empty()) {
    hook.ca_file = path_of(config, hook.ca_file);
    if (const auto file = read_file(hook.ca_file, 1 << 20); !file)
      findings.error(table.take("ca_file")->place, "webhook.ca_file: " + file.error());
    if (!hook.url.starts_with("https://"))
      table.wrong("ca_file", *table.take("ca_file"), "a url that starts with https://");
  }
  table.finish();
}

void read_program(TableReader& table, Config& config, Findings& findings) {
  control::AdmissionSettings& admission = config.control.admission;
  for (const Node& word : table.strings("command")) admission.command.push_back(word.text);
  if (admission.command.empty() || admission.command.front().find('/') == std::string::npos)
    return table.wrong("command", *table.take("command"),
                       "a program with its path, and its arguments: "
                       "[\"/usr/local/bin/admit\", \"--strict\"]");
  std::string& program = admission.command.front();
  program = path_of(config, program);
  if (::access(program.c_str(), X_OK) != 0)
    findings.error(table.take("command")->place,
                   fmt::format("admission.command: {} is no program that can be run",
                               shown(Node::string(program, ""))));
  admission.kind = control::AdmissionSettings::Kind::command;
}

void read_admission(Node* node, Config& config, Findings& findings) {
  control::AdmissionSettings& admission = config.control.admission;
  TableReader table(node, "admission", findings);
  const bool command = table.has("command"), url = table.has("url");
  table.known("command");
  table.known("url");
  if (node != nullptr && command == url)
    findings.error(node->place, "admission has no way to ask, or two, expected command or url");
  if (command) read_program(table, config, findings);
  if (url && read_url(table, admission.url))
    admission.kind = control::AdmissionSettings::Kind::http;
  admission.secret = read_secret(table, "secret", config, findings);
  if (command && !admission.secret.empty())
    findings.warn(table.place(), "admission.secret signs requests to a url: command has none");
  table.seconds("ttl", admission.ttl, 1, 30 * day);
  table.seconds("timeout", admission.timeout, 1, 60);
  std::string failure = "refuse";
  table.choice("on_failure", failure, {"admit", "refuse"});
  admission.fail_open = failure == "admit";
  table.finish();
}

}  // namespace

bool is_url(std::string_view text) {
  const bool plain = text.starts_with("http://");
  if ((!plain && !text.starts_with("https://")) || text.size() > 2000) return false;
  text.remove_prefix(plain ? 7 : 8);
  if (!std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < 127; }))
    return false;
  const std::string_view host = text.substr(0, text.find_first_of("/?"));
  const bool port = host.rfind(':') != std::string_view::npos && !host.ends_with(']');
  return text.find('#') == std::string_view::npos &&
         is_host_port(port ? std::string(host) : fmt::format("{}:80", host));
}

void read_log_sizes(TableReader& table, std::uint64_t& rotate_at, std::uint64_t& keep,
                    Findings& findings) {
  table.size("rotate_at", rotate_at, 64 << 10, std::uint64_t{1} << 40);
  table.size("keep", keep, 64 << 10, std::uint64_t{1} << 50);
  const Node* const at = table.take(table.has("keep") ? "keep" : "rotate_at");
  if (at != nullptr && keep < rotate_at)
    findings.error(at->place, fmt::format("{} = {} bytes is less than rotate_at = {}, "
                                          "expected room for one file at least",
                                          table.full("keep"), keep, rotate_at));
}

std::string read_secret(TableReader& table, const std::string& key, const Config& config,
                        Findings& findings) {
  const std::string file_key = key + "_file";
  Node* const here = table.take(key);
  Node* const file = table.take(file_key);
  std::string secret, name;
  if (here != nullptr && file != nullptr) {
    table.wrong(file_key, *file, fmt::format("either {} or {}", key, file_key));
  } else if (here != nullptr) {
    const bool text = here->kind == Node::Kind::string || here->bare;
    if (text && here->text.find_first_of(std::string_view("\n\r\0", 3)) == std::string::npos)
      secret = here->text;
    else
      findings.error(here->place, table.full(key) + ", expected one line of text in quotes");
    here->wipe();
  } else if (table.string(file_key, name)) {
    auto text = read_key_file(path_of(config, name));
    if (!text) {
      findings.error(file->place, fmt::format("{}: {}", table.full(file_key), text.error()));
      return {};
    }
    secret = std::string(trim(std::string_view(*text).substr(0, text->find('\n'))));
    base::wipe(std::as_writable_bytes(std::span(*text)));
    if (secret.empty())
      findings.error(file->place, fmt::format("{}: the first line of {} is empty",
                                              table.full(file_key), path_of(config, name)));
  }
  return secret;
}

void read_control(Node& root, Config& config, Findings& findings) {
  TableReader whole(&root, "", findings);
  read_accounting(whole.take("accounting"), config, findings);
  for (Node* node : whole.tables("webhook")) read_webhook(*node, config, findings);
  read_admission(whole.take("admission"), config, findings);
}

}  // namespace culvert::app
