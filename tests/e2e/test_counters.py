"""N4: the bytes that both ends count are the bytes that went over the cable.

     client --- mid (counts) --- server
"""

from lib import wireguard
from lib.sniffer import Sniffer
from lib.topology import TUNNEL4


def test_ten_pings_cost_exactly_what_the_protocol_says(world, servers):
    peer = wireguard.make_peer(2)
    server = servers([peer])
    for box in (world.server, world.client):
        box.ip("link set outer gso_max_segs 1")  # the cable carries datagrams, not batches of them
    with Sniffer(world.mid, "server") as cable:
        client = wireguard.Client(world, peer, server.public)
        assert client.ping(TUNNEL4, count=10) == 10
        seen = cable.udp(settle=0.2)
        received, sent = client.transfer()
        assert client.latest_handshake() > 0
    down = [len(payload) for _, here, _, payload in seen if here == server.port]
    up = [len(payload) for _, _, there, payload in seen if there == server.port]
    assert sum(up) == sent and sum(down) == received
    # A response, then 84 bytes of echo padded to 96 and sealed to 128, ten times; perhaps keepalives.
    assert down[0] == 92 and up[0] == 148
    assert [size for size in down if size != 32].count(128) == 10
    assert set(down[1:]) <= {128, 32}
