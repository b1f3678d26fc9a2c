"""What a client may send that is no question: it is answered as the RFCs say or not at all, and harms nobody.

     client ==tunnel==\\
                       server --- hop --- origin (an honest resolver)
     second ==tunnel==/
"""

import random
import socket
import struct
import time

import dns.message
import dns.rcode
import pytest

from lib import hostile_dns
from lib.dns_questions import PATIENCE, RESOLVER, Calm, first_answer, query, wire_name

pytestmark = pytest.mark.culvert_only


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

@pytest.fixture(scope="module")
def calm(world, module_servers):
    return Calm(world, module_servers)


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
