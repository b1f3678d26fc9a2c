"""Addresses that change under a running tunnel, and NATs that forget.

     client --- mid (router, or relay as a NAT) --- server --- hop --- origin
"""

import hashlib
import os
import threading
import time

import pytest

from lib import miniwg, topology, wireguard
from lib.relay import Relay
from lib.tcp import connected, read_all
from lib.topology import ORIGIN4, SERVER4, SERVER6, TUNNEL4


@pytest.fixture
def pair(world, servers):
    """A server and a client that may be bent as the test likes; the network is as new afterwards."""
    peer = wireguard.make_peer(2)
    server = servers([peer])
    # A client that has nothing to say would not tell where it went.
    client = wireguard.Client(world, peer, server.public, keepalive=1).wait_until_up()
    yield server, client


def download_while(world, client, change, size=30_000_000):
    """A download during which change() is called once; fails if a byte is wrong."""
    here, there = connected(world, client)
    data = os.urandom(size)
    sent = threading.Event()

    def send():
        for start in range(0, size, size // 30):
            there.sendall(data[start:start + size // 30])
            time.sleep(0.03)
        there.close()
        sent.set()
    thread = threading.Thread(target=send)
    thread.start()
    first = here.recv(1 << 20)
    change()
    digest, count = hashlib.sha256(first), len(first)
    while block := here.recv(1 << 20):
        digest.update(block)
        count += len(block)
    thread.join()
    here.close()
    assert (count, digest.hexdigest()) == (size, hashlib.sha256(data).hexdigest())


def test_a_download_survives_a_new_outer_address(world, pair):
    """N8: the client's address and port change on the way."""
    _, client = pair

    def roam():
        world.client.ip("addr add 198.18.1.77/24 dev outer", "addr del 198.18.1.2/24 dev outer",
                        "route replace 198.18.0.0/16 via 198.18.1.1")
        client.set("listen-port", "40404")
    try:
        download_while(world, client, roam)
    finally:
        world.client.ip("addr add 198.18.1.2/24 dev outer", "addr del 198.18.1.77/24 dev outer",
                        "route replace 198.18.0.0/16 via 198.18.1.1")


def test_a_download_survives_the_move_from_outer_ipv4_to_ipv6(world, pair):
    """N9."""
    server, client = pair
    download_while(world, client, lambda: client.set(
        "peer", server.public, "endpoint", f"[{SERVER6}]:{server.port}"))


def test_everything_works_over_outer_ipv6(world, servers):
    """N6 in short; test_core has the long form over IPv4."""
    peer = wireguard.make_peer(2)
    server = servers([peer])
    client = wireguard.Client(world, peer, server.public, endpoint=f"[{SERVER6}]:51820").wait_until_up()
    assert client.ping(ORIGIN4, count=3) == 3
    assert client.ping(topology.ORIGIN6, count=3) == 3
    download_while(world, client, lambda: None, size=10_000_000)


def test_a_new_source_port_from_the_nat_does_not_stop_a_download(world, servers, request):
    """P6: the relay takes a new port in the middle, the client knows nothing of it."""
    peer = wireguard.make_peer(2)
    server = servers([peer])
    relay = Relay(world, request.config.getoption("--relay"))
    client = wireguard.Client(world, peer, server.public, endpoint=relay.endpoint).wait_until_up()
    download_while(world, client, relay.rebind)
    assert relay.counters()["rebinds"] == 1


@pytest.mark.parametrize("keepalive, reached", [(1, True), (0, False)], ids=["keepalive", "without"])
def test_a_persistent_keepalive_keeps_the_nat_open(world, servers, request, keepalive, reached):
    """N14: a mapping that lasts 2 s, 3 s of silence, then the origin speaks first."""
    peer = wireguard.make_peer(2)
    server = servers([peer])
    relay = Relay(world, request.config.getoption("--relay"))
    client = wireguard.Client(world, peer, server.public, endpoint=relay.endpoint,
                              keepalive=keepalive).wait_until_up()
    here, there = connected(world, client)
    relay.set(mapping_expiry_ms=2000)
    for _ in range(8):
        before = relay.counters()["up"]["received"]
        time.sleep(3)
        if keepalive or relay.counters()["up"]["received"] == before:
            break  # else something was late, and it was no silence
    there.sendall(b"are you there?")
    here.settimeout(10 if reached else 1.5)
    try:
        heard = here.recv(100) == b"are you there?"
    except TimeoutError:
        heard = False
    assert heard == reached
    here.close()
    there.close()


@pytest.mark.culvert_only
def test_the_answer_leaves_from_the_address_that_was_contacted(world, servers):
    """N20, N21: more than one address of each family, one of them on another interface."""
    more4, more6 = ["198.18.10.21", "198.18.10.22"], ["fd10::21", "fd10::22"]
    world.server.ip(*(f"addr add {address}/24 dev outer" for address in more4),
                    *(f"addr add {address}/64 dev outer nodad" for address in more6))
    world.mid.ip("route replace 192.0.2.0/24 via 198.18.10.2")
    world.client.ip("route replace 192.0.2.0/24 via 198.18.1.1")
    peer = wireguard.make_peer(2)
    server = servers([peer])
    # Not a real client: wireguard-go mixes addresses up for a while when the family changes.
    sockets = {4: world.client.udp("0.0.0.0"), 6: world.client.udp("::")}
    client = miniwg.MiniClient(sockets[4], (SERVER4, server.port), peer.key, server.key.public_raw).handshake()
    client.receive(0.2)
    for address in [*more4, *more6, topology.SERVER_OUT4, SERVER4, SERVER6]:
        sock = sockets[6 if ":" in address else 4]
        sock.sendto(client.seal(miniwg.echo_packet(peer.address4, TUNNEL4)), (address, server.port))
        sock.settimeout(20)
        assert sock.recvfrom(2000)[1][:2] == (address, server.port)
    for sock in sockets.values():
        sock.close()
    world.server.ip(*(f"addr del {address}/24 dev outer" for address in more4),
                    *(f"addr del {address}/64 dev outer" for address in more6))


@pytest.mark.parametrize("family", ["v4", "v6"])
def test_a_vanished_local_address_is_not_clung_to(world, servers, family):
    """N19: the address that the client used goes away; the server answers from another one."""
    first, second = (("198.18.10.31", "198.18.10.32") if family == "v4" else ("fd10::31", "fd10::32"))
    length, bracket = (24, "{}") if family == "v4" else ("64", "[{}]")
    nodad = "" if family == "v4" else "nodad"
    world.server.ip(f"addr add {first}/{length} dev outer {nodad}", f"addr add {second}/{length} dev outer {nodad}")
    peer = wireguard.make_peer(2)
    server = servers([peer])
    client = wireguard.Client(world, peer, server.public,
                              endpoint=f"{bracket.format(first)}:{server.port}").wait_until_up()
    here, there = connected(world, client)
    world.server.ip(f"addr del {first}/{length} dev outer")
    there.sendall(b"from where?")  # the server speaks first, with a stale source
    here.settimeout(20)
    assert here.recv(100) == b"from where?"
    client.set("peer", server.public, "endpoint", f"{bracket.format(second)}:{server.port}")
    assert client.ping(TUNNEL4, count=2) == 2
    world.server.ip(f"addr del {second}/{length} dev outer")
    here.close()
    there.close()


def test_the_endpoint_moves_even_when_the_inner_source_is_not_allowed(world, servers):
    """N10: crypto-key routing drops the packet, but it was authentic, so its sender is the endpoint."""
    peer = wireguard.make_peer(2)
    server = servers([peer])
    first, second = world.client.udp("198.18.1.2"), world.client.udp("198.18.1.2")
    origin = world.origin.udp(ORIGIN4)
    client = miniwg.MiniClient(first, (SERVER4, 51820), peer.key, server.key.public_raw).handshake()
    client.send(miniwg.udp_packet((peer.address4, 5000), origin.getsockname(), b"open"))
    _, mapped = origin.recvfrom(100)
    client.sock = second
    client.send(miniwg.udp_packet(("10.8.0.99", 5000), origin.getsockname(), b"not mine"))
    heard = None
    for _ in range(20):  # what the client sent may not have been read yet
        origin.sendto(b"to the new place", mapped)
        if heard := client.receive_udp(seconds=1):
            break
    assert heard == b"to the new place"
    for made in (first, second, origin):
        made.close()


@pytest.mark.parametrize("drop", [{"up": {"1": 1}}, {"down": {"2": 1}}, {"up": {"4": 1}}],
                         ids=["initiation", "response", "first-data"])
def test_one_lost_handshake_message_costs_one_retry(world, servers, request, drop):
    """P5: whichever message is lost, there is a session within one retransmission."""
    peer = wireguard.make_peer(2)
    server = servers([peer])
    faults = {direction: {"drop_first": types} for direction, types in drop.items()}
    relay = Relay(world, request.config.getoption("--relay"), **faults)
    client = wireguard.Client(world, peer, server.public, endpoint=relay.endpoint)
    begin = time.monotonic()
    client.wait_until_up()
    assert time.monotonic() - begin < 10  # it is sent again after 5 s, and once more after 10


@pytest.mark.seconds(60)
def test_transfers_survive_an_awful_network(world, servers, request):
    """P3, short: loss, corruption, duplicates and reordering at once; every byte as it was."""
    peer = wireguard.make_peer(2)
    server = servers([peer])
    relay = Relay(world, request.config.getoption("--relay"), seed=5)
    client = wireguard.Client(world, peer, server.public, endpoint=relay.endpoint).wait_until_up()
    relay.set(both={"loss": 0.02, "corrupt": 0.02, "duplicate": 0.05, "reorder": 0.05, "delay_ms": 5})
    for _ in range(3):
        here, there = connected(world, client)
        data = os.urandom(300_000)
        thread = threading.Thread(target=lambda: (there.sendall(data), there.close()))
        thread.start()
        assert read_all(here) == (len(data), hashlib.sha256(data).hexdigest())
        thread.join()
        here.close()
    counters = relay.counters()
    assert all(counters[way][what] > 0 for way in ("up", "down") for what in ("lost", "corrupted", "duplicated"))
