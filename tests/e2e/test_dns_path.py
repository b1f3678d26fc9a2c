"""DNS of a client on its way: answered from the address that was asked, over UDP and TCP, while workers
die and the configuration is read anew; ways around it are refused at once.

     client ==tunnel== server --- hop --- origin (an upstream that the test plays)
"""

import os
import select
import signal
import socket
import struct
import threading
import time

import dns.flags
import dns.message
import dns.query
import dns.rcode
import dns.rrset
import pytest

from lib import wireguard
from lib.dns_upstreams import refusal
from lib.server import config_text
from lib.topology import ORIGIN4, OTHER4, TUNNEL4, TUNNEL6
from test_reload import reload

pytestmark = pytest.mark.culvert_only
PORT = 53
SETTINGS = ["server.workers=2"]
REFUSED = 3  # seconds; what is not refused waits longer


def answer_to(query):
    """192.0.2.7 for every name; many of it for names that begin with "large"."""
    response = dns.message.make_response(query, recursion_available=True)
    question = query.question[0]
    name = question.name.to_text()
    if name.lower().startswith("missing"):
        response.set_rcode(dns.rcode.NXDOMAIN)
    elif question.rdtype == dns.rdatatype.A:
        count = 300 if name.lower().startswith("large") else 1
        records = [f"192.0.{2 + i // 240}.{7 + i % 240}" for i in range(count)]
        response.answer.append(dns.rrset.from_text(question.name, 300, "IN", "A", *records))
    return response


class Upstream:
    """A resolver in the origin's namespace, over UDP and TCP."""

    def __init__(self, world):
        self.udp = world.origin.udp(ORIGIN4, PORT)
        self.tcp = world.origin.tcp_listener(ORIGIN4, PORT)
        self.asked = []
        self.stopped = False
        self.threads = [threading.Thread(target=run, daemon=True) for run in (self.serve_udp, self.serve_tcp)]
        for thread in self.threads:
            thread.start()

    def serve_udp(self):
        while not self.stopped:
            if not select.select([self.udp], [], [], 0.2)[0]:
                continue
            data, source = self.udp.recvfrom(4096)
            query = dns.message.from_wire(data)
            self.asked.append((query.question[0].name.to_text().lower(), source))
            try:
                wire = answer_to(query).to_wire(max_size=1232)
            except dns.exception.TooBig:
                short = dns.message.make_response(query, recursion_available=True)
                short.flags |= dns.flags.TC
                wire = short.to_wire()
            self.udp.sendto(wire, source)

    def serve_tcp(self):
        while not self.stopped:
            if not select.select([self.tcp], [], [], 0.2)[0]:
                continue
            connection, _ = self.tcp.accept()
            threading.Thread(target=self.serve_connection, args=(connection,), daemon=True).start()

    def serve_connection(self, connection):
        connection.settimeout(5)
        stream = connection.makefile("rb")
        try:
            while head := stream.read(2):
                query = dns.message.from_wire(stream.read(struct.unpack("!H", head)[0]))
                wire = answer_to(query).to_wire(max_size=65535)
                connection.sendall(struct.pack("!H", len(wire)) + wire)
        except (OSError, dns.exception.DNSException):
            pass
        finally:
            connection.close()

    def close(self):
        self.stopped = True
        for thread in self.threads:
            thread.join(2)
        self.udp.close()
        self.tcp.close()


def configuration(extra=""):
    return f'[dns]\nupstream = ["{ORIGIN4}"]\n{extra}'


class Setting:
    def __init__(self, world, module_servers):
        self.world = world
        self.upstream = Upstream(world)
        world.later(self.upstream.close)
        self.peer = wireguard.make_peer(2, name="laptop")
        self.phone = wireguard.make_peer(3, name="phone", extra='dns_block = ["bad.example.org"]')
        self.server = module_servers([self.peer, self.phone], settings=SETTINGS, tail=configuration())
        self.client = wireguard.Client(world, self.peer, self.server.public).wait_until_up()
        self.second = wireguard.Client(world, self.phone, self.server.public, namespace=world.second)
        self.second.wait_until_up()
        self.space = world.client

    def text(self, extra=""):
        return config_text(self.server.key, [self.peer, self.phone], tail=configuration(extra))

    def udp(self, server, name, kind="A", space=None, seconds=20):
        """The answer; dnspython checks that it comes from where it was sent to."""
        query = dns.message.make_query(name, kind, use_edns=0, payload=1232)
        with (space or self.space).entered():
            return dns.query.udp(query, server, timeout=seconds)

    def tcp(self, server, name, kind="A"):
        with self.space.entered():
            return dns.query.tcp(dns.message.make_query(name, kind), server, timeout=20)


@pytest.fixture(scope="module")
def setting(world, module_servers):
    if wireguard.missing("wireguard-go"):
        pytest.skip(wireguard.missing("wireguard-go"))
    return Setting(world, module_servers)


def addresses(response):
    return [item.address for rrset in response.answer for item in rrset if rrset.rdtype == dns.rdatatype.A]


ASKED = ["8.8.8.8", "192.168.77.1", "2001:4860:4860::8888", TUNNEL4, TUNNEL6]


@pytest.mark.parametrize("server", ASKED)
def test_every_resolver_is_answered_from_its_own_address(setting, server):
    assert addresses(setting.udp(server, "www.example.org")) == ["192.0.2.7"]
    assert addresses(setting.tcp(server, "www.example.org")) == ["192.0.2.7"]
    missing = setting.udp(server, "missing.example.org")
    assert missing.rcode() == dns.rcode.NXDOMAIN


def test_what_is_asked_goes_to_the_upstream_once_and_never_to_the_address_asked(setting):
    name = "once.example.org."
    for server in ASKED:
        assert addresses(setting.udp(server, name)) == ["192.0.2.7"]
    assert [asked for asked, _ in setting.upstream.asked if asked == name] == [name]


def test_an_answer_that_is_too_large_is_truncated_and_whole_over_tcp(setting):
    short = setting.udp("8.8.8.8", "large.example.org")
    assert short.flags & dns.flags.TC and not short.answer, short.to_text()
    whole = setting.tcp("8.8.8.8", "large.example.org")
    assert len(addresses(whole)) == 300


def test_a_connection_takes_many_questions_in_pieces(setting):
    queries = {}
    stream = b""
    for number in range(50):
        query = dns.message.make_query(f"n{number}.example.org", "A")
        queries[query.id] = query
        wire = query.to_wire()
        stream += struct.pack("!H", len(wire)) + wire
    with setting.space.tcp(("9.9.9.9", 53), timeout=30) as connection:
        for at in range(0, len(stream), 37):
            connection.sendall(stream[at:at + 37])
        connection.shutdown(socket.SHUT_WR)
        read = connection.makefile("rb")
        got = 0
        while head := read.read(2):
            response = dns.message.from_wire(read.read(struct.unpack("!H", head)[0]))
            assert queries.pop(response.id).is_response(response)
            got += 1
    assert got == 50 and not queries


def test_peers_have_names(setting):
    assert addresses(setting.udp(TUNNEL4, "phone.culvert.internal")) == ["10.8.0.3"]
    pointer = setting.udp(TUNNEL4, "3.0.8.10.in-addr.arpa", "PTR")
    assert pointer.answer[0][0].to_text() == "phone.culvert.internal."


@pytest.mark.parametrize("target", [("9.9.9.9", 853), ("2620:fe::fe", 853), (TUNNEL4, 853), ("8.8.8.8", 443)])
@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_DGRAM])
def test_a_phone_is_refused_encrypted_dns_at_once_and_falls_back(setting, kind, target):
    how, seconds = refusal(setting.world.second, kind, target)
    assert how is ConnectionRefusedError
    assert seconds < REFUSED
    assert addresses(setting.udp("8.8.8.8", "fallback.example.org", space=setting.world.second)) == ["192.0.2.7"]
    blocked = setting.udp("8.8.8.8", "www.bad.example.org", space=setting.world.second)
    assert addresses(blocked) == ["0.0.0.0"]
    assert addresses(setting.udp("8.8.8.8", "www.bad.example.org")) == ["192.0.2.7"]


@pytest.mark.seconds(60)
def test_dns_goes_on_after_workers_are_killed(setting):
    for pid in setting.server.workers():
        os.kill(pid, signal.SIGKILL)
    limit = time.monotonic() + 60
    while time.monotonic() < limit:
        try:
            if addresses(setting.udp("8.8.8.8", f"after{time.monotonic()}.example.org", seconds=1)):
                break
        except dns.exception.Timeout:
            continue
    assert addresses(setting.udp("8.8.4.4", "still.example.org")) == ["192.0.2.7"]
    assert addresses(setting.udp(TUNNEL4, "phone.culvert.internal")) == ["10.8.0.3"]


@pytest.mark.seconds(60)
def test_a_reload_loses_no_question_and_holds_for_the_next(setting):
    lost, done, stop = [], [], threading.Event()

    def stream():
        number = 0
        while not stop.is_set():
            number += 1
            try:
                setting.udp("8.8.8.8", f"r{number % 50}.example.org", seconds=20)
                done.append(number)
            except dns.exception.DNSException as error:
                lost.append((number, repr(error)))

    asking = threading.Thread(target=stream)
    asking.start()
    try:
        for number in range(1, 6):
            record = f'[[dns.record]]\nname = "nas.example.org"\ntype = "A"\nvalue = "10.9.0.{number}"\n'
            said = reload(setting.server, setting.text(record))
            assert "dns.record" in said
            # The thread that asks is in another namespace: ask by a program of its own.
            nas = setting.space.run("dig", "+short", "+time=15", "+tries=1", "@8.8.8.8", "nas.example.org").stdout
            assert nas.strip() == f"10.9.0.{number}"
    finally:
        stop.set()
        asking.join()
    assert not lost
    assert len(done) > 50


def test_what_passes_is_left_alone(setting):
    """With interception off a question goes to the address asked; the tunnel address answers still."""
    other = setting.world.origin.udp(OTHER4, PORT)
    try:
        reload(setting.server, setting.text('pass = ["198.51.100.3/32"]\n'))
        query = dns.message.make_query("direct.example.org", "A")
        with setting.space.udp() as sock:
            sock.sendto(query.to_wire(), (OTHER4, PORT))
            other.settimeout(20)
            data, source = other.recvfrom(4096)
            assert dns.message.from_wire(data).id == query.id
            other.sendto(data, source)
            sock.settimeout(20)
            assert sock.recvfrom(4096)[1] == (OTHER4, PORT)
        assert addresses(setting.udp("8.8.8.8", "direct.example.org")) == ["192.0.2.7"]
    finally:
        other.close()
        reload(setting.server, setting.text())
