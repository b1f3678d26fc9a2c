"""Padding and sizes on the outer path (N7).

     client --- mid (counts and limits sizes) --- server
"""

import pytest

from lib import topology, wireguard
from lib.relay import Relay
from lib.sniffer import Sniffer
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
