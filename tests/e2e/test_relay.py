"""The relay tested on itself: sender -- wgrelay -- receiver, all on one machine.

    sender 127.0.0.1:*  ->  relay 127.0.0.1:7000  ->  receiver 127.0.0.1:7001  ->  back again
"""

import os
import select
import statistics
import struct
import time

import pytest

from lib.netns import Namespace, deepen
from lib.relay import Relay

LISTEN, UPSTREAM = ("127.0.0.1", 7000), ("127.0.0.1", 7001)
MANY = 100_000


@pytest.fixture(scope="module")
def machine():
    made = Namespace("relay")
    yield made
    made.close()


class Bench:
    def __init__(self, machine, binary, **faults):
        self.machine = machine
        self.receiver = machine.udp(*UPSTREAM)
        deepen(self.receiver, 64 << 20)
        self.relay = Relay(None, binary, namespace=machine, listen="127.0.0.1:7000",
                           upstream="127.0.0.1:7001", **faults)
        self.sender = machine.udp("127.0.0.1")
        self.sender.connect(LISTEN)

    def send(self, count, window=256, size=32):
        """Numbered datagrams, never more than `window` that the relay has not taken yet; what came."""
        got, tail = [], b"\0" * (size - 8)
        for number in range(count):
            self.sender.send(struct.pack("<II", 4, number) + tail)
            if number % window == window - 1:
                while self.relay.counters()["up"]["received"] <= number:
                    pass
                got += self.receive(0)
        return got + self.receive(0.7)

    def receive(self, wait):
        got = []
        while select.select([self.receiver], [], [], wait)[0]:
            data, self.source = self.receiver.recvfrom(65536)
            got.append((data, time.monotonic()))
        return got

    def close(self):
        self.relay.close()
        self.receiver.close()
        self.sender.close()


@pytest.fixture
def bench(machine, request):
    made = []

    def make(**faults):
        made.append(Bench(machine, request.config.getoption("--relay"), **faults))
        return made[-1]
    yield make
    for one in made:
        one.close()


def numbers(got):
    return [struct.unpack("<I", data[4:8])[0] for data, _ in got]


def within_three_sigma(count, total, probability):
    return abs(count - total * probability) <= 3 * (total * probability * (1 - probability)) ** 0.5


def test_without_faults_nothing_is_lost_or_reordered(bench):
    assert numbers(bench().send(MANY)) == list(range(MANY))


def test_loss_and_duplication_are_what_was_asked_for(bench):
    one = bench(up={"loss": 0.1, "duplicate": 0.05}, seed=7)
    got = one.send(MANY)
    counters = one.relay.counters()["up"]
    assert within_three_sigma(counters["lost"], MANY, 0.1)
    assert within_three_sigma(counters["duplicated"], MANY - counters["lost"], 0.05)
    assert len(got) == MANY - counters["lost"] + counters["duplicated"]


def test_gilbert_elliott_loses_in_bursts(bench):
    one = bench(up={"ge_p": 0.01, "ge_r": 0.2, "ge_h": 0.8}, seed=3)
    missing = sorted(set(range(30_000)) - set(numbers(one.send(30_000))))
    # The bad state is p / (p + r) of the time; the loss there is h.
    assert abs(len(missing) / 30_000 - 0.8 * 0.01 / 0.21) < 0.01
    followed = sum(following - number == 1 for number, following in zip(missing, missing[1:]))
    assert followed / len(missing) > 0.4  # Bernoulli at this rate: 0.04


def test_the_same_seed_makes_the_same_decisions(bench):
    faults = {"loss": 0.2, "duplicate": 0.1, "corrupt": 0.1, "reorder": 0.1}

    def run(seed):
        one = bench(up=faults, seed=seed)
        one.send(2000)
        counters = one.relay.counters()["up"]
        one.close()
        return counters
    first, second, other = run(11), run(11), run(12)
    assert first == second
    assert first["hash"] != other["hash"]


def delays(one, count):
    took = []
    for number in range(count):
        begin = time.monotonic()
        one.sender.send(struct.pack("<II", 4, number))
        _, end = first_of(one)
        took.append(end - begin)
    return took


def first_of(one):
    one.receiver.settimeout(20)
    data, _ = one.receiver.recvfrom(65536)
    return data, time.monotonic()


def test_delay_is_on_time_and_a_pass_through_adds_little(bench):
    one = bench()
    # The best one: a busy machine makes some late, a wrong clock makes all of them late.
    assert min(delays(one, 500)) < 0.0005
    one.relay.set(up={"delay_ms": 20})
    late = delays(one, 100)
    assert 0.0198 < min(late) < 0.0215 and statistics.median(late) < 0.2


def test_jitter_spreads_and_keeps_the_order_if_it_is_told_to(bench):
    one = bench(up={"delay_ms": 10, "jitter_ms": 8, "delay_kind": "uniform"})
    assert numbers(one.send(1000)) == list(range(1000))
    one.relay.set(up={"keep_order": False})
    got = numbers(one.send(1000))
    assert sorted(got) == list(range(1000)) and got != sorted(got)


def test_reorder_holds_one_back_until_so_many_have_passed(bench):
    one = bench(up={"reorder": 0.02, "reorder_gap": 5})
    got = numbers(one.send(5000))
    assert sorted(got) == list(range(5000))
    moved = [position - number for position, number in enumerate(got) if position - number > 2]
    assert 40 < len(moved) < 200 and max(moved) <= 10


def test_the_rate_limit_holds(bench):
    one = bench(up={"rate_mbit": 10, "queue_bytes": 10_000_000})
    got = one.send(1000, size=1250)
    took = got[-1][1] - got[0][1]
    assert len(got) == 1000 and 0.9 < took < 3
    one.relay.set(up={"queue_bytes": 12_500, "rate_mbit": 1})  # in five seconds half of them
    assert len(one.send(1000, size=1250)) < 500


def test_mtu_hole_types_and_blackout(bench):
    one = bench(up={"mtu": 1000})
    assert len(one.send(10, size=1001)) == 0 and len(one.send(10, size=1000)) == 10
    one.relay.set(up={"mtu": 0, "drop_types": [4]})
    assert len(one.send(10)) == 0
    one.relay.set(up={"drop_types": [], "drop_first": {"4": 3}})
    assert numbers(one.send(10)) == list(range(3, 10))
    one.relay.set(up={"blackout": True})
    assert len(one.send(10)) == 0
    assert one.relay.counters()["up"]["blackout_dropped"] == 10


def test_rebinding_and_expiry_change_the_source_port(bench):
    one = bench()
    one.send(1)
    first = one.source
    one.relay.rebind()
    one.send(1)
    second = one.source
    assert first != second
    one.relay.set(mapping_expiry_ms=3000)
    one.receiver.sendto(b"\4\0\0\0in time", second)
    assert one.sender.recv(100).endswith(b"in time")
    time.sleep(3.5)
    one.receiver.sendto(b"\4\0\0\0late", second)
    one.sender.settimeout(0.3)
    with pytest.raises(TimeoutError):
        one.sender.recv(100)
    one.send(1)
    assert one.source != second
    assert one.relay.counters()["down"]["expired"] == 1


def test_every_client_has_its_own_source_and_its_own_answers(bench):
    one = bench()
    clients = [one.machine.udp("127.0.0.1") for _ in range(20)]
    for number, client in enumerate(clients):
        client.sendto(struct.pack("<II", 4, number), LISTEN)
    sources = {}
    for _ in clients:
        data, source = one.receiver.recvfrom(100)
        sources[source] = data
    assert len(sources) == 20
    for source, data in sources.items():
        one.receiver.sendto(data, source)
    for number, client in enumerate(clients):
        assert client.recv(100) == struct.pack("<II", 4, number)
        client.close()


def test_recorded_datagrams_are_replayed_from_the_same_and_from_another_source(bench):
    one = bench(record=100)
    one.send(5)
    source = one.source
    assert one.relay.replay() == 5
    assert numbers(one.receive(0.7)) == list(range(5)) and one.source == source
    assert one.relay.replay(other_source=True) == 5
    assert numbers(one.receive(0.7)) == list(range(5)) and one.source != source


def test_corruption_changes_bytes(bench):
    one = bench(up={"corrupt": 1.0})
    sent = [struct.pack("<II", 4, number) + b"\0" * 24 for number in range(200)]
    assert not set(sent) & {data for data, _ in one.send(200)}
    assert os.path.exists(f"/proc/{one.relay.process.pid}")
