"""A resolver that does what none should, one way of it on every port.

A behaviour says what is sent for a question, over UDP and over TCP. What must never reach a client
holds the address BAD or the name EVIL; GOOD is the address that is true.
"""

import dataclasses
import selectors
import socket
import struct
import threading

GOOD, BAD = "192.0.2.7", "203.0.113.66"
GOOD_BYTES, BAD_BYTES = socket.inet_aton(GOOD), socket.inet_aton(BAD)
EVIL = b"\x04evil\x07example\x03net\x00"
OWNER = b"\xc0\x0c"  # the name of the question
A, NS, CNAME, SOA, AAAA, DNAME, OPT = 1, 2, 5, 6, 28, 39, 41


class Question:
    """The query as it came, cut."""

    def __init__(self, wire):
        self.id, self.flags = struct.unpack_from("!HH", wire)
        end = 12
        while wire[end]:
            end += 1 + wire[end]
        end += 1
        self.name, self.section = wire[12:end], wire[12:end + 4]
        self.edns = struct.unpack_from("!H", wire, 10)[0] > 0


def record(data, kind=A, owner=OWNER, ttl=300, length=None, class_=1):
    size = len(data) if length is None else length
    return owner + struct.pack("!HHIH", kind, class_, ttl, size) + data


TRUE, FALSE = record(GOOD_BYTES), record(BAD_BYTES)


def message(asked, *answers, flags=0x8180, rcode=0, id=None, section=None, counts=None, extra=b"",
            authority=(), additional=()):
    """An answer; what is not said is as it should be."""
    counts = counts or (1, len(answers), len(authority), len(additional))
    return struct.pack("!HHHHHH", asked.id if id is None else id, flags | rcode, *counts) + \
        (asked.section if section is None else section) + b"".join([*answers, *authority, *additional]) + extra


def label(text):
    return bytes([len(text)]) + text


def swapped(asked):
    """The question in the other case."""
    return bytes(c ^ 0x20 if 65 <= (c & 0xDF) <= 90 else c for c in asked.name) + asked.section[-4:]


class Reply:
    """What a behaviour works with: one question over UDP."""

    def __init__(self, sock, others, source):
        self.sock, self.others, self.source = sock, others, source

    def send(self, wire):
        self.sock.sendto(wire, self.source)

    def send_from_other(self, number, wire):
        self.others[number].sendto(wire, self.source)


class Stream:
    """The same over TCP, in a thread of its own."""

    def __init__(self, connection, stopped):
        self.connection, self.stopped = connection, stopped

    def send(self, wire):
        self.raw(struct.pack("!H", len(wire)) + wire)

    def raw(self, data):
        self.connection.sendall(data)

    def drip(self, wire, seconds):
        for octet in struct.pack("!H", len(wire)) + wire:
            self.raw(bytes([octet]))
            if self.stopped.wait(seconds):
                return

    def close(self):
        self.connection.close()

    def reset(self):
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()

    def wait(self, seconds):
        self.stopped.wait(seconds)


@dataclasses.dataclass
class Behaviour:
    """`outcome` is what a client may be told if there is no other resolver: "none" (SERVFAIL),
    "good" (the true address), "error" (some error), "any" (but nothing false)."""
    name: str
    outcome: str
    udp: callable
    tcp: callable = None  # none: the same messages as over UDP
    listens: bool = True  # with TCP


BEHAVIOURS = []


def behaviour(outcome, tcp=None, listens=True):
    def add(function):
        BEHAVIOURS.append(Behaviour(function.__name__.replace("_", "-"), outcome, function, tcp, listens))
        return function
    return add


def sends(name, outcome, make, tcp=None, listens=True):
    """One message for a question."""
    BEHAVIOURS.append(Behaviour(name, outcome, lambda asked, reply: reply.send(make(asked)),
                                tcp and (lambda asked, reply: tcp(asked, reply)), listens))


def truthful(asked, reply):
    reply.send(message(asked, TRUE))


def silent(_asked, reply):
    reply.wait(20)


# Not to what was asked.
sends("wrong-id", "none", lambda q: message(q, FALSE, id=q.id ^ 1))
sends("wrong-name", "none", lambda q: message(q, FALSE, section=label(b"www") + EVIL + q.section[-4:]))
sends("wrong-name-one-letter", "none",
      lambda q: message(q, FALSE, section=q.name[:1] + bytes([q.name[1] ^ 1]) + q.name[2:] + q.section[-4:]))
sends("wrong-type", "none", lambda q: message(q, FALSE, section=q.name + struct.pack("!HH", AAAA, 1)))
sends("wrong-class", "none", lambda q: message(q, FALSE, section=q.name + struct.pack("!HH", A, 3)))
sends("case-not-kept", "good", lambda q: message(q, TRUE, section=swapped(q)))
sends("no-question", "none", lambda q: message(q, FALSE, section=b"", counts=(0, 1, 0, 0)))
sends("two-questions", "none", lambda q: message(q, FALSE, section=q.section * 2, counts=(2, 1, 0, 0)))
sends("header-alone", "none", lambda q: message(q, section=b"", counts=(0, 0, 0, 0)))
sends("half-a-header", "none", lambda q: message(q)[:7])
sends("empty", "none", lambda q: b"", tcp=lambda q, reply: reply.raw(b"\0\0"))
sends("the-query-itself", "none", lambda q: message(q, FALSE, flags=0x0100))
sends("odd-opcode", "none", lambda q: message(q, FALSE, flags=0x9180))
sends("an-update", "none", lambda q: message(q, FALSE, flags=0xA980))


@behaviour("none", tcp=silent)
def other_port(asked, reply):
    reply.send_from_other(0, message(asked, FALSE))


@behaviour("none", tcp=silent)
def other_address(asked, reply):
    reply.send_from_other(1, message(asked, FALSE))


@behaviour("good", tcp=truthful)
def right_then_wrong(asked, reply):
    reply.send(message(asked, TRUE))
    for _ in range(3):
        reply.send(message(asked, FALSE))


@behaviour("good", tcp=truthful)
def wrong_then_right(asked, reply):
    reply.send(message(asked, FALSE, id=asked.id ^ 0x5555))
    reply.send(message(asked, FALSE, section=EVIL + asked.section[-4:]))
    reply.send(message(asked, TRUE))


def flood(asked, reply):
    for number in range(2000):
        reply.send(message(asked, FALSE, id=(asked.id + 1 + number) & 0xFFFF))


BEHAVIOURS.append(Behaviour("flood-of-guesses", "none", flood, flood))
BEHAVIOURS.append(Behaviour("flood-then-true-over-tcp", "good", flood, truthful))


# Not to be read.
def owner(wire, **options):
    return lambda q: message(q, record(BAD_BYTES, owner=wire), **options)


sends("pointer-to-itself", "none", lambda q: owner(struct.pack("!H", 0xC000 | (12 + len(q.section))))(q))
sends("pointer-loop", "none", lambda q: message(
    q, record(BAD_BYTES, owner=label(b"a") + struct.pack("!H", 0xC000 | (12 + len(q.section))))))
sends("pointer-ahead", "none", owner(b"\xc0\xff"))
sends("pointer-outside", "none", owner(b"\xff\xff"))
sends("pointer-into-the-header", "none", owner(b"\xc0\x02"))
sends("reserved-label", "none", owner(b"\x40abc\0"))
sends("extended-label", "none", owner(b"\x80abc\0"))
sends("long-name", "none", owner(label(b"x" * 63) * 4 + label(b"x" * 60) + b"\0"))
sends("endless-name", "none", owner(label(b"x" * 63) * 7))
sends("short-rdata", "none", lambda q: message(q, record(BAD_BYTES[:2], length=4)))
sends("rdlength-of-all", "none", lambda q: message(q, record(BAD_BYTES, length=0xFFFF)))
sends("address-of-five-octets", "none", lambda q: message(q, record(BAD_BYTES + b"\1")))
sends("address-of-three-octets", "none", lambda q: message(q, record(b"\xcb\x00\x71")))
sends("more-records-said", "none", lambda q: message(q, FALSE, counts=(1, 60000, 0, 0)))
sends("fewer-records-said", "none", lambda q: message(q, FALSE, FALSE, counts=(1, 0, 0, 0)))
sends("garbage-behind", "none", lambda q: message(q, FALSE, extra=b"\xde\xad\xbe\xef" * 10))
sends("opt-twice", "any", lambda q: message(
    q, TRUE, additional=[b"\0" + struct.pack("!HHIH", OPT, 1232, 0, 0)] * 2))
sends("opt-that-lies", "any", lambda q: message(
    q, TRUE, additional=[b"\0" + struct.pack("!HHIH", OPT, 1232, 0, 6) + b"\0\x0f\xff\xff\0\0"]))
sends("opt-with-a-name", "any", lambda q: message(
    q, TRUE, additional=[EVIL + struct.pack("!HHIH", OPT, 1232, 0, 0)]))
sends("opt-among-answers", "any", lambda q: message(
    q, b"\0" + struct.pack("!HHIH", OPT, 1232, 0, 0), TRUE))
sends("many-opt-options", "good", lambda q: message(
    q, TRUE, additional=[b"\0" + struct.pack("!HHIH", OPT, 1232, 0, 1000) + b"\0\x0f\0\0" * 250]))


# Read, but not to be believed.
def elsewhere(q):
    return message(q, TRUE, record(BAD_BYTES, owner=EVIL),
                   authority=[record(label(b"ns") + EVIL, kind=NS, owner=EVIL)],
                   additional=[record(BAD_BYTES, owner=label(b"ns") + EVIL)])


def chain(q, length, last=b""):
    """q -> c1 -> c2 ..."""
    def link(number):
        return label(b"c%d" % number) + q.name
    records = [record(link(1), kind=CNAME)]
    records += [record(link(i + 1), kind=CNAME, owner=link(i)) for i in range(1, length)]
    return message(q, *records, *([record(last, owner=link(length))] if last else []))


sends("records-of-others", "good", elsewhere)
sends("only-records-of-others", "any", lambda q: message(q, record(BAD_BYTES, owner=EVIL)))
sends("records-of-the-root", "any", lambda q: message(q, record(BAD_BYTES, owner=b"\0")))
sends("record-of-another-class", "any", lambda q: message(q, record(BAD_BYTES, class_=3)))
sends("huge-chain", "any", lambda q: chain(q, 20, GOOD_BYTES),
      tcp=lambda q, reply: reply.send(chain(q, 300, GOOD_BYTES)))
sends("chain-that-loops", "any", lambda q: message(
    q, record(label(b"a") + q.name, kind=CNAME), record(OWNER, kind=CNAME, owner=label(b"a") + q.name)))
sends("chain-to-itself", "any", lambda q: message(q, record(OWNER, kind=CNAME), TRUE))
sends("two-chains", "any", lambda q: message(q, record(label(b"a") + q.name, kind=CNAME),
                                             record(EVIL, kind=CNAME), record(BAD_BYTES, owner=EVIL)))
sends("chain-with-a-tail", "none", lambda q: message(q, record(label(b"a") + q.name + b"tail", kind=CNAME)))
sends("endless-ttl", "good", lambda q: message(q, record(GOOD_BYTES, ttl=0xFFFFFFFF)))
sends("nothing-and-no-soa", "any", lambda q: message(q))
sends("nxdomain-and-no-soa", "any", lambda q: message(q, rcode=3))
sends("nxdomain-with-another's-soa", "any", lambda q: message(q, rcode=3, authority=[record(
    EVIL + EVIL + struct.pack("!IIIII", 1, 2, 3, 4, 0xFFFFFFFF), kind=SOA, owner=EVIL)]))
sends("unknown-type-with-pointers", "good", lambda q: message(q, TRUE, record(b"\xc0\xff\xc0", kind=65280)))

# Errors.
sends("formerr-to-edns", "good", lambda q: message(q, rcode=1) if q.edns else message(q, TRUE))
sends("formerr", "error", lambda q: message(q, rcode=1))
sends("servfail", "error", lambda q: message(q, rcode=2))
sends("notimp", "error", lambda q: message(q, rcode=4))
sends("refused", "error", lambda q: message(q, rcode=5))

# Truncated, and then.
BAD_TC = 0x8380


def truncated(name, outcome, tcp, listens=True):
    sends(name, outcome, lambda q: message(q, FALSE, flags=BAD_TC, extra=b"\xff\xc0"), tcp=tcp, listens=listens)


truncated("tc-with-garbage", "good", truthful)
truncated("tc-over-tcp-too", "none", lambda q, reply: reply.send(message(q, FALSE, flags=BAD_TC)))
truncated("tc-and-nobody-listens", "none", None, listens=False)
truncated("tc-and-silence", "none", silent)
truncated("tc-and-reset", "none", lambda _q, reply: reply.reset())
truncated("tc-and-half-a-frame", "none", lambda q, reply: (
    reply.raw(struct.pack("!H", 200) + message(q, FALSE)), reply.wait(20)))
truncated("tc-and-closed-in-the-middle", "none", lambda q, reply: (
    reply.raw(struct.pack("!H", 200) + message(q, FALSE)), reply.close()))
truncated("tc-and-the-largest-frame", "any", lambda q, reply: reply.send(
    message(q, TRUE, extra=b"\0" * (65535 - len(message(q, TRUE))))))
truncated("tc-and-frames-of-nothing", "none", lambda _q, reply: reply.raw(b"\0\0" * 500))
truncated("tc-and-drip", "any", lambda q, reply: reply.drip(message(q, TRUE), 0.25))


@behaviour("none", tcp=silent)
def silence(_asked, _reply):
    pass


class Hostile:
    """All behaviours at one address. `asked[name]` counts questions over UDP."""

    def __init__(self, space, address, other_address, first_port=6000):
        self.ports = {each.name: first_port + number for number, each in enumerate(BEHAVIOURS)}
        self.asked = dict.fromkeys(self.ports, 0)
        self.stopped = threading.Event()
        self.failures = []
        self.others = [space.udp(address), space.udp(other_address)]
        self.selector = selectors.DefaultSelector()
        for each in BEHAVIOURS:
            udp = space.udp(address, self.ports[each.name])
            udp.setblocking(False)
            self.selector.register(udp, selectors.EVENT_READ, (self.on_udp, each))
            if each.listens:
                listener = space.tcp_listener(address, self.ports[each.name])
                self.selector.register(listener, selectors.EVENT_READ, (self.on_tcp, each))
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while not self.stopped.is_set():
            for key, _ in self.selector.select(0.2):
                function, each = key.data
                function(key.fileobj, each)

    def on_udp(self, sock, each):
        try:
            wire, source = sock.recvfrom(4096)
            self.asked[each.name] += 1
            each.udp(Question(wire), Reply(sock, self.others, source))
        except BlockingIOError:
            pass
        except OSError:  # the port that asked is closed by now
            pass
        except Exception as error:  # a mistake of the test
            self.failures.append((each.name, repr(error)))

    def on_tcp(self, listener, each):
        connection, _ = listener.accept()
        threading.Thread(target=self.converse, args=(connection, each), daemon=True).start()

    def converse(self, connection, each):
        connection.settimeout(20)
        stream = Stream(connection, self.stopped)
        try:
            read = connection.makefile("rb")
            while head := read.read(2):
                wire = read.read(struct.unpack("!H", head)[0])
                (each.tcp or each.udp)(Question(wire), stream)
        except OSError:
            pass
        except ValueError:  # closed by the behaviour itself
            pass
        except Exception as error:
            self.failures.append((each.name, repr(error)))
        finally:
            connection.close()

    def close(self):
        self.stopped.set()
        self.thread.join(5)
        for key in list(self.selector.get_map().values()):
            key.fileobj.close()
        for sock in self.others:
            sock.close()
        self.selector.close()


__all__ = ["A", "BAD_BYTES", "BEHAVIOURS", "EVIL", "GOOD", "GOOD_BYTES", "Hostile", "message"]
