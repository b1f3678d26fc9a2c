"""What a client sees of a connection that cannot be: the same errno as from a real router, and never
a connection to what the egress policy denies.

     client ==tunnel== server --- hop --- origin
                          \\-- its own loopback and addresses: never
"""

import errno
import select
import socket
import time

import pytest

from lib import miniwg, topology, wireguard
from lib.topology import ORIGIN4, ORIGIN6

UNREACHABLE = {"v4": "203.0.113.70", "v6": "2001:db8:dead::1"}
# Linux sends "no route" where an IPv6 route says unreachable, "host unreachable" for IPv4.
NO_WAY = {"v4": "EHOSTUNREACH", "v6": "ENETUNREACH"}
BLACKHOLE = {"v4": "203.0.113.130", "v6": "2001:db8:b1ac::1"}
ORIGIN = {"v4": ORIGIN4, "v6": ORIGIN6}
FAMILIES = pytest.mark.parametrize("family", ["v4", "v6"])


def tcp_error(tunnel, target, timeout=20):
    try:
        tunnel.client.namespace.tcp(target, timeout=timeout).close()
    except TimeoutError:
        return "timeout"
    except OSError as error:
        return errno.errorcode[error.errno]
    return "connected"


def udp_error(tunnel, target, wait=20):
    """The error that one datagram from a connected socket brings back, as with IP_RECVERR."""
    made = tunnel.client.namespace.socket(socket.AF_INET6 if ":" in target[0] else socket.AF_INET,
                                          socket.SOCK_DGRAM)
    if ":" in target[0]:
        made.setsockopt(socket.IPPROTO_IPV6, 25, 1)  # IPV6_RECVERR
    else:
        made.setsockopt(socket.IPPROTO_IP, 11, 1)  # IP_RECVERR
    made.settimeout(wait)
    try:
        made.connect(target)
        made.send(b"anyone?")
        made.recv(100)
    except TimeoutError:
        return "timeout"
    except OSError as error:
        return errno.errorcode[error.errno]
    finally:
        made.close()
    return "answered"


@FAMILIES
def test_a_closed_tcp_port_is_refused(tunnel, family):
    took = []
    for _ in range(5):
        begin = time.monotonic()
        assert tcp_error(tunnel, (ORIGIN[family], 9)) == "ECONNREFUSED"
        took.append(time.monotonic() - begin)
    assert min(took) < 0.9  # the first SYN was answered, not its retransmission


@FAMILIES
def test_a_closed_udp_port_is_refused(tunnel, family):
    assert udp_error(tunnel, (ORIGIN[family], 9)) == "ECONNREFUSED"


@FAMILIES
def test_an_unreachable_host_is_unreachable_for_tcp(tunnel, family):
    assert tcp_error(tunnel, (UNREACHABLE[family], 80)) == NO_WAY[family]


@FAMILIES
def test_an_unreachable_host_is_unreachable_for_udp(tunnel, family):
    assert udp_error(tunnel, (UNREACHABLE[family], 80)) == NO_WAY[family]


@FAMILIES
def test_a_filtered_port_is_silent(tunnel, family):
    assert tcp_error(tunnel, (BLACKHOLE[family], 80), timeout=2.5) == "timeout"
    assert udp_error(tunnel, (BLACKHOLE[family], 80), wait=1) == "timeout"


def test_no_route_is_a_network_error(tunnel):
    tunnel.world.server.ip("route add unreachable 198.51.100.128/25")
    try:
        assert tcp_error(tunnel, ("198.51.100.200", 80)) in ("ENETUNREACH", "EHOSTUNREACH")
    finally:
        tunnel.world.server.ip("route del unreachable 198.51.100.128/25")


# Everything that must not be reached, by what it is. Ports are added below.
DENIED = {
    "loopback": "127.0.0.1", "loopback elsewhere": "127.9.9.9", "zero net": "0.1.2.3",
    "own outer address": topology.SERVER4, "own wide address": topology.SERVER_OUT4,
    "metadata": topology.METADATA, "private": topology.PRIVATE4, "carrier grade": "100.64.1.1",
    "multicast": "224.0.0.251", "reserved": "250.1.1.1", "another client": "10.8.0.77",
    "own outer address, v6": topology.SERVER6, "own wide address, v6": topology.SERVER_OUT6,
    "private, v6": topology.PRIVATE6, "NAT64, loopback": "64:ff9b::7f00:1",
    "NAT64, private": "64:ff9b::a37:2", "NAT64, metadata": "64:ff9b::a9fe:a9fe",
    "local NAT64": "64:ff9b:1::7f00:1", "6to4 of loopback": "2002:7f00:1::1",
    "6to4 of private": "2002:a37:2::1", "IPv4-compatible loopback": "::127.0.0.1",
}
# A kernel puts none of these on a wire, a hostile client does.
FORGED = ["::1", "::", "::ffff:127.0.0.1", "::ffff:10.55.0.2", "::ffff:169.254.169.254", "::ffff:192.0.2.2",
          "fe80::1", "ff02::1"]


class Traps:
    """Listeners on every address of the server and of the origin, on one port; who touched them."""

    def __init__(self, world):
        self.tcp, self.udp = [], []
        for box in (world.server, world.origin):
            for address in ("0.0.0.0", "::"):
                family = socket.AF_INET6 if ":" in address else socket.AF_INET
                for kind, into in ((socket.SOCK_STREAM, self.tcp), (socket.SOCK_DGRAM, self.udp)):
                    made = box.socket(family, kind)
                    if family == socket.AF_INET6:
                        made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                    made.bind((address, 7777))
                    if kind == socket.SOCK_STREAM:
                        made.listen(16)
                    into.append(made)

    def touched(self, seconds=0.2):
        return len(select.select(self.tcp + self.udp, [], [], seconds)[0])

    def close(self):
        for made in self.tcp + self.udp:
            made.close()


@pytest.fixture
def traps(world):
    made = Traps(world)
    yield made
    made.close()


@pytest.mark.culvert_only
@pytest.mark.parametrize("target", DENIED.values(), ids=DENIED.keys())
def test_a_denied_destination_is_prohibited_and_not_touched(tunnel, traps, target):
    expected = "EACCES" if ":" in target else "EHOSTUNREACH"
    namespace = tunnel.client.namespace
    length = 128 if ":" in target else 32
    # Its own route, so that multicast and the tunnel's own network go into the tunnel too. Loopback
    # and the server's outer address cannot: the forged packets below stand for them.
    if not target.startswith(("127.", "0.")) and target not in (topology.SERVER4, topology.SERVER6):
        namespace.ip(f"route replace {target}/{length} dev {tunnel.client.interface}")
        try:
            if target.startswith(("224.", "250.")):
                assert udp_error(tunnel, (target, 7777), wait=1) in ("timeout", "EINVAL", expected)
            else:
                assert tcp_error(tunnel, (target, 7777)) == expected
                assert udp_error(tunnel, (target, 7777)) == expected
        finally:
            namespace.ip(f"route del {target}/{length} dev {tunnel.client.interface}")
    assert traps.touched() == 0


@pytest.mark.culvert_only
def test_forged_inner_destinations_reach_nobody(world, servers, traps):
    """Loopback and IPv4-mapped forms, which only a client of one's own making can send."""
    peer = wireguard.make_peer(9)
    server = servers([peer], port=51999)
    sock = world.client.udp("0.0.0.0")
    client = miniwg.MiniClient(sock, (topology.SERVER4, 51999), peer.key, server.key.public_raw).handshake()
    for target in [*FORGED, *DENIED.values()]:
        source = peer.address6 if ":" in target else peer.address4
        client.send(miniwg.syn_packet((source, 4000), (target, 7777)))
        client.send(miniwg.udp_packet((source, 4000), (target, 7777), b"let me in"))
    # The traps work, and the tunnel does: one that is allowed arrives.
    assert traps.touched() == 0
    client.send(miniwg.udp_packet((peer.address4, 4000), (ORIGIN4, 7777), b"hello"))
    assert traps.touched(seconds=20) == 1
    sock.close()


@pytest.mark.culvert_only
def test_the_wireguard_port_itself_cannot_be_reached_through_the_tunnel(tunnel):
    """N13: no loop. What goes into the tunnel towards our own listener ends there."""
    before = tunnel.client.transfer()
    tunnel.client.namespace.ip(f"route replace {topology.SERVER_OUT4}/32 dev {tunnel.client.interface}")
    assert udp_error(tunnel, (topology.SERVER_OUT4, 51820)) == "EHOSTUNREACH"
    tunnel.client.namespace.ip(f"route del {topology.SERVER_OUT4}/32 dev {tunnel.client.interface}")
    assert sum(tunnel.client.transfer()) - sum(before) < 70_000


@pytest.mark.culvert_only
def test_egress_allow_opens_a_private_network_and_deny_closes_a_public_one(world, servers):
    peer = wireguard.make_peer(8)
    server = servers([peer], port=51998, tail=f"""[egress]
allow = ["10.55.0.0/24"]
deny = ["{ORIGIN4}:7001/tcp"]""")
    client = wireguard.Client(world, peer, server.public, namespace=world.second,
                              endpoint=f"{topology.SERVER4}:51998").wait_until_up()
    opened = world.origin.tcp_listener(topology.PRIVATE4, 7000)
    closed = world.origin.tcp_listener(ORIGIN4, 7001)
    client.namespace.tcp((topology.PRIVATE4, 7000)).close()
    with pytest.raises(OSError) as caught:
        client.namespace.tcp((ORIGIN4, 7001))
    assert caught.value.errno == errno.EHOSTUNREACH
    opened.close()
    closed.close()
