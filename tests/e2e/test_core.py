"""What every client must find: ping, TCP, UDP, files, many connections (N1, N2, N3)."""

import concurrent.futures
import hashlib
import json
import os
import socket
import threading
import time

import pytest

from lib import topology
from lib.topology import ORIGIN4, ORIGIN6, TUNNEL4, TUNNEL6

BOTH = pytest.mark.parametrize("origin", [ORIGIN4, ORIGIN6], ids=["v4", "v6"])
BOTH_TARGETS = pytest.mark.parametrize("target", [ORIGIN4, ORIGIN6], ids=["v4", "v6"])
MEGABYTES = {"wireguard-go": 1000, "boringtun": 200}  # the second is slow itself


@pytest.mark.parametrize("target", [TUNNEL4, TUNNEL6, ORIGIN4, ORIGIN6],
                         ids=["tunnel-v4", "tunnel-v6", "origin-v4", "origin-v6"])
def test_ping(any_tunnel, target):
    assert any_tunnel.client.ping(target, count=5) == 5


@pytest.mark.culvert_only  # a kernel router lets the first one find out the path's MTU
@BOTH_TARGETS
def test_a_ping_larger_than_the_tunnel_mtu_comes_back(any_tunnel, target):
    assert any_tunnel.client.ping(target, count=2, size=4000) == 2


def iperf(tunnel, origin, *options):
    """Runs iperf3 for a second; what its client says at the end."""
    server = tunnel.world.origin.start("iperf3", "-s", "-1", "-B", origin, "-p", "5201")
    try:
        wait_for_listener(tunnel.world.origin, 5201)
        done = tunnel.client.namespace.run("iperf3", "-J", "-c", origin, "-p", "5201", "-t", "1", *options,
                                           check=False, timeout=90)
        report = json.loads(done.stdout)
        assert "error" not in report, report["error"]
        return report["end"]
    finally:
        server.kill()
        server.wait()


def wait_for_listener(namespace, port):
    limit = time.monotonic() + 60
    while time.monotonic() < limit:
        if f":{port} " in namespace.run("ss", "-Htln").stdout:
            return
        time.sleep(0.01)
    raise AssertionError(f"nothing listens on {port}")


@pytest.mark.parametrize("direction", ["up", "down"])
@BOTH
def test_iperf3_over_tcp(any_tunnel, origin, direction):
    report = iperf(any_tunnel, origin, *(["-R"] if direction == "down" else []))
    assert report["sum_received"]["bytes"] > 500_000


@pytest.mark.parametrize("direction", ["up", "down"])
@BOTH
def test_iperf3_over_udp(any_tunnel, origin, direction):
    """The best of some: a busy machine loses datagrams now and then, a fault of the server always."""
    seen = []
    for _ in range(5):
        report = iperf(any_tunnel, origin, "-u", "-b", "10M", "-l", "1200",
                       *(["-R"] if direction == "down" else []))
        seen.append((report["sum"]["packets"], report["sum"]["lost_percent"]))
        if seen[-1][0] > 750 and seen[-1][1] < 5:
            return
    raise AssertionError(f"(packets, lost percent): {seen}")


def test_iperf3_with_parallel_tcp_streams(any_tunnel):
    report = iperf(any_tunnel, ORIGIN4, "-P", "4")
    assert len(report["streams"]) == 4
    assert all(stream["receiver"]["bytes"] > 100_000 for stream in report["streams"])


@pytest.fixture(scope="module")
def big_file(tmp_path_factory):
    """Makes files: (folder, name, digest). One random block, repeated with its number in front."""
    folder = tmp_path_factory.mktemp("served")
    made, block = {}, os.urandom(1_000_000 - 8)

    def make(megabytes):
        name = f"{megabytes}-megabytes"
        if name not in made:
            digest = hashlib.sha256()
            with open(folder / name, "wb") as file:
                for number in range(megabytes):
                    piece = number.to_bytes(8, "big") + block
                    digest.update(piece)
                    file.write(piece)
            made[name] = digest.hexdigest()
        return folder, name, made[name]
    yield make
    for name in made:
        os.unlink(folder / name)


@BOTH
@pytest.mark.seconds(300)
def test_curl_of_a_big_file_arrives_unchanged(any_tunnel, origin, big_file):
    folder, name, expected = big_file(MEGABYTES[any_tunnel.client.kind])
    world = any_tunnel.world
    server = world.origin.start("python3", "-m", "http.server", "8000", "--bind", origin,
                                "--directory", str(folder))
    wait_for_listener(world.origin, 8000)
    host = f"[{origin}]" if ":" in origin else origin
    done = any_tunnel.client.namespace.run("sh", "-c", f"curl -sSf http://{host}:8000/{name} | sha256sum",
                                           timeout=280)
    server.kill()
    server.wait()
    assert done.stdout.split()[0] == expected


def echo_forever(listener):
    """A TCP echo server on a thread of its own; ends when the listener is closed."""
    def serve(connection):
        with connection:
            while data := connection.recv(65536):
                connection.sendall(data)

    def accept():
        while True:
            try:
                connection, _ = listener.accept()
            except TimeoutError:
                continue
            except OSError:
                return
            threading.Thread(target=serve, args=(connection,), daemon=True).start()
    threading.Thread(target=accept, daemon=True).start()


@BOTH
def test_500_connections_at_once(any_tunnel, origin):
    listener = any_tunnel.world.origin.tcp_listener(origin, backlog=1024)
    echo_forever(listener)
    target = listener.getsockname()[:2]

    def talk(number):
        connection = any_tunnel.client.namespace.tcp(target, timeout=60)
        message = number.to_bytes(4, "big") * 256
        connection.sendall(message)
        answer = b""
        while len(answer) < len(message):
            answer += connection.recv(4096) or pytest.fail("closed early")
        assert answer == message
        return connection

    with concurrent.futures.ThreadPoolExecutor(32) as pool:
        connections = list(pool.map(talk, range(500)))
    assert len(connections) == 500  # all open at the same time
    for connection in connections:
        connection.close()
    listener.close()


def test_the_client_has_no_way_around_the_tunnel(any_tunnel):
    """The picture in lib/topology.py holds: without the tunnel the origin is out of reach."""
    made = any_tunnel.client.namespace.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"outer\0")
    with pytest.raises(OSError):
        made.sendto(b"x", (topology.ORIGIN4, 9))
        made.settimeout(0.5)
        made.recv(100)
