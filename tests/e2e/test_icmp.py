"""Ping and traceroute through the tunnel: the hops are the tunnel's end, the router, the origin.

     client ==tunnel== server (10.8.0.1) --- hop (192.0.2.1) --- origin
"""

import re

import pytest

from lib import topology, wireguard
from lib.netns import maps_one_account
from lib.topology import HOP4, HOP6, ORIGIN4, ORIGIN6, TUNNEL4, TUNNEL6

pytestmark = pytest.mark.culvert_only


def hops(client, target, *options):
    """The addresses that traceroute names, one a hop; None where nobody answered."""
    done = client.namespace.run("traceroute", "-n", "-q", "1", "-w", "10", "-m", "6", *options, target,
                                timeout=120)
    found = []
    for line in done.stdout.splitlines()[1:]:
        fields = line.split()
        found.append(fields[1] if re.search(r"[.:]", fields[1]) else None)
    return found


# -U alone means port 53, which culvert answers itself.
@pytest.mark.parametrize("options", [["-I"], ["-U", "-p", "4433"], []], ids=["icmp", "udp-to-one-port", "udp"])
def test_traceroute_v4(tunnel, options):
    assert hops(tunnel.client, ORIGIN4, *options) == [TUNNEL4, HOP4, ORIGIN4]


@pytest.mark.parametrize("options", [["-I"], []], ids=["icmp", "udp"])
def test_traceroute_v6(tunnel, options):
    assert hops(tunnel.client, ORIGIN6, "-6", *options) == [TUNNEL6, HOP6, ORIGIN6]


@pytest.mark.parametrize("target, unreachable", [("203.0.113.70", "Destination Host Unreachable"),
                                                 ("2001:db8:dead::1", "No route")], ids=["v4", "v6"])
def test_ping_of_an_unreachable_host_says_who_said_so(tunnel, target, unreachable):
    done = tunnel.client.namespace.run("ping", "-n", "-c", "1", "-W", "10", target, check=False)
    assert "0 received" in done.stdout
    assert unreachable in done.stdout
    assert (HOP6 if ":" in target else HOP4) in done.stdout


def test_ping_of_a_denied_address_is_prohibited(tunnel):
    tunnel.client.namespace.ip(f"route replace {topology.METADATA} dev {tunnel.client.interface}")
    done = tunnel.client.namespace.run("ping", "-n", "-c", "1", "-W", "10", topology.METADATA, check=False)
    assert "Packet filtered" in done.stdout and "0 received" in done.stdout


def test_ping_of_a_silent_host_stays_silent(tunnel):
    done = tunnel.client.namespace.run("ping", "-n", "-c", "1", "-W", "1", "203.0.113.130", check=False)
    assert "0 received" in done.stdout and "From" not in done.stdout


def test_where_the_system_forbids_ping_the_answer_is_unreachable_and_never_invented(world, servers):
    if maps_one_account():
        pytest.skip("a user namespace of one account cannot forbid ping")
    world.server.sysctl("net.ipv4.ping_group_range", "1 0")
    try:
        peer = wireguard.make_peer(6)
        server = servers([peer], port=51830)
        client = wireguard.Client(world, peer, server.public, namespace=world.second,
                                  endpoint=f"{topology.SERVER4}:51830").wait_until_up()
        for target in (ORIGIN4, ORIGIN6):
            done = client.namespace.run("ping", "-n", "-c", "2", "-W", "10", "-i", "0.2", target, check=False)
            assert " 0 received" in done.stdout
            assert re.search("nreachable|prohibited|filtered", done.stdout), done.stdout
        assert client.ping(TUNNEL6) == 1  # our own address needs no socket
        assert server.log().count("ping_group_range") == len(server.workers()) or \
            server.log().count("ping_group_range") == 1
    finally:
        world.server.sysctl("net.ipv4.ping_group_range", world.every_group)
