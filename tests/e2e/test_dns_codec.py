"""A second opinion on what culvert makes of answers: messages that dnspython composes at random, of many
types, compressed as it likes, come to the client with the same records, and what dnspython reads of them
is what it wrote.

     client ==tunnel== server --- hop --- origin (an upstream that the test plays)
"""

import random

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset
import pytest

import test_dns_path
from lib import wireguard

pytestmark = pytest.mark.culvert_only
MESSAGES = 400
TYPES = ["A", "AAAA", "MX", "TXT", "SRV", "NS", "PTR", "SOA", "NAPTR", "CAA", "TLSA", "DS", "SSHFP", "HINFO",
         "HTTPS", "SVCB", "LOC", "URI", "RP", "AFSDB", "KX", "DNAME", "TYPE65281"]
MOST_TTL = 86400  # cache.max_ttl


def some_name(chance):
    label = lambda: "".join(chance.choice("abcXYZ019-_") for _ in range(chance.choice((1, 3, 9, 40))))
    tail = chance.choice(("example.org.", "Example.NET.", "x.y.z.example.org."))
    return ".".join([label().strip("-") or "a" for _ in range(chance.randrange(1, 4))] + [tail])


def some_text(chance):
    return '"' + "".join(chance.choice(("a", "Z", "\\\"", "\\\\", "\\000", "\\255", " ", ";"))
                         for _ in range(chance.randrange(0, 40))) + '"'


def hexadecimal(chance, octets):
    return "".join(f"{chance.randrange(256):02x}" for _ in range(octets))


def parameters(chance):
    some = ['alpn="h2,h3"', "port=8443", "ipv4hint=192.0.2.9,198.51.100.9", "ech=AEX+DQBBtgAgACBl",
            "ipv6hint=2001:db8::9", 'key65000="a b"', "no-default-alpn"]
    chosen = [each for each in some if chance.random() < 0.5]
    if "no-default-alpn" in chosen and some[0] not in chosen:
        chosen.remove("no-default-alpn")
    return " ".join(chosen)


def value_of(kind, chance):
    number, name = chance.randrange(65536), some_name(chance)
    return {
        "A": f"203.0.{chance.randrange(110, 114)}.{chance.randrange(1, 255)}",
        "AAAA": f"2001:db9::{chance.randrange(1, 65536):x}",
        "MX": f"{number} {name}", "AFSDB": f"{number} {name}", "KX": f"{number} {name}",
        "TXT": " ".join(some_text(chance) for _ in range(chance.randrange(1, 5))),
        "SRV": f"{number} 2 3 {name}", "NS": name, "PTR": name, "DNAME": name,
        "RP": f"{name} {some_name(chance)}",
        "SOA": f"{name} {some_name(chance)} {number} 2 3 4 60",
        "NAPTR": f'{number} 1 "u" "E2U+sip" "!^.*$!sip:x@example.org!" {name}',
        "CAA": f"0 issue {some_text(chance)}",
        "TLSA": f"3 1 1 {hexadecimal(chance, 32)}",
        "DS": f"{number} 13 2 {hexadecimal(chance, 32)}",
        "SSHFP": f"4 2 {hexadecimal(chance, 32)}",
        "HINFO": f"{some_text(chance)} {some_text(chance)}",
        "HTTPS": f"{1 + number % 9} {chance.choice(('.', name))} {parameters(chance)}",
        "SVCB": f"{1 + number % 9} {name} {parameters(chance)}",
        "LOC": "52 22 23.000 N 4 53 32.000 E -2.00m 0.00m 10000m 10m",
        "URI": f'{number} 1 "https://example.org/x"',
        "TYPE65281": f"\\# {number % 40} {hexadecimal(chance, number % 40)}",
    }[kind]


def made(name, kind, seed):
    """The records of the answer, a chain of aliases before them; the same for the same seed."""
    chance = random.Random(seed)
    owner, chain = name, []
    for _ in range(chance.choice((0, 0, 1, 3))):
        target = some_name(chance)
        chain.append(dns.rrset.from_text(owner, chance.randrange(1, 200000), "IN", "CNAME", target))
        owner = target
    count = 1 if kind in ("SOA", "DNAME") else chance.randrange(1, 5)
    values = [value_of(kind, chance) for _ in range(count)]
    return chain + [dns.rrset.from_text(owner, chance.randrange(1, 200000), "IN", kind, *values)]


def asked_of(seed):
    chance = random.Random(-seed - 1)
    return f"m{seed}.{some_name(chance)}", TYPES[seed % len(TYPES)]


def answer_to(query):
    question = query.question[0]
    seed = int(question.name.labels[0][1:])
    name, kind = asked_of(seed)
    response = dns.message.make_response(query, recursion_available=True)
    response.answer = made(name, kind, seed)
    # What does not belong to the question does not reach the client.
    stray = dns.rrset.from_text("stray.example.com.", 60, "IN", "A", "203.0.113.99")
    for section in (response.authority, response.additional):
        if seed % 3:
            section.append(stray)
    return response


@pytest.fixture(scope="module")
def setting(world, module_servers):
    if wireguard.missing("wireguard-go"):
        pytest.skip(wireguard.missing("wireguard-go"))
    plain, test_dns_path.answer_to = test_dns_path.answer_to, answer_to
    yield test_dns_path.Setting(world, module_servers)
    test_dns_path.answer_to = plain


def same(given, wanted):
    """The same records in the same order of owners; letters of owners may have another case."""
    if [(each.name, each.rdtype, set(each)) for each in given] != \
       [(each.name, each.rdtype, set(each)) for each in wanted]:
        return False
    return all(min(was.ttl, MOST_TTL) - 20 <= now.ttl <= min(was.ttl, MOST_TTL) for now, was in zip(given, wanted))


def test_messages_of_dnspython_arrive_with_the_same_records(setting):
    wrong = []
    for seed in range(MESSAGES):
        name, kind = asked_of(seed)
        response = setting.tcp("8.8.8.8", name, kind)
        again = dns.message.from_wire(response.to_wire())
        wanted = made(name, kind, seed)
        if response.rcode() or not same(response.answer, wanted) or response.authority or again != response:
            wrong.append((seed, kind, response.to_text(), "\n".join(each.to_text() for each in wanted)))
    assert not wrong, f"{len(wrong)} of {MESSAGES}, the first: " + "\n".join(map(str, wrong[0]))


def test_they_fit_over_udp_or_are_truncated(setting):
    whole = 0
    for seed in range(0, MESSAGES, 4):
        name, kind = asked_of(seed)
        response = setting.udp("8.8.8.8", name, kind)
        if response.flags & dns.flags.TC:
            assert not response.answer
            continue
        whole += 1
        assert len(response.to_wire()) <= 1232 and same(response.answer, made(name, kind, seed)), response.to_text()
    assert whole > MESSAGES // 8
