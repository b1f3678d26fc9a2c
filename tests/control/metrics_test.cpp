#include "control/metrics.hpp"

#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <fstream>
#include <regex>
#include <set>
#include <sstream>

#include "control/exposition.hpp"
#include "tests/control/support/fake_lists.hpp"
#include "tests/control/support/fixed_ledger.hpp"
#include "tests/control/support/flow_source.hpp"
#include "tests/control/support/records.hpp"
#include "tests/support/catch.hpp"

using namespace culvert;
using namespace culvert::control;
using namespace std::chrono_literals;

namespace {

const base::Time now{1000s};

struct Node {
  FlowSource server;
  FixedLedger ledger;
  FlowRecorder recorder{AccountingSettings{}};
  ControlCounters counters;
  FakeLists lists;

  std::string page() {
    return metrics_text({server, ledger, recorder, [this] { return counters; }, 2048, &lists}, now);
  }
  // A node on which everything that can have a line has one.
  void fill(std::uint32_t peers) {
    server.info_.version = "0.1.0", server.info_.interface = "culvert0";
    for (unsigned i = 0; i < 2; ++i) {
      server.workers_.push_back({i, ::getpid(), true, "ipsec-mb", "on", "on", "landlock, seccomp"});
      base::WorkerCounters& worker = server.count_worker(i);
      worker.drops.add(base::Drop::bad_mac1, 3 + i);
      worker.tcp_max.set(1000), worker.tcp_open.set(7), worker.dials_max.set(10);
      worker.last_turn.set(std::uint64_t((now - 500ms).time_since_epoch().count()));
      for (const std::uint64_t ns : {500, 1000, 1001, 3'000'000}) worker.turns.add(ns);
    }
    GroupConfig group;
    group.name = "family", group.total_down = 80'000'000;
    server.groups_ = {group};
    ledger.group_quotas["family"] = quota(1000, 10);
    for (std::uint32_t i = 0; i < peers; ++i) fill_peer(i);
    counters.events = {{"connect", 5}};
    counters.webhooks = {{"https://example.org/hook", 1, 2, 3, 4}};
    server.dns_counters_.upstreams[0].name.set("tls://9.9.9.9#dns.quad9.net");
    ListStatus list;
    list.settings.name = "ads", list.report.rules = 1000, list.failures = 2;
    lists.lists_ = {list};
  }
  void fill_peer(std::uint32_t i) {
    server.add("peer-" + std::to_string(i), "family");
    Peer& peer = server.peer(i);
    peer.connected = i % 2 == 0;
    peer.entry.policy.down = 8'000'000, peer.entry.policy.up = 800'000;
    base::PeerCounters& c = server.count(i);
    c.tx_bytes.set(1'234'567'890'123 + i), c.rx_bytes.set(987'654'321),
        c.last_handshake.set(1'800'000'000'123'456'789);
    c.up_bytes.set(123'456'789), c.down_bytes.set(12'345'678'901), c.tcp_down.set(99'999'999);
    c.denied.set(3), c.denials.add(base::Drop::egress_denied, 3);
    ledger.quotas[i] = quota(1 << 30, 1 << 20);
    if (i == 1) ledger.stops[i] = base::Stop::hours;
  }
  static QuotaState quota(std::uint64_t bytes, std::uint64_t used) {
    QuotaState state;
    state.quota.bytes = bytes, state.used = used;
    state.resets = base::WallTime(1'800'000'000s);
    return state;
  }
};

bool has(const std::string& page, const std::string& line) {
  return ("\n" + page).find("\n" + line + "\n") != std::string::npos;
}

// What `promtool ARGUMENTS` says and its exit code behind that; nothing if there is no promtool.
std::optional<std::string> promtool(const std::string& arguments) {
  if (std::system("command -v promtool >/dev/null 2>&1") != 0) return {};
  FILE* pipe = ::popen(("promtool " + arguments + " 2>&1; echo $?").c_str(), "r");
  std::string said;
  char bytes[4096];
  for (std::size_t n; (n = std::fread(bytes, 1, sizeof bytes, pipe)) > 0;) said.append(bytes, n);
  ::pclose(pipe);
  return said;
}

}  // namespace

TEST_CASE("label values are escaped") {
  CHECK(label("a", "plain") == "a=\"plain\"");
  CHECK(label("a", "q\"b\\c\nd") == R"(a="q\"b\\c\nd")");
}

TEST_CASE("a histogram's buckets are cumulative and end with all") {
  base::Histogram histogram;
  for (const std::uint64_t ns : {1ull, 1000ull, 1001ull, 5'000'000'000ull}) histogram.add(ns);
  Exposition out;
  out.family("x_seconds", Exposition::Type::histogram, "h");
  out.histogram("worker=\"0\"", histogram);
  const std::string page = out.take();
  CHECK(has(page, "x_seconds_bucket{worker=\"0\",le=\"1e-06\"} 2"));
  CHECK(has(page, "x_seconds_bucket{worker=\"0\",le=\"2e-06\"} 3"));
  CHECK(has(page, "x_seconds_bucket{worker=\"0\",le=\"+Inf\"} 4"));
  CHECK(has(page, "x_seconds_count{worker=\"0\"} 4"));
  CHECK(has(page, "x_seconds_sum{worker=\"0\"} 5.000002002"));
}

TEST_CASE("the WireGuard metrics have the names, labels and direction of existing exporters") {
  Node node;
  node.fill(1);
  node.server.peer(0).entry.allowed_ips.push_back(*base::Prefix::parse("fd08::2/128"));
  const std::string
      page = node.page(),
      labels =
          "{interface=\"culvert0\",public_key=\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\","
          "allowed_ips=\"10.8.0.2/32,fd08::2/128\",friendly_name=\"peer-0\"} ";
  CHECK(has(page, "wireguard_sent_bytes_total" + labels + "1234567890123"));
  CHECK(has(page, "wireguard_received_bytes_total" + labels + "987654321"));
  CHECK(has(page, "wireguard_latest_handshake_seconds" + labels + "1800000000"));
}

TEST_CASE("the page tells of peers, groups, workers and limits") {
  Node node;
  node.fill(2);
  const std::string page = node.page();
  for (const char* line :
       {"culvert_peer_tunnel_bytes_total{peer=\"peer-0\",direction=\"down\"} 12345678901",
        "culvert_peer_payload_bytes_total{peer=\"peer-0\",protocol=\"tcp\",direction=\"down\"} "
        "99999999",
        "culvert_peer_denied_total{peer=\"peer-0\",reason=\"egress_denied\"} 3",
        "culvert_peer_limit_bytes_per_second{peer=\"peer-0\",direction=\"down\"} 1000000",
        "culvert_peer_quota_bytes{peer=\"peer-0\"} 1073741824",
        "culvert_peer_quota_used_bytes{peer=\"peer-0\"} 1048576",
        "culvert_peer_quota_resets_timestamp_seconds{peer=\"peer-0\"} 1800000000",
        "culvert_peer_connected{peer=\"peer-0\"} 1",
        "culvert_peer_connected{peer=\"peer-1\"} 0",
        "culvert_peer_stopped{peer=\"peer-1\",reason=\"hours\"} 1",
        "culvert_group_limit_bytes_per_second{group=\"family\",direction=\"down\"} 10000000",
        "culvert_group_peers{group=\"family\"} 2",
        "culvert_group_quota_used_bytes{group=\"family\"} 10",
        "culvert_drops_total{reason=\"bad_mac1\",worker=\"1\"} 4",
        "culvert_worker_turn_age_seconds{worker=\"0\"} 0.5",
        "culvert_limit_in_use{limit=\"tcp_flows\",worker=\"0\"} 7",
        "culvert_limit_maximum{limit=\"tcp_flows\",worker=\"0\"} 1000",
        "culvert_loop_turn_seconds_count{worker=\"0\"} 4",
        "culvert_peers 2",
        "culvert_peers_maximum 2048",
        "culvert_peers_connected 1",
        "culvert_state_store_ok 1",
        "culvert_events_total{type=\"connect\"} 5",
        "culvert_webhook_waiting_events{target=\"https://example.org/hook\"} 4"}) {
    INFO(line);
    CHECK(has(page, line));
  }
  CHECK(page.find("stopped{peer=\"peer-0\"") == std::string::npos);
  for (std::size_t i = 0; i < std::size_t(base::Drop::count_); ++i)
    CHECK(page.find("reason=\"" + std::string(to_string(base::Drop(i)))) != std::string::npos);
}

TEST_CASE("no series comes twice and every sample follows its own family") {
  Node node;
  node.fill(3);
  std::set<std::string> series, families;
  std::string line, family;
  std::istringstream page(node.page());
  const std::regex sample("([a-z_]+)(\\{.*\\})? ([0-9.e+-]+)");
  while (std::getline(page, line)) {
    std::smatch parts;
    if (line.starts_with("# HELP ")) {
      family = line.substr(7, line.find(' ', 7) - 7);
      CHECK(families.insert(family).second);
    } else if (!line.starts_with("# TYPE ")) {
      INFO(line);
      REQUIRE(std::regex_match(line, parts, sample));
      CHECK(parts.str(1).starts_with(family));
      CHECK(series.insert(parts.str(1) + parts.str(2)).second);
    }
  }
  CHECK(families.size() > 60);
}

TEST_CASE("peers may come while a large page is made, and each comes once") {
  Node node;
  node.fill(450);
  MetricsPage page({node.server, node.ledger, node.recorder, {}, 0}, now);
  CHECK(page.step());
  CHECK(page.step());
  node.fill_peer(450);
  while (page.step()) continue;
  const std::string text = page.take();
  for (std::uint32_t i = 0; i <= 450; ++i) {
    const std::string line =
        "culvert_peer_handshakes_total{peer=\"peer-" + std::to_string(i) + "\"}";
    const std::size_t found = text.find(line);
    REQUIRE(found != std::string::npos);
    CHECK(text.find(line, found + 1) == std::string::npos);
  }
}

TEST_CASE("promtool has nothing to say about the page") {
  Node node;
  node.fill(3);
  node.server.peer(2).entry.name = "quo\"te\\n";
  Folder folder;
  std::ofstream(folder / "page") << node.page();
  const auto said = promtool("check metrics <" + (folder / "page"));
  if (!said) {
    WARN("promtool is not installed");
    return;
  }
  CHECK(*said == "0\n");
}

TEST_CASE("every metric that the dashboard and the alerts name is on the page") {
  Node node;
  node.fill(2);
  const std::string page = node.page();
  for (const char* file : {"/grafana/culvert.json", "/prometheus/alerts.yml"}) {
    std::ifstream in(std::string(CULVERT_PACKAGING) + file);
    const std::string text{std::istreambuf_iterator<char>(in), {}};
    const std::regex name("\\b(culvert|wireguard|process)_[a-z_]+\\b");
    std::set<std::string> named;
    for (std::sregex_iterator at(text.begin(), text.end(), name), end; at != end; ++at)
      named.insert(at->str());
    CHECK(named.size() > 10);
    for (const std::string& each : named) {
      INFO(file << " names " << each);
      const bool found = page.find("\n" + each + "{") != std::string::npos ||
                         page.find("\n" + each + " ") != std::string::npos;
      CHECK(found);
    }
  }
}

TEST_CASE("promtool takes the alert rules") {
  const auto said = promtool("check rules " CULVERT_PACKAGING "/prometheus/alerts.yml");
  if (!said) {
    WARN("promtool is not installed");
    return;
  }
  INFO(*said);
  CHECK(said->ends_with("0\n"));
}

TEST_CASE("a page of 10,000 peers", "[.measure]") {
  Node node;
  node.fill(10'000);
  for (int i = 0; i < 5; ++i) {
    const auto begin = std::chrono::steady_clock::now();
    const std::string page = node.page();
    const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - begin;
    std::printf("%.1f ms, %.1f MB, %td lines\n", took.count(), double(page.size()) / 1e6,
                std::count(page.begin(), page.end(), '\n'));
  }
}
