"""Who asks too much, or answers in another's name: nobody else loses an answer, and no guess is believed.

     client ==tunnel==\\
                       server --- hop --- origin (a resolver that leaves some names unanswered)
     second ==tunnel==/
"""

import random
import select
import struct
import threading
import time

import dns.rcode
import pytest

from lib import hostile_dns
from lib.dns_questions import PATIENCE, RESOLVER, Asked, Calm, addresses, ask, first_answer, query, wire_name
from lib.hostile_dns import BAD_BYTES, GOOD, GOOD_BYTES
from lib.topology import SERVER_OUT4

pytestmark = [pytest.mark.culvert_only, pytest.mark.seconds(300)]


@pytest.fixture(scope="module")
def calm(world, module_servers):
    return Calm(world, module_servers)


def percentile(values, part):
    return sorted(values)[int(len(values) * part)]


def timed(space, names):
    """Seconds that each took, one after another; every one is answered."""
    took = []
    with space.udp() as sock:
        for number, name in enumerate(names):
            begin = time.monotonic()
            told = first_answer(sock, query(name, number + 1), PATIENCE)
            assert told and GOOD_BYTES in told, (name, told)
            took.append(time.monotonic() - begin)
    return took


def test_a_client_that_floods_takes_no_answer_from_another(calm):
    """Thousands of names a second that nobody answers; the other client's questions, known and not known,
    are all answered meanwhile."""
    calm.is_well()
    other = calm.world.second
    names = [f"known{n % 10}.example.org" if n % 2 else f"new{n}.example.org" for n in range(200)]
    idle = timed(other, names)
    stop, sent = threading.Event(), [0]
    resident = calm.server.resident()
    sock = calm.space.udp()

    def flood():
        while not stop.is_set():
            for _ in range(50):
                sent[0] += 1
                try:
                    sock.sendto(query(f"silent{sent[0]}.example.org", sent[0] & 0xFFFF), RESOLVER)
                except OSError:
                    pass
            time.sleep(0.01)

    flooding = threading.Thread(target=flood)
    flooding.start()
    try:
        begin = time.monotonic()
        while sent[0] < 2000:
            time.sleep(0.01)
        busy = timed(other, [name.replace("new", "more") for name in names])
        rate = sent[0] / (time.monotonic() - begin)
    finally:
        stop.set()
        flooding.join()
        sock.close()
    asked = sum(name[1:].lower().startswith(b"silent") for name in calm.honest.asked)
    print(f"flood of {rate:.0f} questions/s, {asked} names went upstream; the other client's answers: idle p50 "
          f"{percentile(idle, .5) * 1000:.1f} p99 {percentile(idle, .99) * 1000:.1f} ms, busy p50 "
          f"{percentile(busy, .5) * 1000:.1f} p99 {percentile(busy, .99) * 1000:.1f} ms, "
          f"RSS +{(calm.server.resident() - resident) >> 10} KiB")
    assert calm.server.workers() == calm.workers
    assert calm.server.resident() - resident < 16 << 20
    assert asked < sent[0] / 2  # 100 in flight, each for 5 s
    # Its own questions go on when those that nobody answers have been given up.
    limit, number, told = time.monotonic() + 60, 0, None
    while time.monotonic() < limit and not (told and addresses(told)):
        number += 1
        told = ask(calm.space, f"after{number}.example.org", seconds=2)
    assert told and addresses(told) == [GOOD]


def test_names_that_nobody_answers_keep_nobody_from_the_only_resolver(calm):
    """Twice as long as such a question waits, so that all of the resolver's recent questions have failed."""
    with calm.space.udp() as sock:
        for number in range(24):
            sock.sendto(query(f"silent-slow{number}.example.org", number + 1), RESOLVER)
            time.sleep(0.5)
        for number in range(5):
            sock.sendto(query(f"silent-slower{number}.example.org", number + 1), RESOLVER)
            assert addresses(ask(calm.world.second, f"quick{number}.example.org")) == [GOOD]


def test_guesses_from_outside_are_not_believed(calm):
    """Somebody sends answers in the resolver's name to ports of the server while a question waits."""
    sock = calm.honest.sock
    chance = random.Random(3)
    sent = 0
    with calm.space.udp() as asking:
        asking.setblocking(False)
        for number in range(4):
            name = f"silent-guess{number}.example.org"
            asking.sendto(query(name, number + 1), RESOLVER)
            section = wire_name(name) + struct.pack("!HH", 1, 1)
            until = time.monotonic() + 3
            told = None
            while told is None and time.monotonic() < until:
                for _ in range(200):
                    wire = struct.pack("!HHHHHH", chance.randrange(65536), 0x8180, 1, 1, 0, 0) + section + \
                        hostile_dns.FALSE
                    sock.sendto(wire, (SERVER_OUT4, chance.randrange(1024, 65536)))
                sent += 200
                if select.select([asking], [], [], 0)[0]:
                    told = asking.recv(65535)
            assert told is None or BAD_BYTES not in told
    # And none of them is in the cache.
    for number in range(4):
        told = ask(calm.space, f"silent-guess{number}.example.org")
        assert told.rcode() == dns.rcode.SERVFAIL and not told.answer
    print(f"{sent} guesses")
    assert calm.server.workers() == calm.workers


def test_every_question_leaves_from_another_port(calm):
    # Guesses drive questions to TCP, which this resolver does not speak: it may rest for some seconds.
    for n in range(40):
        told = ask(calm.space, f"again{n}.example.org", seconds=6)
        if told is not None and addresses(told) == [GOOD]:
            break
        time.sleep(0.5)
    calm.honest.ports.clear()
    assert not Asked(calm.space, [f"port{n}.example.org" for n in range(100)]).unanswered
    assert len(set(calm.honest.ports)) > 90
    assert max(calm.honest.ports) - min(calm.honest.ports) > 10000
