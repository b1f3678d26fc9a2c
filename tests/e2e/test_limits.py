"""Bandwidth limits as the client and the origin see them.

     client ==tunnel== server --- hop --- origin

The rate of TCP is what arrives at the far end, without the first second (the burst, slow start). It is never
more over the whole time; that it is reached holds for a stretch of it, for a machine that has something else
to do gives nobody his rate meanwhile.
"""

import re
import selectors
import threading
import time

import pytest

from lib import wireguard
from lib.netns import deepen
from lib.tcp import connected
from lib.topology import ORIGIN4

pytestmark = pytest.mark.culvert_only
DIRECTIONS = pytest.mark.parametrize("direction", ["down", "up"])


@pytest.fixture
def limited(world, servers):
    """A tunnel whose client may have so many bits a second, either way."""
    if wireguard.missing("wireguard-go"):
        pytest.skip(wireguard.missing("wireguard-go"))

    def start(rate):
        peer = wireguard.make_peer(extra=f'down = "{rate // 1000}kbit"\nup = "{rate // 1000}kbit"')
        server = servers([peer])
        return wireguard.Client(world, peer, server.public).wait_until_up()
    return start


class Transfer:
    """Connections through the tunnel that are written at one end as fast as they go."""

    def __init__(self, world, client, direction, count):
        pairs = [connected(world, client) for _ in range(count)]
        self.readers = [here if direction == "down" else there for here, there in pairs]
        self.writers = [there if direction == "down" else here for here, there in pairs]
        self.ending = False
        self.threads = [threading.Thread(target=self._write, args=[each]) for each in self.writers]
        for thread in self.threads:
            thread.start()

    def _write(self, connection):
        connection.settimeout(0.2)
        block = bytes(1 << 15)
        while not self.ending:
            try:
                connection.send(block)
            except TimeoutError:
                pass
            except OSError:
                return

    def read(self, seconds):
        """Bytes of each connection, and the longest that one of them had to wait."""
        start = time.monotonic()
        counts, last, longest = [0] * len(self.readers), [start] * len(self.readers), 0.0
        with selectors.DefaultSelector() as selector:
            for number, reader in enumerate(self.readers):
                selector.register(reader, selectors.EVENT_READ, number)
            while (now := time.monotonic()) < start + seconds:
                for key, _ in selector.select(start + seconds - now):
                    counts[key.data] += len(key.fileobj.recv(1 << 18))
                    now = time.monotonic()
                    longest = max(longest, now - last[key.data])
                    last[key.data] = now
        end = time.monotonic()
        return counts, max([longest, *(end - each for each in last)]), end - start

    def close(self):
        self.ending = True
        for thread in self.threads:
            thread.join()
        for connection in self.readers + self.writers:
            connection.close()


def jain(shares):
    return sum(shares) ** 2 / (len(shares) * sum(share ** 2 for share in shares))


def assert_rate(transfer, rate, seconds, within, patience=1e9):
    """Not more than `rate` in all (and what was under way at the start), and a stretch of `seconds` in which it
    was reached, shared evenly, and no connection waited longer than `patience`."""
    stretches, total, took = [], 0, 0.0
    for _ in range(10):
        counts, longest, lasted = transfer.read(seconds)
        total, took = total + sum(counts), took + lasted
        stretches.append((round(sum(counts) * 8 / lasted), round(jain(counts), 3), round(longest, 3)))
        assert total * 8 <= rate * (took * (1 + within) + 0.25), stretches
        if stretches[-1][0] >= rate * (1 - within) and stretches[-1][1] >= 0.95 and longest < patience:
            return
    raise AssertionError(f"not within {within} of {rate} bit/s: {stretches}")


@DIRECTIONS
@pytest.mark.parametrize("rate,flows", [(100_000, 1), (1_000_000, 8), (20_000_000, 8)])
@pytest.mark.seconds(240)
def test_the_rate_holds_and_flows_share_it(world, limited, direction, rate, flows):
    transfer = Transfer(world, limited(rate), direction, flows)
    transfer.read(2)
    try:
        assert_rate(transfer, rate, 20 if rate == 100_000 else 5, 0.03, 1e9 if rate == 100_000 else 0.2)
    finally:
        transfer.close()


@DIRECTIONS
@pytest.mark.seconds(120)
def test_members_of_a_group_have_their_own_rate_and_share_the_groups(world, servers, direction):
    if wireguard.missing("wireguard-go"):
        pytest.skip(wireguard.missing("wireguard-go"))
    peers = [wireguard.make_peer(number, extra='group = "g"') for number in (2, 3)]
    server = servers(peers, tail='[group.g]\ndown = "6mbit"\nup = "6mbit"\ntotal_down = "8mbit"\ntotal_up = "8mbit"\n')
    one, two = (wireguard.Client(world, peer, server.public, namespace=namespace).wait_until_up()
                for peer, namespace in zip(peers, (world.client, world.second)))
    transfer = Transfer(world, one, direction, 1)
    other = None
    try:
        transfer.read(1)
        assert_rate(transfer, 6_000_000, 4, 0.04)
        other = Transfer(world, two, direction, 1)
        transfer.readers += other.readers
        transfer.read(1)
        assert_rate(transfer, 8_000_000, 4, 0.04)
    finally:
        for each in (transfer, other) if other else (transfer,):
            each.close()


def offered_and_passed(sender, receiver, to, rate, seconds, size=1000):
    """Sends datagrams at that rate: how many bits came through, and how long sending and passing took."""
    start = time.monotonic()
    for number in range(rate * seconds // 8 // size):
        sender.sendto(bytes(size), to)
        time.sleep(max(0.0, start + (number + 1) * size * 8 / rate - time.monotonic()))
    passed, end = 0, time.monotonic()
    receiver.settimeout(0.5)
    try:
        while True:  # what came meanwhile waits in the socket
            passed += 8 * len(receiver.recv(2000))
            end = time.monotonic()
    except TimeoutError:
        return passed, end - start


@DIRECTIONS
@pytest.mark.seconds(120)
def test_udp_is_policed(world, limited, direction):
    """Three times the rate is offered: what passes is the rate and at most 100 ms of burst. That it is reached
    is asked of the best of some tries: who did not run for 100 ms has lost his share of them."""
    rate = 2_000_000
    client = limited(rate)
    there = world.origin.udp(ORIGIN4)
    here = client.namespace.udp("0.0.0.0")
    here.sendto(b"hello", there.getsockname()[:2])
    source = there.recvfrom(100)[1]
    way = (there, here, source) if direction == "down" else (here, there, there.getsockname()[:2])
    deepen(way[1], 8 << 20)
    seen = []
    while len(seen) < 6 and not any(passed >= rate * took * 0.97 for passed, took in seen):
        time.sleep(0.5)
        passed, took = offered_and_passed(*way, 3 * rate, 5)
        seen.append((passed, took))
        assert passed <= rate * took * 1.03 + rate * 0.1, seen
    assert any(passed >= rate * took * 0.97 for passed, took in seen), seen
    for made in (here, there):
        made.close()


@pytest.mark.seconds(120)
def test_a_limited_client_does_not_slow_anothers_ping(world, servers):
    """The median, and the best of some: the clients and the tests share the machine's cores with the server."""
    if wireguard.missing("wireguard-go"):
        pytest.skip(wireguard.missing("wireguard-go"))
    busy, quiet = wireguard.make_peer(2, extra='down = "50mbit"\nup = "50mbit"'), wireguard.make_peer(3)
    server = servers([busy, quiet])
    loaded = wireguard.Client(world, busy, server.public).wait_until_up()
    pinging = wireguard.Client(world, quiet, server.public, namespace=world.second).wait_until_up()

    def median():
        out = pinging.namespace.run("ping", "-c", "100", "-i", "0.02", ORIGIN4).stdout
        times = sorted(float(each) for each in re.findall(r"time=([0-9.]+)", out))
        assert len(times) >= 95
        return times[len(times) // 2]

    seen = []
    for _ in range(5):
        before = median()
        transfer = Transfer(world, loaded, "down", 8)
        reader = threading.Thread(target=transfer.read, args=[6])
        reader.start()
        time.sleep(1)
        during = median()
        reader.join()
        transfer.close()
        seen.append((before, during))
        if during < before + 5:
            return
    raise AssertionError(f"median ms before and during: {seen}")
