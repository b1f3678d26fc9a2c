"""DNS in hostile surroundings: upstreams that lie, break off, flood or keep silent, queries that are none,
and one client who asks too much. No false answer gets through, everybody gets an answer, no worker dies.

     client ==tunnel==\\
                       server --- hop --- origin (.2: an honest resolver, .3: a hostile one)
     second ==tunnel==/
"""

import collections
import random
import select
import socket
import struct
import threading
import time

import dns.message
import dns.rcode
import pytest

from lib import hostile_dns, wireguard
from lib.hostile_dns import BAD_BYTES, BEHAVIOURS, GOOD, Hostile
from lib.topology import ORIGIN4, OTHER4, SERVER_OUT4, THIRD4

pytestmark = pytest.mark.culvert_only
SERVFAIL = dns.rcode.SERVFAIL
PATIENCE = 15  # seconds; culvert answers within 6 where the machine is not busy
EACH = 4  # questions of a kind to every hostile resolver
RESOLVER = ("8.8.8.8", 53)


class Honest:
    """Every name is at GOOD, over UDP; names that begin with "silent" are not answered."""

    def __init__(self, space, address=ORIGIN4):
        self.sock = space.udp(address, 53)
        self.asked = collections.Counter()
        self.ports = []
        self.stopped = False
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while not self.stopped:
            if not select.select([self.sock], [], [], 0.2)[0]:
                continue
            wire, source = self.sock.recvfrom(4096)
            asked = hostile_dns.Question(wire)
            self.asked[asked.name.lower()] += 1
            self.ports.append(source[1])
            if not asked.name[1:].lower().startswith(b"silent"):
                kind = struct.unpack_from("!H", asked.section, len(asked.name))[0]
                records = [hostile_dns.TRUE] if kind == hostile_dns.A else []
                self.sock.sendto(hostile_dns.message(asked, *records), source)

    def close(self):
        self.stopped = True
        self.thread.join(5)
        self.sock.close()


def wire_name(text):
    return b"".join(bytes([len(part)]) + part.encode() for part in text.rstrip(".").split(".")) + b"\0"


def query(name, id, kind=1, flags=0x0100, edns=True):
    """As octets, fast: tests ask by the thousand."""
    opt = b"\0\0\x29\x04\xd0\0\0\0\0\0\0" if edns else b""
    return struct.pack("!HHHHHH", id, flags, 1, 0, 0, int(edns)) + wire_name(name) + struct.pack("!HH", kind, 1) + opt


class Asked:
    """Many questions over one socket, and their answers: {name: (message, seconds)}."""

    def __init__(self, space, names, pace=0.002, seconds=PATIENCE):
        self.answers, self.doubled = {}, 0
        open_, begun = {}, {}
        with space.udp() as sock:
            sock.setblocking(False)
            for number, name in enumerate(names):
                open_[number + 1], begun[name] = name, time.monotonic()
                sock.sendto(query(name, number + 1), RESOLVER)
                self.take(sock, open_, begun, pace)
            limit = time.monotonic() + seconds
            while open_ and time.monotonic() < limit:
                self.take(sock, open_, begun, 0.2)
        self.unanswered = sorted(open_.values())

    def take(self, sock, open_, begun, seconds):
        while select.select([sock], [], [], seconds)[0]:
            wire = sock.recv(65535)
            name = open_.pop(struct.unpack_from("!H", wire)[0], None)
            if name is None:
                self.doubled += 1
            else:
                self.answers[name] = wire, time.monotonic() - begun[name]
            if not open_:
                return
            seconds = 0


def ask(space, name, kind="A", seconds=PATIENCE, target=RESOLVER):
    """One question; the answer, or None."""
    wire = query(name, random.randrange(1, 65536), dns.rdatatype.from_text(kind))
    with space.udp() as sock:
        sock.settimeout(seconds)
        sock.sendto(wire, target)
        try:
            return dns.message.from_wire(sock.recv(65535))
        except TimeoutError:
            return None


def addresses(response):
    return [item.address for rrset in response.answer for item in rrset if rrset.rdtype == dns.rdatatype.A]


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
        self.peers = [wireguard.make_peer(2, name="laptop"), wireguard.make_peer(3, name="phone")]
        self.module_servers = module_servers


class Round:
    """What came of all questions to a batch of hostile resolvers."""

    def __init__(self, setting, number):
        batch = BATCHES[number]
        setting_tail = configuration(batch, setting.hostile.ports)
        self.server = setting.module_servers([setting.peers[0]], settings=["server.workers=2"], tail=setting_tail)
        client = wireguard.Client(setting.world, setting.peers[0], self.server.public).wait_until_up()
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


# What a client may send that is no question.

def header(id=0x1234, flags=0x0100, counts=(1, 0, 0, 0)):
    return struct.pack("!HHHHHH", id, flags, *counts)


QUESTION = wire_name("www.example.org") + struct.pack("!HH", 1, 1)
OPT = b"\0\0\x29\x04\xd0\0\0\0\0\0\0"
FORMERR, NOTIMP, REFUSED, NOTHING = dns.rcode.FORMERR, dns.rcode.NOTIMP, dns.rcode.REFUSED, None

NOT_QUESTIONS = {
    "empty": (b"", {NOTHING}),
    "one octet": (b"\x12", {NOTHING}),
    "half a header": (header()[:11], {NOTHING}),
    "an answer": (header(flags=0x8180) + QUESTION, {NOTHING}),
    "a header alone": (header(), {FORMERR}),
    "no question": (header(counts=(0, 0, 0, 0)), {FORMERR}),
    "two questions": (header(counts=(2, 0, 0, 0)) + QUESTION * 2, {FORMERR}),
    "65535 questions": (header(counts=(65535, 0, 0, 0)) + QUESTION, {FORMERR}),
    "65535 additional records": (header(counts=(1, 0, 0, 65535)) + QUESTION, {FORMERR}),
    "inverse query": (header(flags=0x0900) + QUESTION, {NOTIMP}),
    "status": (header(flags=0x1100) + QUESTION, {NOTIMP}),
    "notify": (header(flags=0x2100) + QUESTION, {NOTIMP}),
    "update": (header(flags=0x2900) + QUESTION, {NOTIMP}),
    "opcode 15": (header(flags=0x7900) + QUESTION, {NOTIMP}),
    "opt twice": (header(counts=(1, 0, 0, 2)) + QUESTION + OPT * 2, {FORMERR}),
    "opt with a name": (header(counts=(1, 0, 0, 1)) + QUESTION + b"\1a" + OPT, {FORMERR}),
    "opt that ends early": (header(counts=(1, 0, 0, 1)) + QUESTION + OPT[:-1], {FORMERR}),
    "opt whose option lies": (header(counts=(1, 0, 0, 1)) + QUESTION + OPT[:-1] + b"\4\0\x0a\0\x63", {FORMERR}),
    "name that is a pointer to itself": (header() + b"\xc0\x0c\0\1\0\1", {FORMERR}),
    "name that is a pointer to the header": (header() + b"\xc0\x00\0\1\0\1", {FORMERR}),
    "name that does not end": (header() + b"\x3f" + b"x" * 30, {FORMERR}),
    "name of 300 octets": (header() + (b"\x3b" + b"x" * 59) * 5 + b"\0\0\1\0\1", {FORMERR}),
    "label of type 01": (header() + b"\x41" + b"x" * 65 + b"\0\0\1\0\1", {FORMERR}),
    "transfer": (header() + wire_name("example.org") + b"\0\xfc\0\1", {REFUSED, NOTIMP}),
    "incremental transfer": (header() + wire_name("example.org") + b"\0\xfb\0\1", {REFUSED, NOTIMP, FORMERR}),
    "type opt asked for": (header() + wire_name("example.org") + b"\0\x29\0\1", {REFUSED, NOTIMP, FORMERR}),
    "class none": (header() + wire_name("example.org") + b"\0\1\0\xfe", {REFUSED, NOTIMP, FORMERR}),
    "class any": (header() + wire_name("example.org") + b"\0\1\0\xff", {REFUSED, NOTIMP, FORMERR}),
}
BAD_VERSION = header(counts=(1, 0, 0, 1)) + QUESTION + b"\0\0\x29\x04\xd0\0\1\0\0\0\0"


class Calm:
    """A server with an honest resolver and two clients."""

    def __init__(self, setting):
        self.world, self.setting = setting.world, setting
        self.space, self.honest = setting.space, setting.honest
        self.server = setting.module_servers(setting.peers, settings=["server.workers=2"],
                                             tail=f'[dns]\nupstream = ["{ORIGIN4}"]\n')
        self.client = wireguard.Client(self.world, setting.peers[0], self.server.public).wait_until_up()
        self.second = wireguard.Client(self.world, setting.peers[1], self.server.public,
                                       namespace=self.world.second).wait_until_up()
        self.workers = self.server.workers()

    def is_well(self):
        assert self.server.workers() == self.workers, self.server.log()
        # As a stub resolver asks: what a burst filled, the client's own queue first, drops datagrams.
        tries = (ask(self.space, "www.example.org", seconds=5) for _ in range(3))
        told = next((each for each in tries if each is not None), None)
        assert told is not None and addresses(told) == [GOOD], told


@pytest.fixture(scope="module")
def calm(setting):
    return Calm(setting)


def first_answer(sock, wire, seconds):
    sock.settimeout(seconds)
    sock.sendto(wire, RESOLVER)
    try:
        return sock.recv(65535)
    except TimeoutError:
        return None


@pytest.mark.parametrize("what", NOT_QUESTIONS)
def test_what_is_no_question_is_answered_as_the_rfcs_say(calm, what):
    wire, allowed = NOT_QUESTIONS[what]
    with calm.space.udp() as sock:
        if allowed == {NOTHING}:
            # A question behind it, on the same socket: what comes is its answer and nothing else.
            sock.sendto(wire, RESOLVER)
            told = first_answer(sock, query("www.example.org", 77), PATIENCE)
            assert struct.unpack_from("!H", told)[0] == 77
        else:
            told = first_answer(sock, wire, PATIENCE)
            assert told[:2] == wire[:2] and told[2] & 0x80 and told[3] & 0x0F in allowed, told
            assert told[2] & 0x78 == wire[2] & 0x78  # the opcode is given back
            assert len(told) <= len(wire) + len(OPT) + 10
    calm.is_well()


def test_an_unknown_version_of_edns_is_said_to_be_one(calm):
    with calm.space.udp() as sock:
        told = dns.message.from_wire(first_answer(sock, BAD_VERSION, PATIENCE))
    assert told.rcode() == dns.rcode.BADVERS and told.edns == 0 and not told.answer


def test_random_octets_bring_no_worker_down(calm):
    chance = random.Random(1)
    with calm.space.udp() as sock:
        for _ in range(1000):
            wire = bytearray(query(f"r{chance.randrange(50)}.example.org", chance.randrange(65536)))
            for _ in range(chance.randrange(1, 8)):
                wire[chance.randrange(len(wire))] = chance.randrange(256)
            sock.sendto(wire[:chance.randrange(len(wire) + 1)] if chance.random() < 0.3 else wire, RESOLVER)
    calm.is_well()


def frames(*messages):
    return b"".join(struct.pack("!H", len(each)) + each for each in messages)


def read_to_end(sock, seconds=PATIENCE):
    """All that comes until the other side closes, or resets."""
    sock.settimeout(seconds)
    read = b""
    try:
        while more := sock.recv(65536):
            read += more
    except ConnectionError:
        pass
    return read


def says_good(answers):
    return hostile_dns.GOOD_BYTES in answers


NO_FRAMES = {
    "frames of nothing": b"\0\0" * 100,
    "frame of five octets": frames(b"\1\2\3\4\5"),
    "frame of zeroes": frames(b"\0" * 512),
    "answers": frames(header(flags=0x8180) + QUESTION) * 20,
    "the largest frame of noise": frames(b"\xff" * 65535),
    "HTTP": b"GET / HTTP/1.1\r\nHost: example.org\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x55" * 506,
    "half a frame": struct.pack("!H", 500) + b"\0" * 100,
}


@pytest.mark.parametrize("what", NO_FRAMES)
def test_a_connection_with_anything_on_it_harms_nobody(calm, what):
    with calm.space.tcp(("9.9.9.9", 53), timeout=PATIENCE) as sock:
        try:
            sock.sendall(NO_FRAMES[what])
            sock.shutdown(socket.SHUT_WR)
        except OSError:  # reset by then
            pass
        answers = read_to_end(sock)
    while answers:
        size = struct.unpack_from("!H", answers)[0]
        assert answers[4] & 0x80 and answers[5] & 0x0F in (FORMERR, NOTIMP), answers[:40]
        answers = answers[2 + size:]
    calm.is_well()


def closed(sock):
    """Whether the other side has ended it by now."""
    sock.setblocking(False)
    try:
        return sock.recv(100) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True


@pytest.mark.seconds(240)
def test_connections_are_bounded_and_those_that_do_nothing_keep_nobody_out(calm):
    """Of one client 16 at the most; another client has its own."""
    held = []
    try:
        for _ in range(40):
            try:
                sock = calm.space.tcp(("9.9.9.9", 53), timeout=2)
            except OSError:
                continue
            held.append(sock)
            sock.sendall(b"\0")  # half a length, and then nothing
        limit = time.monotonic() + 20
        while sum(not closed(sock) for sock in held) > 16:
            assert time.monotonic() < limit
            time.sleep(0.05)
        with calm.world.second.tcp(("9.9.9.9", 53), timeout=PATIENCE) as sock:
            sock.sendall(frames(query("tcp.example.org", 9)))
            sock.shutdown(socket.SHUT_WR)
            assert says_good(read_to_end(sock))
        calm.is_well()
    finally:
        for sock in held:
            sock.close()
    limit = time.monotonic() + 60
    while time.monotonic() < limit:
        try:
            with calm.space.tcp(("9.9.9.9", 53), timeout=2) as sock:
                sock.sendall(frames(query("tcp2.example.org", 9)))
                sock.shutdown(socket.SHUT_WR)
                if says_good(read_to_end(sock, 5)):
                    return
        except OSError:
            time.sleep(0.1)
    raise AssertionError("no connection is taken after those that did nothing are gone")


def percentile(values, part):
    return sorted(values)[int(len(values) * part)]


def timed(space, names):
    """Seconds that each took, one after another; every one is answered."""
    took = []
    with space.udp() as sock:
        for number, name in enumerate(names):
            begin = time.monotonic()
            told = first_answer(sock, query(name, number + 1), PATIENCE)
            assert told and says_good(told), (name, told)
            took.append(time.monotonic() - begin)
    return took


@pytest.mark.seconds(300)
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


@pytest.mark.seconds(300)
def test_names_that_nobody_answers_keep_nobody_from_the_only_resolver(calm):
    """Twice as long as such a question waits, so that all of the resolver's recent questions have failed."""
    with calm.space.udp() as sock:
        for number in range(24):
            sock.sendto(query(f"silent-slow{number}.example.org", number + 1), RESOLVER)
            time.sleep(0.5)
        for number in range(5):
            sock.sendto(query(f"silent-slower{number}.example.org", number + 1), RESOLVER)
            assert addresses(ask(calm.world.second, f"quick{number}.example.org")) == [GOOD]


@pytest.mark.seconds(300)
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
        assert told.rcode() == SERVFAIL and not told.answer
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
