"""Questions for names as octets, asked by the thousand; an honest resolver; and a server with two clients that
asks it. For tests of what is hostile, and of load."""

import collections
import random
import select
import struct
import threading
import time

import dns.message
import dns.rdatatype
import pytest

from . import hostile_dns, wireguard
from .hostile_dns import GOOD
from .topology import ORIGIN4

PATIENCE = 15  # seconds; culvert answers within 6 where the machine is not busy
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


def first_answer(sock, wire, seconds):
    sock.settimeout(seconds)
    sock.sendto(wire, RESOLVER)
    try:
        return sock.recv(65535)
    except TimeoutError:
        return None


class Calm:
    """A server with an honest resolver and two clients."""

    def __init__(self, world, module_servers):
        if wireguard.missing("wireguard-go"):
            pytest.skip(wireguard.missing("wireguard-go"))
        self.world, self.space, self.honest = world, world.client, Honest(world.origin)
        world.later(self.honest.close)
        peers = [wireguard.make_peer(2, name="laptop"), wireguard.make_peer(3, name="phone")]
        self.server = module_servers(peers, settings=["server.workers=2"],
                                     tail=f'[dns]\nupstream = ["{ORIGIN4}"]\n')
        self.client = wireguard.Client(world, peers[0], self.server.public).wait_until_up()
        self.second = wireguard.Client(world, peers[1], self.server.public, namespace=world.second).wait_until_up()
        self.workers = self.server.workers()

    def is_well(self):
        assert self.server.workers() == self.workers, self.server.log()
        # As a stub resolver asks: what a burst filled, the client's own queue first, drops datagrams.
        tries = (ask(self.space, "www.example.org", seconds=5) for _ in range(3))
        told = next((each for each in tries if each is not None), None)
        assert told is not None and addresses(told) == [GOOD], told
