"""What is not ours gets no answer: junk, wrong keys, replays, low-order keys.

     client ~~forged datagrams~~ mid (counts what the server sends) --- server
"""

import base64
import os
import struct
import time

import pytest

from lib import miniwg, topology, wireguard
from lib.sniffer import Sniffer
from lib.topology import SERVER4, SERVER6

# The points of small order on Curve25519, as peers (N25).
LOW_ORDER = [
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000000",
    "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
    "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
]


@pytest.fixture
def cable(world):
    with Sniffer(world.mid, "server") as made:
        yield made


def try_to_connect(world, server, peer, **changed):
    client = wireguard.Client(world, peer, changed.pop("public", server.public), namespace=world.second,
                              endpoint=f"{SERVER4}:{server.port}", **changed)
    answered = client.ping(topology.TUNNEL4, wait=2)
    client.stop()
    return answered


def test_a_wrong_server_key_stays_silent(world, servers, cable):
    peer = wireguard.make_peer(3)
    server = servers([peer], port=51840)
    assert try_to_connect(world, server, peer, public=wireguard.Key().public) == 0
    assert cable.from_port(51840) == []


def test_an_unknown_client_stays_silent(world, servers, cable):
    server = servers([wireguard.make_peer(3)], port=51840)
    assert try_to_connect(world, server, wireguard.make_peer(3)) == 0
    assert cable.from_port(51840) == []


def test_a_wrong_preshared_key_gives_no_session(world, servers, cable):
    """The responder cannot notice (the key enters in its answer); the client must, and no data flows."""
    peer = wireguard.make_peer(3, psk=wireguard.preshared_key())
    server = servers([peer], port=51840)
    assert try_to_connect(world, server, peer, psk=wireguard.preshared_key()) == 0
    assert {payload[0] for *_, payload in cable.from_port(51840)} <= {miniwg.RESPONSE}


@pytest.mark.parametrize("server_address", [SERVER4, SERVER6], ids=["v4", "v6"])
def test_junk_of_every_size_and_type_gets_no_reply(world, servers, cable, server_address):
    server = servers([wireguard.make_peer(3)], port=51841)
    before = 0 if server.is_reference else server.resident()
    sender = world.client.udp("::" if ":" in server_address else "0.0.0.0")
    public = server.key.public_raw
    for number in range(20_000):
        kind = number % 7
        junk = os.urandom(number % 1500)
        if kind < 5 and len(junk) >= 4:
            junk = struct.pack("<I", kind) + junk[4:]
        elif kind == 5:  # the right sizes
            junk = struct.pack("<I", 1 + number % 3) + os.urandom((144, 88, 60)[number % 3])
        elif kind == 6:  # an initiation with a good first mac and nonsense inside
            junk = struct.pack("<I", 1) + os.urandom(112)
            junk += miniwg.mac(miniwg.digest(b"mac1----", public), junk) + bytes(16)
        sender.sendto(junk, (server_address, 51841))
    # A good mac alone may earn a cookie when the server is under load; that is all it may earn.
    replies = cable.from_port(51841, settle=0.5)
    assert {payload[0] for *_, payload in replies} <= {miniwg.COOKIE}
    if not server.is_reference:
        assert server.resident() - before < 4 << 20
        assert len(server.log().splitlines()) < 50
    sender.close()


def test_an_initiation_with_its_last_mac_bit_wrong_gets_no_reply(world, servers, cable):
    peer = wireguard.make_peer(3)
    server = servers([peer], port=51842)
    sock = world.client.udp("0.0.0.0")
    client = miniwg.MiniClient(sock, (SERVER4, 51842), peer.key, server.key.public_raw)
    good = client.initiation()
    bad = good[:131] + bytes([good[131] ^ 1]) + good[132:]
    sock.sendto(bad, client.server)
    assert cable.from_port(51842, settle=0.3) == []
    sock.sendto(good, client.server)  # it was that bit and nothing else
    client.accept(sock.recv(2000))
    sock.close()


def test_replayed_messages_change_nothing(world, servers, cable):
    """U6: initiations and data once more, from the same and from another source."""
    peer = wireguard.make_peer(3)
    server = servers([peer], port=51843)
    sock, other = world.client.udp("0.0.0.0"), world.second.udp("0.0.0.0")
    origin = world.origin.udp(topology.ORIGIN4)
    client = miniwg.MiniClient(sock, (SERVER4, 51843), peer.key, server.key.public_raw)
    initiation = client.initiation()
    sock.sendto(initiation, client.server)
    client.accept(sock.recv(2000))
    message = client.seal(miniwg.udp_packet((peer.address4, 5000), origin.getsockname(), b"once"))
    sock.sendto(message, client.server)
    assert origin.recvfrom(100)[0] == b"once"
    mapped = client_mapping(client, peer, origin)
    cable.drain()
    for replayer in (sock, other):
        for _ in range(50):
            replayer.sendto(message, client.server)
            replayer.sendto(initiation, client.server)
    origin.settimeout(0.5)
    with pytest.raises(TimeoutError):
        origin.recv(100)
    assert {payload[0] for *_, payload in cable.from_port(51843)} <= {miniwg.COOKIE}
    origin.sendto(b"still there?", mapped)  # the endpoint did not move to the replayer
    assert client.receive_udp() == b"still there?"
    for made in (sock, other, origin):
        made.close()


def client_mapping(client, peer, origin):
    client.send(miniwg.udp_packet((peer.address4, 5000), origin.getsockname(), b"twice"))
    data, mapped = origin.recvfrom(100)
    assert data == b"twice"
    return mapped


def test_an_inner_source_of_another_peer_is_dropped(world, servers):
    """C1: what a peer may call itself is what its allowed IPs say."""
    mine, other = wireguard.make_peer(3), wireguard.make_peer(4)
    server = servers([mine, other], port=51844)
    sock, origin = world.client.udp("0.0.0.0"), world.origin.udp(topology.ORIGIN4)
    client = miniwg.MiniClient(sock, (SERVER4, 51844), mine.key, server.key.public_raw).handshake()
    for source in (other.address4, topology.TUNNEL4, "224.0.0.1", "0.0.0.0", "127.0.0.1", "203.0.113.9"):
        client.send(miniwg.udp_packet((source, 5000), origin.getsockname(), b"forged"))
    client.send(miniwg.udp_packet((mine.address4, 5000), origin.getsockname(), b"honest"))
    assert origin.recvfrom(100)[0] == b"honest"
    origin.settimeout(0.3)
    with pytest.raises(TimeoutError):
        origin.recv(100)
    for made in (sock, origin):
        made.close()


@pytest.mark.culvert_only
def test_a_peer_with_a_low_order_key_gets_not_one_packet(world, servers, cable):
    """N25. With an endpoint and a keepalive, so that a peer with a good key would be dialled at once."""
    peers = []
    for number, text in enumerate(LOW_ORDER):
        peer = wireguard.make_peer(30 + number, endpoint=f"198.18.1.2:{6000 + number}", keepalive=1)
        peer.key.public = base64.b64encode(bytes.fromhex(text)).decode()
        peers.append(peer)
    good = wireguard.make_peer(60, endpoint="198.18.1.2:6999", keepalive=1)
    servers([*peers, good], port=51845)
    dialled, limit = set(), time.monotonic() + 30
    while 6999 not in dialled and time.monotonic() < limit:
        dialled |= {there for _, _, there, _ in cable.from_port(51845, settle=0.1)}
    dialled |= {there for _, _, there, _ in cable.from_port(51845, settle=1.5)}
    assert dialled == {6999}


@pytest.mark.culvert_only
def test_the_port_is_closed_after_the_end(world, servers):
    server = servers([wireguard.make_peer(3)], port=51846)
    sock = world.client.udp("0.0.0.0")
    sock.connect((SERVER4, 51846))
    server.terminate()
    sock.send(b"anyone?")
    with pytest.raises(ConnectionRefusedError):
        sock.recv(1)
    sock.close()
