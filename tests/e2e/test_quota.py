"""Quotas, throttling, expiry and hours: who has used up what he may is stopped or slowed, is told, and
nobody else notices; and what was used is known after a restart and a crash.

     client (one) ==tunnel==\\
                              server --- hop --- origin
     second (two) ==tunnel==/
"""

import datetime
import os
import re
import signal
import time

import pytest

from lib import wireguard
from lib.control import Control
from lib.netns import maps_one_account
from lib.server import NOBODY, NOGROUP, alive, config_text, write_private
from lib.stream import Stream, passes
from lib.topology import ORIGIN4, TUNNEL4, TUNNEL6

pytestmark = pytest.mark.culvert_only
MB = 1_000_000
OVERSHOOT = 64 << 10  # for each worker
WORKERS = 2
PATCH = {"Content-Type": "application/merge-patch+json"}
TAIL = '[accounting]\ntime_zone = "UTC"\n'


def get(client, url, *options):
    """(status, where it sends on, body) of an HTTP request through the tunnel."""
    done = client.namespace.run("curl", "-s", "-m", "30", "-w", "\n%{http_code} %{redirect_url}", *options, url)
    body, last = done.stdout.rsplit("\n", 1)
    status, target = last.split(" ", 1)
    return int(status), target, body


def resolve(client, kind="A", *options):
    return client.namespace.run("dig", "+short", "+time=15", "+tries=1", *options, "@192.0.2.53",
                                "anything.example", kind).stdout.strip()


class Setting:
    """The server of this file, its two clients and its API."""

    def __init__(self, world, module_servers):
        self.world = world
        self.one = wireguard.make_peer(2, name="one")
        self.two = wireguard.make_peer(3, name="two", extra='group = "pair"')
        self.server = module_servers([self.two], settings=[f"server.workers={WORKERS}"], tail=self.tail())
        self.control = Control(self.server.folder / "control.sock")
        self.control.post("/v1/peers", {"name": "one", "public_key": self.one.key.public, "group": "pair",
                                        "allowed_ips": list(self.one.allowed_ips)}, expect=201)
        self.first = wireguard.Client(world, self.one, self.server.public).wait_until_up()
        self.second = wireguard.Client(world, self.two, self.server.public, namespace=world.second)
        self.second.wait_until_up()

    def tail(self, group=""):
        return f"[group.pair]\n{group}\n{TAIL}"

    def peer(self, name="one"):
        return self.control.get(f"/v1/peers/{name}").json

    def used(self, name="one"):
        """Inner bytes, both ways, since the peer is known; once nothing moves any more."""
        usage = self.peer(name)["usage"]
        return usage["up_bytes"] + usage["down_bytes"]

    def quiet(self, name="one"):
        """The same, when the counters have stood still for longer than between two counts."""
        last, since = self.used(name), time.monotonic()
        while time.monotonic() < since + 2:
            time.sleep(0.1)
            if (now := self.used(name)) != last:
                last, since = now, time.monotonic()
        return last

    def patch(self, **changes):
        """Changes what `one` may, and waits until it holds."""
        self.control.patch("/v1/peers/one", changes, expect=200, headers=PATCH)
        if "quota" in changes:
            self.wait(lambda: self.quota_of(self.peer()["quota"]) == changes["quota"])

    @staticmethod
    def quota_of(told):
        return told and f"{told['bytes']}/{told['period']}"

    def wait(self, what, seconds=30):
        limit = time.monotonic() + seconds
        while not what():
            assert time.monotonic() < limit, [self.control.get(f"/v1/{each}").text for each in ("peers", "groups")]
            time.sleep(0.05)

    def wait_for_stop(self, why, name="one"):
        self.wait(lambda: self.peer(name)["stopped"] == why)

    def reload(self, group="", two='group = "pair"'):
        self.two.extra = two
        write_private(self.server.config, config_text(self.server.key, [self.two], tail=self.tail(group)))
        if not maps_one_account():
            os.chown(self.server.config, NOBODY, NOGROUP)
        self.server.command("reload", "--control", "control.sock")
        quota = re.search(r'total_quota = "(.*)"', group)
        self.wait(lambda: self.quota_of(self.control.get("/v1/groups").json["groups"][0]["total_quota"]) ==
                  (quota and quota[1]))


@pytest.fixture(scope="module")
def setting(world, module_servers):
    if wireguard.missing("wireguard-go"):
        pytest.skip(wireguard.missing("wireguard-go"))
    return Setting(world, module_servers)


@pytest.fixture
def free(setting):
    """Nobody is limited, neither before the test nor after it."""
    yield setting
    while Stream.open:
        Stream.open[-1].close()
    setting.patch(quota=None, quota_action=None, throttle_down=None, throttle_up=None, expires=None, hours=None)
    setting.reload()
    setting.wait_for_stop("none")
    setting.wait_for_stop("none", "two")


def test_a_quota_stops_the_client_tells_it_and_leaves_others_alone(world, free):
    limit = free.quiet() + 2 * MB
    free.patch(quota=f"{limit}/month")
    other = Stream(world, free.second).wait_for(100_000)
    stream = Stream(world, free.first).wait_for_end()
    assert isinstance(stream.error, ConnectionResetError)
    assert 0.85 * 2 * MB <= stream.received <= 2 * MB + OVERSHOOT
    assert not passes(world, free.first)

    free.wait_for_stop("quota")
    shown = free.peer()
    assert shown["quota"]["reached"] and shown["quota"]["bytes"] == limit
    assert limit <= shown["quota"]["used"] <= limit + WORKERS * OVERSHOOT
    assert shown["denials"]["client_stopped"] > 0
    text = free.server.command("show", "--control", "control.sock").stdout
    assert "stopped: the quota is used up" in text and "resets" in text

    other.wait_for(other.received + 1 * MB)
    assert other.close().error is None
    assert free.peer("two")["stopped"] == "none"


def test_who_is_stopped_gets_a_page_by_http_and_dns(world, free):
    free.patch(quota=f"{moved(free, MB)}/month")
    free.wait_for_stop("quota")
    status, _, page = get(free.first, f"http://{TUNNEL4}/")
    assert status == 200 and "The quota is used up" in page and "one" in page
    assert re.search(r"Used</dt><dd>[\d.]+ MB of [\d.]+ MB<", page)
    resets = datetime.datetime.fromisoformat(free.peer()["quota"]["resets"].replace("Z", "+00:00"))
    assert f"Counted anew from</dt><dd>{resets:%Y-%m-%d %H:%M} (UTC+00:00)<" in page
    assert get(free.first, f"http://[{TUNNEL6}]/", "-g")[0] == 200
    elsewhere = get(free.first, f"http://{ORIGIN4}/some/page", "-H", "Host: news.example")
    assert elsewhere[:2] == (302, f"http://{TUNNEL4}/")
    assert get(free.first, f"http://{ORIGIN4}/", "-d", "x=1")[0] == 511
    assert resolve(free.first) == resolve(free.first, "A", "+tcp") == TUNNEL4
    assert resolve(free.first, "AAAA") == TUNNEL6
    free.patch(quota=None)
    assert passes(world, free.first)
    assert "This connection is open" in get(free.first, f"http://{TUNNEL4}/")[2]


def test_a_throttled_client_goes_on_slower(world, free):
    limit = free.quiet() + MB
    free.patch(quota=f"{limit}/month", quota_action="throttle", throttle_down="2mbit", throttle_up="2mbit")
    stream = Stream(world, free.first).wait_for(MB + MB // 2)
    assert_rate(stream, 2_000_000)
    shown = free.peer()
    assert shown["stopped"] == "none" and shown["limits"]["throttled"] and shown["quota"]["reached"]
    assert "slowed down" in get(free.first, f"http://{TUNNEL4}/")[2]
    assert "throttled" in free.server.command("show", "one", "--control", "control.sock").stdout
    free.patch(quota=None, quota_action=None, throttle_down=None, throttle_up=None)
    before = stream.received
    stream.wait_for(before + 8 * MB, seconds=20)  # at 2 Mbit/s it would take 32 s
    assert stream.close().error is None


def test_a_groups_quota_is_of_all_members_together(world, free):
    begin = free.quiet("one") + free.quiet("two")
    limit = begin + 4 * MB
    free.reload(f'total_quota = "{limit}/month"')
    streams = [Stream(world, client) for client in (free.first, free.second)]
    for stream in streams:
        stream.wait_for_end()
    for name in ("one", "two"):
        free.wait_for_stop("quota", name)
    free.wait(lambda: free.control.get("/v1/groups").json["groups"][0]["total_quota"]["reached"])
    group = free.control.get("/v1/groups").json["groups"][0]
    assert limit <= group["total_quota"]["used"] <= limit + WORKERS * OVERSHOOT
    assert sum(stream.received for stream in streams) <= 4 * MB + WORKERS * OVERSHOOT
    free.reload()
    assert passes(world, free.first) and passes(world, free.second)


def test_expiry_and_hours_stop_and_let_go_again(world, free):
    now = datetime.datetime.now(datetime.timezone.utc)
    days = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
    other_day = days[(now.weekday() + 3) % 7]
    for change, state, words in (({"expires": "2020-01-31"}, "expired", "has expired"),
                                 ({"hours": f"{other_day} 08:00-20:00"}, "hours", "at this hour")):
        stream = Stream(world, free.first).wait_for(10_000)
        free.patch(**change)
        begin = time.monotonic()
        stream.wait_for_end()
        assert time.monotonic() - begin < 10
        free.wait_for_stop(state)
        assert words in get(free.first, f"http://{TUNNEL4}/")[2]
        free.patch(**{name: None for name in change})
        free.wait_for_stop("none")
        assert passes(world, free.first)


def test_a_limit_changed_by_reload_holds_within_a_second(world, free):
    free.reload(two='group = "pair"\ndown = "2mbit"')
    stream = Stream(world, free.second).wait_for(400_000)
    assert_rate(stream, 2_000_000)
    for rate in (10_000_000, 1_000_000):
        free.reload(two=f'group = "pair"\ndown = "{rate // 1000}kbit"')
        time.sleep(1)
        assert_rate(stream, rate)
    assert stream.close().error is None


def assert_rate(stream, rate):
    """The best of some stretches: who does not run for a while has lost his share of it."""
    seen = []
    while len(seen) < 6:
        seen.append(stream.rate(2.5))
        if seen[-1] == pytest.approx(rate, rel=0.25):
            return
    raise AssertionError(f"not {rate} bit/s: {seen}")


def moved(setting, count):
    """Moves some bytes; what is used then."""
    Stream(setting.world, setting.first).wait_for(count).close()
    return setting.quiet()


def up_again(setting):
    """The server forgot the clients' sessions; they need not find out by themselves, which takes 15 s."""
    for client in (setting.first, setting.second):
        client.connect_anew()


@pytest.mark.seconds(240)
def test_a_killed_worker_loses_nothing_of_a_quota(world, free):
    free.patch(quota="1000000000/month")
    before = moved(free, 500_000)
    assert free.peer()["quota"]["used"] == before
    pid = free.control.get("/v1/status").json["workers"][free.peer()["worker"]]["pid"]
    os.kill(pid, signal.SIGKILL)
    free.first.wait_until_up()
    assert free.peer()["quota"]["used"] >= before
    after = moved(free, 500_000)
    assert after >= before + 500_000 and free.peer()["quota"]["used"] == after


def test_a_restart_keeps_what_was_used(world, free):
    free.patch(quota="1000000000/month")
    before = moved(free, 500_000)
    assert free.server.terminate()[0] == 0
    free.server.start()
    assert free.peer()["quota"]["used"] >= before
    assert free.used() - before < 5_000  # pings
    up_again(free)


def test_a_killed_supervisor_loses_ten_seconds_at_most(world, free):
    limit = free.quiet() + MB
    free.patch(quota=f"{limit}/month")
    stream = Stream(world, free.first).wait_for_end()
    assert stream.received > 0
    free.wait_for_stop("quota")
    reached = free.peer()["quota"]["used"]
    time.sleep(10)  # what the promise is about
    workers = free.server.workers()
    free.server.process.kill()
    free.server.process.wait()
    wait_for_end_of(workers)
    free.server.start()
    assert free.peer()["quota"]["used"] >= reached >= limit
    assert free.peer()["stopped"] == "quota"
    up_again(free)
    assert not passes(world, free.first)


def wait_for_end_of(pids, seconds=30):
    limit = time.monotonic() + seconds
    while any(alive(pid) for pid in pids):
        assert time.monotonic() < limit, "a worker outlives its supervisor"
        time.sleep(0.02)


