// Limits, quotas, dates and hours of groups and peers; the settings of the control plane.
#include <cstdlib>
#include <filesystem>

#include "app/config.hpp"
#include "control/calendar.hpp"
#include "tests/app/command.hpp"

using namespace culvert::app;
using namespace culvert::test;
using culvert::control::AdmissionSettings;
using culvert::control::EventKind;
using namespace std::chrono_literals;

namespace {

constexpr const char* private_key = "QGrqY9/5cI8gVFG4wQBu9fMbHjlRk3YjC8oF6oZpWVs=";
constexpr const char* key_a = "xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg=";
constexpr const char* token = "a-token-of-thirty-two-characters";

// Four lines; `line5`; `rest` starts at line 6.
std::string server(const std::string& rest = "", const std::string& line5 = "") {
  return "[server]\nprivate_key = \"" + std::string(private_key) +
         "\"\naddress = \"10.8.0.1/24\"\nstate_dir = \"s\"\n" + line5 + "\n" + rest;
}

// [group.g] with `group` from line 7 on, and a member with `peer`.
std::string both(const std::string& group, const std::string& peer = "") {
  return server("[group.g]\n" + group + "\n[[peer]]\npublic_key = \"" + key_a +
                "\"\nallowed_ips = \"10.8.0.2\"\ngroup = \"g\"\n" + peer + "\n");
}

std::string all(const Loaded& loaded) {
  std::string text;
  for (const Finding& finding : loaded.findings) text += finding.to_string() + "\n";
  return text;
}

std::unique_ptr<Config> good(const std::string& text) {
  Loaded loaded = load_config_text(text, "f", {});
  INFO(text << all(loaded));
  REQUIRE(loaded.config != nullptr);
  CHECK(loaded.findings.empty());
  return std::move(loaded.config);
}

struct Case {
  std::string text, place, says;
};

void check_findings(const std::vector<Case>& table, bool fatal) {
  for (const Case& each : table) {
    const Loaded loaded = load_config_text(each.text, "f", {});
    INFO(each.text << "\nexpected " << each.place << ": " << each.says << "\n" << all(loaded));
    CHECK((loaded.config == nullptr) == fatal);
    bool found = false;
    for (const Finding& finding : loaded.findings)
      found = found || (finding.fatal == fatal && finding.place == each.place &&
                        finding.text.find(each.says) != std::string::npos);
    CHECK(found);
  }
}

}  // namespace

TEST_CASE("a group's limits and quota are its members', and a peer may override each of them") {
  const auto config = good(both(
      "down = \"50mbit\"\nup = \"10mbit\"\nquota = \"200GB/month\"\nquota_action = \"throttle\"\n"
      "throttle_down = \"1mbit\"\nthrottle_up = \"512kbit\"\nquota_reset_day = 15",
      "up = \"20mbit\"\nthrottle_up = \"2mbit\""));
  const Policy& policy = config->peers.at(0).policy;
  CHECK(policy.down == 50'000'000);
  CHECK(policy.up == 20'000'000);
  REQUIRE(policy.quota);
  CHECK(*policy.quota == Quota{200'000'000'000, Quota::Period::month, 15, 2'000'000, 1'000'000});
  CHECK(config->groups.at("g").quota->over_up == 512'000);
}

TEST_CASE("a group may say what happens and its members how much") {
  const auto config =
      good(both("quota_action = \"throttle\"\nthrottle_down = \"1mbit\"\nthrottle_up = \"1mbit\"\n"
                "quota_reset_day = 31",
                "quota = \"1GB/month\""));
  CHECK_FALSE(config->groups.at("g").quota);
  CHECK(*config->peers.at(0).policy.quota ==
        Quota{1'000'000'000, Quota::Period::month, 31, 1'000'000, 1'000'000});
}

TEST_CASE("a peer's quota of another period does not keep the group's reset day") {
  const auto config = good(both("quota = \"9GB/month\"\nquota_reset_day = 5",
                                "quota = \"1GB/week\"\nquota_action = \"block\""));
  CHECK(config->peers.at(0).policy.quota->reset_day == 1);
}

TEST_CASE("an empty text takes away what a group has") {
  const auto config = good(
      both("down = \"1mbit\"\nquota = \"1GB/day\"\nexpires = \"2200-01-01\"\nhours = \"8:00-9:00\"",
           "down = \"\"\nquota = \"\"\nexpires = \"\"\nhours = \"\""));
  const Policy& policy = config->peers.at(0).policy;
  CHECK(policy.down == 0);
  CHECK_FALSE(policy.quota);
  CHECK_FALSE(policy.expires);
  CHECK(policy.hours.empty());
  CHECK(config->groups.at("g").quota);
}

TEST_CASE("totals are of the group and not of its members") {
  const auto config =
      good(both("total_down = \"100mbit\"\ntotal_up = \"50mbit\"\ntotal_quota = \"1TB/week\"\n"
                "total_quota_action = \"throttle\"\ntotal_throttle_down = \"5mbit\"\n"
                "total_throttle_up = \"5mbit\"\ntotal_quota_reset_day = 7"));
  const GroupConfig& group = config->groups.at("g");
  CHECK(group.total_down == 100'000'000);
  CHECK(group.total_up == 50'000'000);
  CHECK(*group.total_quota ==
        Quota{1'000'000'000'000, Quota::Period::week, 7, 5'000'000, 5'000'000});
  CHECK_FALSE(config->peers.at(0).policy.quota);
  CHECK(config->peers.at(0).policy.down == 0);
}

TEST_CASE("dates are texts or TOML's own, in the time zone of accounting") {
  const auto expiry = [](const std::string& value) {
    const auto config =
        good(both("expires = " + value) + "[accounting]\ntime_zone = \"Europe/Berlin\"\n");
    return config->calendar->to_string(*config->peers.at(0).policy.expires);
  };
  CHECK(expiry("\"2036-12-30\"") == "2036-12-31T00:00:00+01:00");
  CHECK(expiry("2036-12-30") == "2036-12-31T00:00:00+01:00");
  CHECK(expiry("2036-07-01 18:00:00") == "2036-07-01T18:00:00+02:00");
  CHECK(expiry("2036-07-01T18:00:00Z") == "2036-07-01T20:00:00+02:00");
  CHECK(expiry("2036-07-01T18:00:00-05:00") == "2036-07-02T01:00:00+02:00");
  const Loaded set = load_config_text(both(""), "f", {{"group.g.expires", "2036-12-30"}});
  INFO(all(set));
  REQUIRE(set.config != nullptr);
  CHECK(set.config->peers.at(0).policy.expires);
}

TEST_CASE("what makes no sense of limits and quotas is refused where it stands") {
  const std::string throttle = "quota_action = \"throttle\"\n";
  check_findings(
      {
          {both("down = \"7kbit\""), "f:7", "group.g.down = \"7kbit\", expected a rate from 8kbit"},
          {both("up = \"2000gbit\""), "f:7", "expected a rate from 8kbit to 1000gbit"},
          {both("down = 1000000"), "f:7", "expected a rate"},
          {both("quota = \"0/month\""), "f:7", "expected at least 1MB per day"},
          {both("quota = \"999kB/day\""), "f:7", "expected at least 1MB per day"},
          {both("quota = \"1GB/year\""), "f:7", "expected at least 1MB per day, week or month"},
          {both("quota = \"1GB/day\"\nquota_reset_day = 1"), "f:8",
           "group.g.quota_reset_day = 1, expected none: a quota per day"},
          {both("quota = \"1GB/week\"\nquota_reset_day = 8"), "f:8", "expected 1 (Monday) to 7"},
          {both("quota = \"1GB/month\"\nquota_reset_day = 32"), "f:8", "whole number from 1 to 31"},
          {both("quota = \"1GB/month\"\nquota_reset_day = 0"), "f:8", "whole number from 1 to 31"},
          {both("quota_action = \"cut\""), "f:7", "expected one of block, throttle"},
          {both("quota = \"1GB/day\"\n" + throttle + "throttle_up = \"1mbit\""), "f:8",
           "expected group.g.throttle_down as well"},
          {both("throttle_up = \"1mbit\""), "f:7",
           "group.g.throttle_up without group.g.quota_action = \"throttle\""},
          {both("down = \"1mbit\"\n" + throttle +
                "throttle_up = \"1mbit\"\nthrottle_down = \"2mbit\""),
           "f:10", "group.g.throttle_down (2000000 bit/s) is more than group.g.down (1000000"},
          {both(throttle + "throttle_up = \"9mbit\"\nthrottle_down = \"9mbit\"",
                "quota = \"1GB/day\"\nup = \"8mbit\""),
           "f:15", "peer.throttle_up (9000000 bit/s) is more than peer.up (8000000 bit/s)"},
          {both("", "quota_action = \"block\""), "f:12", "peer.quota_action without a quota"},
          {both("total_quota_reset_day = 3"), "f:7",
           "group.g.total_quota_reset_day without a quota, expected group.g.total_quota"},
          {both("", "total_down = \"1mbit\""), "f:12", "unknown key peer.total_down"},
          {both("expires = \"tomorrow\""), "f:7",
           "group.g.expires = \"tomorrow\", expected a date"},
          {both("expires = 18:00:00"), "f:7", "group.g.expires = 18:00:00, expected a date"},
          {both("expires = 5"), "f:7", "expected a date"},
          {both("hours = \"8-20\""), "f:7", "group.g.hours = \"8-20\", expected hours of the week"},
          {server("[group.\"a/b\"]\n"), "f:6", "the name of a group"},
      },
      true);
}

TEST_CASE("what is of no use is warned of") {
  check_findings(
      {
          {both("expires = \"2001-01-01\""), "f:7", "has passed: nothing goes through"},
          {both("total_down = \"1mbit\"\ndown = \"2mbit\""), "f:7",
           "group.g.total_down is less than the down of each member"},
          {both("total_up = \"1mbit\"", "up = \"2mbit\""), "f:8",
           "group.g.total_up is less than the up of peer"},
          {both("total_quota = \"20GB/month\"\nquota = \"1GB/day\""), "f:7",
           "group.g.total_quota is less than the quota of each member"},
          {server("", "http = \"0.0.0.0:9586\""), "f:5", "has no TLS: the metrics are open"},
          {server("", "http = \"0.0.0.0:9586\"\nhttp_token = \"" + std::string(token) + "\""),
           "f:5", "http_token is readable"},
          {"[server]\nprivate_key = \"" + std::string(private_key) +
               "\"\naddress = \"10.8.0.1/24\"\nstate_dir = \"\"\n[group.g]\nquota = \"1GB/day\"\n",
           "f:4", "a restart begins them anew"},
      },
      false);
}

TEST_CASE("the control plane's settings") {
  const Folder folder;
  const std::string secret = folder.write("secret", "a secret of the hook\n");
  const std::string file = folder / "culvert.toml";
  const std::string text = server(
      "[accounting]\ntime_zone = \"Asia/Tokyo\"\ndatabase = \"sqlite3://usage.db\"\n"
      "active_timeout = \"1m\"\ntop_destinations = 0\nkeep_minutes = \"1d\"\nkeep_hours = \"30d\"\n"
      "keep_days = \"366d\"\nflow_log = { path = \"flows.jsonl\", rotate_at = \"1MiB\", keep = "
      "\"9MiB\" }\n"
      "ipfix = { collector = \"[::1]:4739\", observation_domain = 4294967295, template_interval = "
      "30 }\n"
      "[[webhook]]\nurl = \"https://example.org:8443/hook?x=y\"\nsecret_file = \"secret\"\n"
      "events = [\"quota\", \"peer_added\"]\n"
      "[[webhook]]\nurl = \"http://127.0.0.1\"\n"
      "[admission]\ncommand = [\"/bin/true\", \"x\"]\nttl = \"5m\"\ntimeout = 2\n"
      "on_failure = \"admit\"\n",
      "http_token = \"" + std::string(token) +
          "\"\nstatus_line = \"30s\"\nstatus_line_format = \"json\"");
  const Loaded loaded = load_config_text(text, file, {});
  INFO(all(loaded));
  REQUIRE(loaded.config != nullptr);
  const auto& control = loaded.config->control;
  CHECK(control.token == token);
  CHECK(control.status_line.interval == 30s);
  CHECK(control.status_line.json);
  CHECK(loaded.config->calendar->zone() == "Asia/Tokyo");
  CHECK(control.accounting.database == "sqlite3://" + folder.path() + "/usage.db");
  CHECK(control.accounting.active_timeout == 60s);
  CHECK(control.accounting.top_destinations == 0);
  CHECK(control.accounting.keep_minutes == 24h);
  CHECK(control.accounting.keep_hours == 30 * 24h);
  CHECK(control.accounting.keep_days == 366 * 24h);
  CHECK(control.accounting.flow_log.path == folder / "flows.jsonl");
  CHECK(control.accounting.flow_log.rotate_at == 1 << 20);
  CHECK(control.accounting.flow_log.keep == 9 << 20);
  CHECK(control.accounting.ipfix.collector->to_string() == "[::1]:4739");
  CHECK(control.accounting.ipfix.observation_domain == 4294967295u);
  CHECK(control.accounting.ipfix.template_interval == 30s);
  REQUIRE(control.webhooks.size() == 2);
  CHECK(control.webhooks[0].secret == "a secret of the hook");
  CHECK(control.webhooks[0].events ==
        std::vector<EventKind>{EventKind::quota, EventKind::peer_added});
  CHECK(control.webhooks[1].events.empty());
  CHECK(control.admission.kind == AdmissionSettings::Kind::command);
  CHECK(control.admission.command == std::vector<std::string>{"/bin/true", "x"});
  CHECK(control.admission.ttl == 5min);
  CHECK(control.admission.fail_open);
  CHECK(loaded.config->state_dir == folder / "s");
  CHECK(loaded.config->control_socket == folder / "s/control.sock");
}

TEST_CASE("the control socket stands in a state directory that is relative to the file") {
  const Loaded loaded = load_config_text(server(), "some/culvert.toml", {}, Names::keep);
  REQUIRE(loaded.config);
  CHECK(loaded.config->state_dir == "some/s");
  CHECK(loaded.config->control_socket == "some/s/control.sock");
}

TEST_CASE("a home that cannot be written is a warning, and nothing persists") {
  const char* const before = std::getenv("XDG_STATE_HOME");
  const std::string kept = before ? before : "";
  ::setenv("XDG_STATE_HOME", "/dev/null/nowhere", 1);
  std::string text = server();
  text.erase(text.find("state_dir"), std::string("state_dir = \"s\"").size());
  const Loaded loaded = load_config_text(text, "some/culvert.toml", {}, Names::keep);
  before ? ::setenv("XDG_STATE_HOME", kept.c_str(), 1) : ::unsetenv("XDG_STATE_HOME");
  REQUIRE(loaded.config);
  CHECK(loaded.config->state_dir.empty());
  CHECK(loaded.config->control_socket.empty());
  CHECK(all(loaded).find("/dev/null/nowhere/culvert cannot be written") != std::string::npos);
}

TEST_CASE("mistakes of the control plane's settings are named, and no secret is shown") {
  const Folder folder;
  const std::string open = folder.write("open", "token");
  std::filesystem::permissions(open, std::filesystem::perms(0644));
  const std::string accounting = "[accounting]\n", admission = "[admission]\n";
  const std::string hook = "[[webhook]]\n", url = "url = \"https://example.org\"\n";
  check_findings(
      {
          {server("", "http_token = \"short\""), "f:5", "server.http_token has 5 characters"},
          {server("", "http_token = \"sixteen characters\""), "f:5", "without spaces"},
          {server("", "http_token_file = \"" + open + "\""), "f:5", "has mode 0644, expected 0600"},
          {server("", "http = \"localhost:80\""), "f:5", "expected an address and a port"},
          {server("", "interface = \"a b\""), "f:5", "expected 1 to 15 letters"},
          {server("", "control_socket = \"/" + std::string(108, 'x') + "\""), "f:5",
           "has 109 bytes, expected at most 107"},
          {server("", "uapi_dir = \"/" + std::string(100, 'x') + "\""), "f:5",
           "expected at most 107"},
          {server("", "status_line = \"often\""), "f:5", "expected a duration"},
          {server(accounting + "time_zone = \"Mars/Olympus\"\n"), "f:7",
           "\"Mars/Olympus\" is not in this system's time zone database"},
          {server(accounting + "database = \"mysql://u:password@h/d\"\n"), "f:7",
           "accounting.database, expected \"sqlite3://PATH\" or \"postgresql://...\""},
          {server(accounting + "keep_days = \"1h\"\n"), "f:7", "expected a duration"},
          {server(accounting + "[accounting.flow_log]\nrotate_at = \"2MB\"\nkeep = \"1MB\"\n"),
           "f:9", "is less than rotate_at"},
          {server(accounting + "[accounting.ipfix]\ncollector = \"here\"\n"), "f:8",
           "expected an address or a host name, and a port"},
          {server(hook), "f:6", "webhook.url is missing"},
          {server(hook + "url = \"ftp://example.org\"\n"), "f:7", "expected \"https://HOST"},
          {server(hook + "url = \"http://user@example.org/\"\n"), "f:7", "expected \"https://HOST"},
          {server(hook + url + "events = [\"quotas\"]\n"), "f:8",
           "expected some of connect, disconnect, quota"},
          {server(hook + url + "ca_file = \"" + folder.path() + "/none\"\n"), "f:8",
           "cannot be opened"},
          {server(hook + url + "secret = \"a\"\nsecret_file = \"b\"\n"), "f:9",
           "either secret or secret_file"},
          {server(admission), "f:6", "no way to ask"},
          {server(admission + "command = [\"/bin/true\"]\n" + url), "f:6", "or two"},
          {server(admission + "command = [\"true\"]\n"), "f:7", "a program with its path"},
          {server(admission + "command = [\"/none/there\"]\n"), "f:7", "can be run"},
          {server(admission + url + "on_failure = \"open\"\n"), "f:8", "one of admit, refuse"},
          {server(admission + url + "timeout = 0\n"), "f:8", "expected a duration"},
      },
      true);
  for (const char* line : {"http_token = \"short\"", "http_token = [\"hidden\"]"}) {
    const std::string said = all(load_config_text(server("", line), "f", {}));
    CHECK(said.find("short") == std::string::npos);
    CHECK(said.find("hidden") == std::string::npos);
  }
  CHECK(
      all(load_config_text(server(accounting + "database = \"mysql://u:password@h/d\"\n"), "f", {}))
          .find("password") == std::string::npos);
}

TEST_CASE("the environment's METRICS variables are the status line") {
  const auto load = [](std::vector<std::pair<std::string, std::string>> more) {
    more.insert(more.end(), {{"WG_PRIVATE_KEY", private_key},
                             {"WG_PEERS", "0"},
                             {"WG_PEER_0_PUBLIC_KEY", key_a},
                             {"WG_PEER_0_ALLOWED_IPS", "10.8.0.2/32"}});
    return load_environment(
        [&](const char* name) -> const char* {
          for (const auto& [key, value] : more)
            if (key == name) return value.c_str();
          return nullptr;
        },
        {{"server.state_dir", ""}});
  };
  CHECK(load({}).config->control.status_line.interval == 0s);
  CHECK(load({{"METRICS_LOG", "1"}}).config->control.status_line.interval == 60s);
  CHECK(load({{"METRICS_LOG", "off"}}).config->control.status_line.interval == 0s);
  const auto both_set = load({{"METRICS_INTERVAL", "1m30s"}, {"METRICS_FORMAT", "JSON"}});
  CHECK(both_set.config->control.status_line.interval == 90s);
  CHECK(both_set.config->control.status_line.json);
  CHECK(load({{"METRICS_INTERVAL", "soon"}}).config == nullptr);
  CHECK(load({{"METRICS_FORMAT", "xml"}}).config == nullptr);
}
