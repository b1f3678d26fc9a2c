#include "control/status_line.hpp"

#include <nlohmann/json.hpp>

#include "tests/control/support/flow_source.hpp"
#include "tests/control/support/records.hpp"
#include "tests/support/catch.hpp"

using namespace culvert;
using namespace culvert::control;
using namespace std::chrono_literals;

namespace {

const base::WallTime wall{std::chrono::nanoseconds(test_epoch)};

void handshake(FlowSource& server, const char* name, base::Duration ago) {
  const Peer& peer = server.add(name);
  server.count(peer.slot).last_handshake.set(
      std::uint64_t((wall - ago).time_since_epoch().count()));
}

}  // namespace

TEST_CASE("the status line sums clients and workers and counts every byte once") {
  FlowSource server;
  for (unsigned i = 0; i < 2; ++i) {
    server.workers_.push_back(
        {.index = i, .pid = 0, .ready = true, .aead = {}, .gso = {}, .gro = {}, .sandbox = {}});
    base::WorkerCounters& worker = server.count_worker(i);
    worker.tcp_open.set(2), worker.udp_open.set(1), worker.descriptors_max.set(10);
    worker.dials.set(10), worker.dials_failed.set(3), worker.dialling.set(1);
    worker.drops.add(base::Drop::outbox_full, 4), worker.drops.add(base::Drop::bad_mac1, 1);
    server.add("peer");
    base::PeerCounters& peer = server.count(i);
    peer.tcp_flows.set(20), peer.udp_flows.set(5), peer.echo_flows.set(1);
    peer.up_bytes.set(100), peer.down_bytes.set(1000), peer.tcp_down.set(900), peer.udp_up.set(7);
  }
  server.count_worker(1).tcp_open.set(4);
  const auto all = status_object(server, wall);
  CHECK(all["ts"] == "2027-01-15T08:00:00.000Z");
  CHECK(all["total"]["conns_created"] == 52);
  CHECK(all["total"]["conns_closed"] == 44);
  CHECK(all["total"]["bytes_recv"] == 200);
  CHECK(all["total"]["bytes_sent"] == 2000);
  CHECK(all["total"]["errors"] == 10);
  CHECK(all["tcp"]["bytes_sent"] == 1800);
  CHECK(all["udp"]["bytes_recv"] == 14);
  CHECK(all["tcp_ext"].dump() ==
        R"({"dial_start":20,"dial_ok":12,"dial_fail":6,"dial_inflight":2})");
  CHECK(all["tcp_active"] == 6);
  CHECK(all["wg"]["queue_drops"] == 8);
  CHECK(all["srv_limits"]["fd_util_pct"] == 50.0);
  CHECK(all["srv_limits"]["nofile_soft"] > 0);
  CHECK(all["srv_limits"]["eph_used_est"] == 8);
  CHECK(all["proc"]["supervisor_rss"] > 0);
}

TEST_CASE("handshakes are fresh for 180 s, then stale; who never made one is neither") {
  FlowSource server;
  handshake(server, "new", 10s);
  handshake(server, "young", 179s);
  handshake(server, "old", 180s);
  server.add("absent");
  CHECK(status_object(server, wall)["wg_hs"].dump() ==
        R"({"peers":4,"fresh":2,"stale":1,"never":1,"oldest_sec":180,"newest_sec":10})");
}

TEST_CASE("a status line for people has the same names") {
  CHECK(status_text({{"ts", "now"}, {"total", {{"errors", 1}, {"x", 2.5}}}, {"tcp_active", 3}}) ==
        "ts=now total{errors=1 x=2.5} tcp_active=3");
}
