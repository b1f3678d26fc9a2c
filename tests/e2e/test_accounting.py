"""What is counted is what the client and the origin counted, wherever it is told: the API, `usage`,
/metrics, the flow log, the IPFIX collector and the status line.

     client ==tunnel== server --- hop --- origin
                         \\ nfcapd on 127.0.0.1:4739
"""

import collections
import errno
import json
import re
import shutil
import signal
import subprocess
import tempfile
import threading
import time
import types

import pytest

from lib import wireguard
from lib.control import Control
from lib.tcp import connected
from lib.topology import ORIGIN4, ORIGIN6, OTHER4, THIRD4

pytestmark = pytest.mark.culvert_only
PEER = "counted"
ACCOUNTING = """
[accounting]
time_zone = "UTC"
active_timeout = "1s"
[accounting.flow_log]
path = "flows.jsonl"
[accounting.ipfix]
collector = "127.0.0.1:4739"
[limits]
udp_idle = "5s"
echo_idle = "5s"
"""


def eventually(what, seconds=60):
    """what() until it gives something true, which is returned."""
    limit = time.monotonic() + seconds
    while not (seen := what()):
        assert time.monotonic() < limit, f"not within {seconds} s: {what.__name__}"
        time.sleep(0.1)
    return seen


class Collector:
    """nfcapd; what it took is on the disk when it has ended."""

    def __init__(self, world):
        self.world, self.folder = world, tempfile.mkdtemp(prefix="nfcapd-")
        self.process = world.server.start("nfcapd", "-w", self.folder, "-b", "127.0.0.1", "-p", "4739",
                                          "-t", "3600")
        world.later(self.close)

        def listens():
            return "127.0.0.1:4739" in world.server.run("ss", "-Hlun").stdout
        eventually(listens)

    def flows(self):
        def has_read_all():
            line = self.world.server.run("ss", "-Hlun", "sport = 4739").stdout
            return line.split()[1] == "0"
        eventually(has_read_all)
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)
        done = subprocess.run(["nfdump", "-q", "-N", "-R", self.folder, "-o", "fmt:%pr|%ibyt|%obyt|%ipkt|%opkt"],
                              capture_output=True, text=True, check=True)
        lines = [line for line in done.stdout.splitlines() if "|" in line]
        return [[field.strip() for field in line.split("|")] for line in lines]

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


def pump(sender, receiver, size):
    """`size` bytes from one end to the other; how many were sent and how many came."""
    def send():
        left, block = size, bytes(range(256)) * 64
        while left:
            left -= sender.send(block[:left])
    thread = threading.Thread(target=send)
    thread.start()
    came = 0
    while came < size and (data := receiver.recv(1 << 17)):
        came += len(data)
    thread.join()
    return came


def tcp_traffic(world, client, counts):
    for origin, up, down in ((ORIGIN4, 700_001, 3_000_017), (ORIGIN6, 1, 65_537), (OTHER4, 123_456, 0)):
        here, there = connected(world, client, origin)
        counts["tcp_up"] += pump(here, there, up)
        counts["tcp_down"] += pump(there, here, down)
        counts["tcp_flows"] += 1
        here.close()
        assert there.recv(1) == b""
        there.close()


def udp_traffic(world, client, counts):
    """One datagram at a time, so that none is lost."""
    for origin in (ORIGIN4, ORIGIN6):
        there = world.origin.udp(origin)
        here = client.namespace.udp("::" if ":" in origin else "0.0.0.0")
        for size in (0, 1, 500, 1200, 1392 if ":" not in origin else 1372, 3000):
            here.sendto(bytes(size), there.getsockname()[:2])
            data, source = there.recvfrom(4000)
            counts["udp_up"] += len(data)
            there.sendto(bytes(size + 7), source)
            counts["udp_down"] += len(here.recv(4000))
        counts["udp_flows"] += 1
        here.close()
        there.close()


def refused_traffic(client):
    for _ in range(3):
        with pytest.raises(OSError) as caught:
            client.namespace.tcp((THIRD4, 80))
        assert caught.value.errno in (errno.EHOSTUNREACH, errno.EACCES)


def flow_lines(server):
    path = server.folder / "flows.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


@pytest.fixture(scope="module")
def counted(world, module_servers):
    """A server through which known traffic has gone; all its flows have ended and are recorded."""
    if wireguard.missing("wireguard-go"):
        pytest.skip(wireguard.missing("wireguard-go"))
    collector = Collector(world) if shutil.which("nfcapd") and shutil.which("nfdump") else None
    peer = wireguard.make_peer(2, name=PEER, extra=f'group = "g"\negress = {{ deny = ["{THIRD4}"] }}')
    server = module_servers([peer], settings=["server.workers=2"], tail="[group.g]\n" + ACCOUNTING,
                            server='http = "127.0.0.1:9586"\nstatus_line = "1s"\nstatus_line_format = "json"')
    client = wireguard.Client(world, peer, server.public).wait_until_up()
    counts = collections.Counter()
    tcp_traffic(world, client, counts)
    udp_traffic(world, client, counts)
    refused_traffic(client)
    assert client.ping(ORIGIN4, count=3) == 3

    def recorded():
        ended = [line for line in flow_lines(server) if line["reason"] != "interim"]
        return len(ended) == counts["tcp_flows"] + counts["udp_flows"] + 1  # and the pings
    eventually(recorded)
    return types.SimpleNamespace(world=world, server=server, client=client, counts=counts, collector=collector,
                                 control=Control(server.folder / "control.sock"))


def payload(counts):
    return counts["tcp_up"] + counts["udp_up"], counts["tcp_down"] + counts["udp_down"]


def metrics_of(counted):
    text = counted.world.server.run("curl", "-sSf", "http://127.0.0.1:9586/metrics").stdout
    return text, {line.rsplit(" ", 1)[0]: float(line.rsplit(" ", 1)[1])
                  for line in text.splitlines() if not line.startswith("#")}


def test_the_api_counts_what_both_ends_counted(counted):
    shown = counted.control.get(f"/v1/peers/{PEER}").json
    usage = shown["usage"]
    assert (usage["up_payload"], usage["down_payload"]) == payload(counted.counts)
    assert usage["flows"] == counted.counts["tcp_flows"] + counted.counts["udp_flows"] + 1
    assert usage["handshakes"] == 1
    assert shown["denials"] == {"egress_denied": 3} and usage["denied"] == 3
    assert shown["open_flows"] == {"tcp": 0, "udp": 0}
    group = counted.control.get("/v1/groups").json["groups"][0]
    assert group["usage"]["down_payload"] == usage["down_payload"]


def test_the_outer_side_is_what_wg_counts(counted):
    """Read again until nothing was under way between the two readings."""
    def equal():
        received, sent = counted.client.transfer()
        shown = counted.control.get(f"/v1/peers/{PEER}").json
        return (shown["rx_bytes"], shown["tx_bytes"]) == (sent, received)
    eventually(equal)


def test_usage_gives_the_same_totals(counted):
    command = counted.server.command
    for by, key in (("peer", PEER), ("group", "g"), ("day", None), ("hour", None), ("minute", None)):
        report = json.loads(command("usage", "--control", "control.sock", "--json", "--by", by).stdout)
        assert (report["total"]["up_payload"], report["total"]["down_payload"]) == payload(counted.counts), by
        assert key is None or [row["key"] for row in report["rows"]] == [key]
    lines = command("usage", "--control", "control.sock", "--csv").stdout.splitlines()
    row = dict(zip(lines[0].split(","), lines[1].split(",")))
    assert row["key"] == PEER and (int(row["up_payload"]), int(row["down_payload"])) == payload(counted.counts)
    assert PEER in command("usage", "--control", "control.sock").stdout


def test_the_metrics_give_the_same_totals_by_protocol(counted):
    text, values = metrics_of(counted)
    for protocol in ("tcp", "udp"):
        for direction in ("up", "down"):
            labels = f'peer="{PEER}",protocol="{protocol}",direction="{direction}"'
            assert values[f"culvert_peer_payload_bytes_total{{{labels}}}"] == \
                counted.counts[f"{protocol}_{direction}"], labels
        assert values[f'culvert_peer_flows_total{{peer="{PEER}",protocol="{protocol}"}}'] == \
            counted.counts[f"{protocol}_flows"]
    assert values[f'culvert_peer_denied_total{{peer="{PEER}",reason="egress_denied"}}'] == 3
    assert values[f'culvert_peer_handshakes_total{{peer="{PEER}"}}'] == 1
    assert f'friendly_name="{PEER}"' in re.search(r"^wireguard_sent_bytes_total{.*", text, re.MULTILINE)[0]


def test_promtool_finds_nothing_in_the_metrics(counted):
    if not shutil.which("promtool"):
        pytest.skip("promtool is not installed")
    done = subprocess.run(["promtool", "check", "metrics"], input=metrics_of(counted)[0], text=True,
                          capture_output=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_the_flow_log_sums_to_the_same(counted):
    lines = flow_lines(counted.server)
    for protocol in ("tcp", "udp"):
        mine = [line for line in lines if line["protocol"] == protocol]
        assert sum(line["up_payload"] for line in mine) == counted.counts[f"{protocol}_up"]
        assert sum(line["down_payload"] for line in mine) == counted.counts[f"{protocol}_down"]
        assert len({line["id"] for line in mine}) == sum(line["first"] for line in mine) == \
            counted.counts[f"{protocol}_flows"]
    assert {(line["peer"], line["group"]) for line in lines} == {(PEER, "g")}
    assert {line["origin"] for line in lines} == {ORIGIN4, ORIGIN6, OTHER4}


def test_the_status_line_gives_the_same_totals(counted):
    def last_of_an_idle_server():
        lines = [json.loads(line.split("metrics: ", 1)[1]) for line in counted.server.log().splitlines()
                 if "metrics: {" in line]
        return lines and lines[-1]["udp_active"] == 0 and lines[-1]
    last = eventually(last_of_an_idle_server)
    assert (last["tcp"]["bytes_recv"], last["tcp"]["bytes_sent"]) == \
        (counted.counts["tcp_up"], counted.counts["tcp_down"])
    assert (last["udp"]["bytes_recv"], last["udp"]["bytes_sent"]) == \
        (counted.counts["udp_up"], counted.counts["udp_down"])
    assert last["tcp_active"] == 0
    assert last["wg_hs"]["fresh"] == last["wg_hs"]["peers"] == 1


def test_an_ipfix_collector_has_the_same_totals(counted):
    if counted.collector is None:
        pytest.skip("nfdump is not installed")
    lines = flow_lines(counted.server)

    def all_left():
        return metrics_of(counted)[1]["culvert_ipfix_records_total"] == len(lines)
    eventually(all_left)
    flows = counted.collector.flows()
    logged = collections.Counter()
    for line in lines:
        logged.update({"up": line["up_bytes"], "down": line["down_bytes"], "up_packets": line["up_packets"],
                       "down_packets": line["down_packets"]})
    assert len(flows) == len(lines)
    seen = [sum(int(flow[field]) for flow in flows) for field in (1, 2, 3, 4)]
    assert seen == [logged["up"], logged["down"], logged["up_packets"], logged["down_packets"]]


def test_a_restart_keeps_totals_and_destinations(counted):
    """The last one: it is another run of the server afterwards."""
    server, before = counted.server, counted.control.get(f"/v1/peers/{PEER}").json["usage"]
    assert server.terminate()[0] == 0
    server.start()
    counted.client.stop()
    report = counted.control.get("/v1/usage?by=peer").json
    names = ("up_payload", "down_payload", "flows", "denied", "handshakes")
    kept = {name: report["total"][name] for name in names}
    assert kept == {name: before[name] for name in kept}
    rows = counted.control.get("/v1/usage?by=destination").json["rows"]
    sums = collections.Counter()
    for line in flow_lines(server):
        sums[line["origin"], "up"] += line["up_bytes"]
        sums[line["origin"], "down"] += line["down_bytes"]
    assert {row["key"] for row in rows} == {ORIGIN4, ORIGIN6, OTHER4}
    for row in rows:
        assert (row["up_bytes"], row["down_bytes"]) == (sums[row["key"], "up"], sums[row["key"], "down"])
    assert server.command("usage", "--control", "control.sock", "--by", "destination").stdout.count(ORIGIN4) == 1
