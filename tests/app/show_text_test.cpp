// Fixed answers of the API in, text for people out.
#include "app/show_text.hpp"

#include <cstdlib>
#include <nlohmann/json.hpp>

#include "app/human.hpp"
#include "app/report_text.hpp"
#include "app/top_view.hpp"
#include "tests/support/catch.hpp"

using namespace culvert::app;
using nlohmann::json;

namespace {

// Times are shown in the zone of whoever looks.
struct InBerlin {
  InBerlin() { ::setenv("TZ", "Europe/Berlin", 1); }
} const in_berlin;  // before the first use of a calendar

const culvert::base::WallTime noon = *human::time("2026-11-20T12:00:00Z");

json peer() {
  return json::parse(R"({
    "name": "laptop", "public_key": "xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg=",
    "has_preshared_key": true, "source": "file", "place": "culvert.toml:9", "group": "family",
    "allowed_ips": ["10.8.0.2/32", "fd08::2/128"], "endpoint": "192.0.2.7:4711",
    "persistent_keepalive": 25, "connected": true, "latest_handshake": "2026-11-20T11:58:57Z",
    "rx_bytes": 1268776, "tx_bytes": 3650722201,
    "usage": {"up_bytes": 1048576, "down_bytes": 1536, "flows": 7, "denied": 2},
    "rates": {"up": 1500000, "down": 0}, "limits": {"up": 10000000, "down": 50000000,
    "throttled": false}, "quota": {"bytes": 200000000000, "used": 84000000000, "period": "month",
    "resets": "2026-11-30T23:00:00Z", "action": "block", "reached": false},
    "expires": null, "hours": "mon-fri 08:00-20:00", "stopped": "none",
    "open_flows": {"tcp": 3, "udp": 1}})");
}

json status() {
  return json::parse(R"({"interface": "culvert0", "public_key": "K", "listen": ["0.0.0.0:51820",
    "[::]:51820"], "address": ["10.8.0.1/24"], "peers": {"total": 2, "connected": 1, "stopped": 0},
    "rates": {"up": 0, "down": 2000000}, "open_flows": {"tcp": 3, "udp": 1, "echo": 0},
    "uptime_seconds": 3661, "ledger": {"ok": true, "trouble": null}, "usage": {}})");
}

}  // namespace

TEST_CASE("numbers and times are short and exact") {
  CHECK(human::bytes(1023) == "1023 B");
  CHECK(human::bytes(1268776) == "1.21 MiB");
  CHECK(human::decimal(200'000'000'000) == "200 GB");
  CHECK(human::rate(999) == "999 bit/s");
  CHECK(human::rate(1'500'000) == "1.50 Mbit/s");
  CHECK(human::span(std::chrono::seconds(63)) == "1 minute, 3 seconds");
  CHECK(human::span(std::chrono::seconds(86400 + 7200)) == "1 day, 2 hours");
  CHECK(human::span(std::chrono::seconds(0)) == "0 seconds");
  CHECK(human::short_span(std::chrono::seconds(3725)) == "1h2m");
  CHECK(human::local_time("2026-11-30T23:00:00Z") == "2026-12-01 00:00:00 +01:00");
  CHECK(human::local_time("never") == "");
  CHECK(human::today(noon) == "2026-11-20");
  CHECK(human::clean("a\033[2Jb\xc2\x9b"
                     "c\x7f\xc3\xa9") == "a?[2Jb?c?\xc3\xa9");
  CHECK(human::padded("\xc3\xa9t\xc3\xa9", 2, false) == "\xc3\xa9t");
  CHECK(human::padded("ab", 4, true) == "  ab");
}

TEST_CASE("a peer is shown in wg's layout, with what culvert knows beyond it") {
  CHECK(peer_text(peer(), noon, false) ==
        "peer: xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg=\n"
        "  name: laptop\n"
        "  preshared key: (hidden)\n"
        "  endpoint: 192.0.2.7:4711\n"
        "  allowed ips: 10.8.0.2/32, fd08::2/128\n"
        "  latest handshake: 1 minute, 3 seconds ago\n"
        "  transfer: 1.21 MiB received, 3.40 GiB sent\n"
        "  persistent keepalive: every 25 seconds\n"
        "  group: family\n"
        "  state: connected\n"
        "  rate: 1.50 Mbit/s up\n"
        "  limit: 50.00 Mbit/s down, 10.00 Mbit/s up\n"
        "  quota: 84 GB of 200 GB (42.0 %) this month, resets 2026-12-01 00:00:00 +01:00, then "
        "stopped\n"
        "  total: 1.50 KiB down, 1.00 MiB up, 7 flows, 2 denied\n"
        "  open flows: 3 TCP, 1 UDP\n"
        "  hours: mon-fri 08:00-20:00\n"
        "  written at: culvert.toml:9\n");
  CHECK(peer_text(peer(), noon, true).find("\033[33m\033[1mpeer\033[0m: \033[33mxTI") == 0);
}

TEST_CASE("a peer that was never there has few lines, and odd answers no more") {
  CHECK(peer_text(json::parse(R"({"public_key": "K", "allowed_ips": []})"), noon, false) ==
        "peer: K\n  allowed ips: (none)\n  state: not connected\n"
        "  written at: the state database\n");
  for (const char* odd : {"null", "[]", "7", R"({"quota": [], "rates": "x", "listen": 5})"}) {
    const json answer = json::parse(odd);
    CHECK(peer_text(answer, noon, false).find("peer: ") == 0);
    CHECK(interface_text(answer, false).find("interface: ") == 0);
    CHECK_FALSE(flows_text(answer, noon).empty());
    CHECK_FALSE(usage_text(answer).empty());
    CHECK(reload_text(answer) == "nothing changed\n");
  }
}

TEST_CASE("why a peer is stopped is said in words") {
  json stopped = peer();
  stopped["stopped"] = "quota";
  CHECK(state_text(stopped) == "stopped: the quota is used up");
  stopped["stopped"] = "none";
  stopped["limits"]["throttled"] = true;
  CHECK(state_text(stopped) == "connected, throttled: the quota is used up");
}

TEST_CASE("the interface comes first and the latest handshake before others") {
  CHECK(interface_text(status(), false) ==
        "interface: culvert0\n  public key: K\n  private key: (hidden)\n  listening port: 51820\n"
        "  address: 10.8.0.1/24\n  peers: 2, 1 connected, 0 stopped\n  rate: 2.00 Mbit/s down\n"
        "  up for: 1 hour, 1 minute, 1 second\n");
  json never = peer(), late = peer();
  never["name"] = "never", never["latest_handshake"] = nullptr;
  late["name"] = "late", late["latest_handshake"] = "2026-11-20T11:59:59Z";
  const std::string text = peers_text(json::array({never, peer(), late}), noon, false);
  CHECK(text.find("name: late") < text.find("name: laptop"));
  CHECK(text.find("name: laptop") < text.find("name: never"));
}

TEST_CASE("flows, usage, a reload and events are tables and lines") {
  const json flows = json::parse(R"({"truncated": true, "flows": [{"peer": "laptop",
    "protocol": "tcp", "client": "10.8.0.2:40000", "server": "192.0.2.1:443", "state": "open",
    "started": "2026-11-20T11:59:00Z", "up": {"bytes": 100}, "down": {"bytes": 2048}}]})");
  CHECK(flows_text(flows, noon) ==
        "PEER    PROTOCOL  CLIENT          SERVER         STATE   AGE      DOWN     UP\n"
        "laptop  tcp       10.8.0.2:40000  192.0.2.1:443  open   1m0s  2.00 KiB  100 B\n"
        "and more: --limit shows them\n");
  const json usage = json::parse(R"({"since": "2026-11-19T12:00:00Z", "until":
    "2026-11-20T12:00:00Z", "by": "day", "rows": [{"key": "x", "start": "2026-11-18T23:00:00Z",
    "up_bytes": 1024, "down_bytes": 1024, "flows": 3, "denied": 0}], "total": {"up_bytes": 1024,
    "down_bytes": 1024, "flows": 3, "denied": 0}})");
  CHECK(usage_text(usage) ==
        "from 2026-11-19 13:00:00 +01:00 to 2026-11-20 13:00:00 +01:00\n"
        "day                             DOWN        UP     TOTAL  FLOWS  DENIED\n"
        "2026-11-19 00:00:00 +01:00  1.00 KiB  1.00 KiB  2.00 KiB      3       0\n"
        "total                       1.00 KiB  1.00 KiB  2.00 KiB      3       0\n");
  CHECK(reload_text(json::parse(R"({"added": ["a", "b"], "removed": [], "need_restart":
    ["server.mtu"]})")) == "peers added: a, b\nkeys that wait for a restart: server.mtu\n");
  CHECK(event_text(R"({"id": 3, "type": "connect", "time": "2026-11-20T12:00:00Z",
    "peer": "laptop", "detail": "from \u001b[2J"})") ==
        "2026-11-20 13:00:00 +01:00 connect laptop: from ?[2J\n");
  CHECK(event_text("not json") == " \n");
}

TEST_CASE("the table of top fits the terminal and sorts by the key pressed") {
  json busy = peer(), idle = peer();
  busy["name"] = "busy", busy["rates"]["down"] = 9'000'000, busy["open_flows"]["tcp"] = 1;
  idle["name"] = "idle", idle["rates"]["down"] = 0, idle["open_flows"]["tcp"] = 5;
  const json peers = json::array({idle, busy});
  TopView view;
  auto lines = top_lines(status(), peers, view, 100, 10, noon);
  REQUIRE(lines.size() == 10);
  for (const std::string& line : lines) CHECK(human::width(line) <= 100);
  CHECK(lines[0].find("culvert0: 2.00 Mbit/s down") == 0);
  CHECK(lines[1].find("vDOWN") != std::string::npos);
  CHECK(lines[2].find("busy") == 0);
  CHECK(lines[2].find("[####......]  42 %") != std::string::npos);
  view.press('f');
  lines = top_lines(status(), peers, view, 100, 10, noon);
  CHECK(lines[2].find("idle") == 0);
  view.press('r');
  CHECK(top_lines(status(), peers, view, 100, 10, noon)[2].find("busy") == 0);
  view.press('C', true);
  CHECK(view.sort == TopView::Column::quota);
  view.press('D', true);
  CHECK(view.sort == TopView::Column::flows);
  for (int i = 0; i < 9; ++i) view.press('B', true);
  CHECK(top_lines(status(), peers, view, 100, 4, noon)[2].find("idle") == 0);
  CHECK(view.first == 1);
  CHECK(top_lines(status(), peers, view, 100, 1, noon).size() == 1);
  CHECK(top_lines(status(), peers, view, 10, 3, noon).size() == 3);
  view.press('q');
  CHECK(view.quit);
}

TEST_CASE("where there is no terminal, top prints a line for each peer") {
  TopView view;
  CHECK(top_plain(json::array({peer()}), view, noon) ==
        "2026-11-20 13:00:00 +01:00 laptop: 0 bit/s down, 1.50 Mbit/s up, 4 flows, 1.00 MiB in "
        "all, handshake 1m3s, quota [####......]  42 %\n");
  CHECK(quota_bar(json::parse(R"({"bytes": 10, "used": 25})")) == "[##########] 250 %");
  CHECK(quota_bar(nullptr) == "");
}
