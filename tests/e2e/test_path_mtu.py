"""Padding and sizes on the outer path (N7).

     client --- mid (counts and limits sizes) --- server
"""

import hashlib
import os
import threading

import pytest

from lib import topology, wireguard
from lib.relay import Relay
from lib.sniffer import Sniffer
from lib.tcp import connected, read_all, send_and_close
from lib.topology import ORIGIN4, TUNNEL4


def test_padding_never_makes_a_packet_larger_than_the_tunnel_mtu_allows(world, servers, request):
    """N7: with an MTU of 1300 a full packet is sealed to 1300 + 32, not to the next multiple of 16
    (1304 + 32); a path that takes no more still carries it."""
    peer = wireguard.make_peer(2)
    server = servers([peer], server="mtu = 1300")
    relay = Relay(world, request.config.getoption("--relay"), down={"mtu": 1332})
    client = wireguard.Client(world, peer, server.public, endpoint=relay.endpoint, mtu=1300).wait_until_up()
    if server.is_reference:
        world.server.ip(f"link set {server.tunnel.interface} mtu 1300")
    for size in (1269, 1272):
        assert client.ping(TUNNEL4, count=2, size=size) == 2
    assert relay.counters()["down"]["mtu_dropped"] == 0


def test_data_is_padded_to_sixteen_bytes(world, servers):
    peer = wireguard.make_peer(2)
    server = servers([peer])
    client = wireguard.Client(world, peer, server.public).wait_until_up()
    world.server.ip("link set outer gso_max_segs 1")  # the cable carries datagrams, not batches of them
    with Sniffer(world.mid, "server") as cable:
        for size in (1, 2, 13, 100, 777):
            assert client.ping(ORIGIN4, size=size) == 1
        sizes = [len(payload) for *_, payload in cable.from_port(server.port, settle=0.1)
                 if payload[0] == 4]
    assert len(sizes) >= 5
    assert all(size % 16 == 0 for size in sizes)


@pytest.mark.parametrize("mtu", [1280, 1380])
def test_a_smaller_tunnel_mtu_fragments_what_comes_down(world, servers, mtu):
    peer = wireguard.make_peer(2)
    server = servers([peer], server=f"mtu = {mtu}")
    client = wireguard.Client(world, peer, server.public, mtu=mtu).wait_until_up()
    if server.is_reference:
        pytest.skip("the kernel's path MTU discovery drops the first one")
    world.server.ip("link set outer gso_max_segs 1")  # the cable carries datagrams, not batches of them
    with Sniffer(world.mid, "server") as cable:
        assert client.ping(ORIGIN4, count=2, size=3000) == 2
        assert client.ping(topology.ORIGIN6, count=2, size=3000) == 2
        assert max(len(payload) for *_, payload in cable.from_port(server.port)) <= mtu + 32


@pytest.mark.culvert_only
def test_without_ipv6_the_tunnel_mtu_may_be_576(world, servers):
    peer = wireguard.make_peer(2)
    server = servers([peer], server='address = "10.8.0.1/24"\nmtu = 576\ngso = false')
    client = wireguard.Client(world, peer, server.public, mtu=576, routes=("0.0.0.0/1", "128.0.0.0/1"))
    client.wait_until_up(ORIGIN4)
    data = os.urandom(300_000)
    with Sniffer(world.mid, "server") as cable:
        assert client.ping(ORIGIN4, count=2, size=3000) == 2
        here, there = connected(world, client)
        for source, sink in ((here, there), (there, here)):
            sender = threading.Thread(target=send_and_close, args=(source, data))
            sender.start()
            assert read_all(sink) == (len(data), hashlib.sha256(data).hexdigest())
            sender.join()
        sizes = [len(payload) for *_, payload in cable.from_port(server.port)]
    assert max(sizes) == 576 + 32
