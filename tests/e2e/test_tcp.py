"""TCP through the tunnel: resets, backpressure, port forwards, client to client.

     client ==tunnel== server --- hop --- origin
"""

import errno
import hashlib
import os
import socket
import struct
import threading
import time

import pytest

from lib import topology, wireguard
from lib.tcp import connected, read_all, send_and_close


def reset(connection):
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


@pytest.mark.parametrize("who", ["client", "origin"])
def test_a_reset_is_a_reset_on_the_other_side(tunnel, who):
    here, there = connected(tunnel.world, tunnel.client)
    here.sendall(b"hello")
    assert there.recv(5) == b"hello"
    victim = there if who == "client" else here
    reset(here if who == "client" else there)
    with pytest.raises(ConnectionResetError):
        victim.recv(1)
    victim.close()


def test_one_byte_writes_arrive_in_order(tunnel):
    here, there = connected(tunnel.world, tunnel.client)
    here.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for number in range(2000):
        here.send(bytes([number % 251]))
    here.shutdown(socket.SHUT_WR)
    got = b""
    while data := there.recv(4096):
        got += data
    assert got == bytes(number % 251 for number in range(2000))
    here.close()
    there.close()


def fill(connection, seconds):
    """Sends until nothing goes any more for two seconds; how much that was."""
    connection.settimeout(2)
    sent, limit = 0, time.monotonic() + seconds
    block = bytes(1 << 16)
    try:
        while time.monotonic() < limit:
            sent += connection.send(block)
    except TimeoutError:
        pass
    return sent


@pytest.mark.parametrize("reader", ["client", "origin"])
def test_a_side_that_never_reads_stops_the_other(tunnel, reader):
    """Backpressure from end to end: what is under way is a few windows, not a queue that grows."""
    here, there = connected(tunnel.world, tunnel.client)
    sender = there if reader == "client" else here
    sent = fill(sender, 30)
    assert 0 < sent < 32 << 20
    assert fill(sender, 4) < 4 << 20
    here.close()
    there.close()


@pytest.mark.culvert_only
def test_a_hundred_clients_that_never_read_do_not_grow_the_server(tunnel):
    tunnel.world.origin.sysctl("net.ipv4.tcp_wmem", "4096 65536 262144")
    before = tunnel.server.resident()
    pairs = [connected(tunnel.world, tunnel.client) for _ in range(100)]
    for _, there in pairs:
        there.setblocking(False)
    limit = time.monotonic() + 4
    block = bytes(1 << 16)
    while time.monotonic() < limit:
        for _, there in pairs:
            try:
                there.send(block)
            except BlockingIOError:
                pass
        time.sleep(0.02)
    grown = tunnel.server.resident() - before
    for here, there in pairs:
        here.close()
        there.close()
    assert grown < 100 * (512 + 64) * 1024  # the send buffer of each, and a little


@pytest.mark.culvert_only
def test_a_port_forward_reaches_into_the_tunnel(world, servers):
    """A connection from outside to a host port ends at a listener of the client."""
    peer = wireguard.make_peer(5)
    server = servers([peer], port=51825, tail="""[[forward]]
listen = "192.0.2.2:8080"
to = "10.8.0.5:80"
protocol = "tcp"
""")
    client = wireguard.Client(world, peer, server.public, namespace=world.second,
                              endpoint=f"{topology.SERVER4}:51825").wait_until_up()
    listener = client.namespace.tcp_listener("10.8.0.5", 80)
    outside = world.origin.tcp(("192.0.2.2", 8080))
    inside, _ = listener.accept()
    data = os.urandom(300_000)
    thread = threading.Thread(target=send_and_close, args=(outside, data))
    thread.start()
    assert read_all(inside) == (len(data), hashlib.sha256(data).hexdigest())
    inside.sendall(b"thanks")
    inside.close()
    assert outside.recv(100) == b"thanks"
    thread.join()
    for made in (outside, listener):
        made.close()


@pytest.mark.parametrize("overlay", [False, True], ids=["off", "on"])
@pytest.mark.culvert_only
def test_clients_reach_each_other_only_when_the_overlay_is_on(world, servers, overlay):
    one, two = wireguard.make_peer(21), wireguard.make_peer(22)
    server = servers([one, two], port=51826, server=f"overlay = {str(overlay).lower()}")
    endpoint = f"{topology.SERVER4}:51826"
    left = wireguard.Client(world, one, server.public, namespace=world.second, endpoint=endpoint)
    right = wireguard.Client(world, two, server.public, namespace=world.mid, endpoint=endpoint,
                             routes=())
    left.wait_until_up()
    right.wait_until_up()
    listener = right.namespace.tcp_listener(two.address4, 7000)
    try:
        left.namespace.tcp((two.address4, 7000), timeout=20).close()
        reached = True
    except OSError as error:
        assert error.errno in (errno.EHOSTUNREACH, errno.EACCES)
        reached = False
    assert reached == overlay
    assert (left.ping(two.address4) == 1) == overlay
    assert (left.ping(two.address6) == 1) == overlay
    listener.close()
