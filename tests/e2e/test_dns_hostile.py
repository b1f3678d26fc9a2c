"""Upstreams of DNS that lie, break off, flood or keep silent: no false answer gets through, everybody gets an
answer, no worker dies.

     client ==tunnel== server --- hop --- origin (.2: an honest resolver, .3: a hostile one)
"""

import random

import dns.message
import dns.rcode
import pytest

from lib import wireguard
from lib.dns_questions import Asked, Honest, addresses, ask
from lib.hostile_dns import BAD_BYTES, BEHAVIOURS, GOOD, Hostile
from lib.topology import ORIGIN4, OTHER4, THIRD4

pytestmark = pytest.mark.culvert_only
SERVFAIL = dns.rcode.SERVFAIL
EACH = 4  # questions of a kind to every hostile resolver
BATCHES = [BEHAVIOURS[0::2], BEHAVIOURS[1::2]]


def batch_of(each):
    return next(number for number, batch in enumerate(BATCHES) if each in batch)


def configuration(batch, ports, extra=""):
    """Of every hostile resolver two routes: to it alone, and to it and the honest one."""
    lines = ["[dns]", f'upstream = ["{ORIGIN4}"]', extra,
             "[dns.limits]", "in_flight = 4000", "in_flight_total = 8000", "forwarded_per_second = 0"]
    for each in batch:
        hostile = f"{OTHER4}:{ports[each.name]}"
        lines += ["[[dns.route]]", f'domain = "{host(each)}.alone.example.org"', f'upstream = ["{hostile}"]',
                  "[[dns.route]]", f'domain = "{host(each)}.both.example.org"',
                  f'upstream = ["{hostile}", "{ORIGIN4}"]']
    return "\n".join(lines) + "\n"


def host(each):
    return each.name.replace("'", "")


class Setting:
    def __init__(self, world, module_servers):
        self.world = world
        self.space = world.client
        self.honest = Honest(world.origin)
        world.later(self.honest.close)
        self.hostile = Hostile(world.origin, OTHER4, THIRD4)
        world.later(self.hostile.close)
        self.peer = wireguard.make_peer(2, name="laptop")
        self.module_servers = module_servers


class Round:
    """What came of all questions to a batch of hostile resolvers."""

    def __init__(self, setting, number):
        batch = BATCHES[number]
        setting_tail = configuration(batch, setting.hostile.ports)
        self.server = setting.module_servers([setting.peer], settings=["server.workers=2"], tail=setting_tail)
        client = wireguard.Client(setting.world, setting.peer, self.server.public).wait_until_up()
        assert addresses(ask(setting.space, "first.example.org")) == [GOOD]
        self.workers = self.server.workers()
        self.resident = [self.server.resident()]
        cpu = self.server.cpu_seconds()
        names = [f"q{n}.{host(each)}.{way}.example.org" for way in ("alone", "both") for each in batch
                 for n in range(EACH)]
        random.Random(7).shuffle(names)
        self.asked = Asked(setting.space, names)
        self.cpu = self.server.cpu_seconds() - cpu
        self.resident.append(self.server.resident())
        # The same once more with other names: what grew by then must not go on growing.
        self.again = Asked(setting.space, ["r" + name for name in names])
        self.resident.append(self.server.resident())
        self.workers_after = self.server.workers()
        self.last = ask(setting.space, "last.example.org")
        client.stop()
        self.server.close()
        slowest = max((seconds for _, seconds in self.asked.answers.values()), default=0)
        print(f"batch {number}: {len(names)} questions, {self.cpu * 1000 / len(names):.2f} ms CPU each, "
              f"slowest {slowest:.1f} s, RSS {[size >> 10 for size in self.resident]} KiB")


@pytest.fixture(scope="module")
def setting(world, module_servers):
    if wireguard.missing("wireguard-go"):
        pytest.skip(wireguard.missing("wireguard-go"))
    return Setting(world, module_servers)


@pytest.fixture(scope="module")
def rounds(setting):
    made = {}

    def get(number):
        if number not in made:
            made[number] = Round(setting, number)
        return made[number]
    return get


def answers_of(asked, each, way):
    found = {name: answer for name, answer in asked.answers.items() if f".{host(each)}.{way}." in name}
    assert len(found) == EACH, f"{each.name}, {way}: {EACH - len(found)} not answered"
    return [(dns.message.from_wire(wire), wire, seconds) for wire, seconds in found.values()]


def nothing_false(wire):
    assert BAD_BYTES not in wire and b"\x04evil" not in wire.lower()


@pytest.mark.parametrize("number", range(len(BATCHES)))
@pytest.mark.seconds(300)
def test_hostile_resolvers_harm_no_worker(setting, rounds, number):
    done = rounds(number)
    assert not setting.hostile.failures
    assert done.workers_after == done.workers
    assert done.asked.doubled == 0 and done.again.doubled == 0
    assert not done.asked.unanswered and not done.again.unanswered
    assert addresses(done.last) == [GOOD]
    assert done.resident[2] - done.resident[1] < 2 << 20, done.resident
    assert done.resident[2] - done.resident[0] < 16 << 20, done.resident


@pytest.mark.parametrize("each", BEHAVIOURS, ids=[each.name for each in BEHAVIOURS])
@pytest.mark.seconds(300)
def test_nothing_false_gets_through(setting, rounds, each):
    done = rounds(batch_of(each))
    assert setting.hostile.asked[each.name] > 0
    for response, wire, _ in answers_of(done.asked, each, "alone"):
        nothing_false(wire)
        if each.outcome == "none":
            assert response.rcode() == SERVFAIL and not response.answer, response
        elif each.outcome == "good":
            assert addresses(response) == [GOOD], response
            assert all(rrset.ttl <= 86400 for rrset in response.answer)
        elif each.outcome == "error":
            assert response.rcode() in (SERVFAIL, dns.rcode.REFUSED, dns.rcode.NOTIMP), response
    for response, wire, _ in answers_of(done.asked, each, "both"):
        nothing_false(wire)
        if each.outcome == "any":
            assert addresses(response) in ([], [GOOD]), response
        else:
            assert addresses(response) == [GOOD], response
