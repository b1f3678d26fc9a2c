"""The process tree: who dies, who comes back, what it costs to be idle.

     client ==tunnel== [ supervisor -- worker 0 .. worker N-1 ] --- hop --- origin
"""

import os
import signal
import socket
import threading
import time

import pytest

from lib import miniwg, topology, wireguard
from lib.server import alive
from lib.sniffer import Sniffer
from lib.tcp import connected
from lib.topology import ORIGIN4, SERVER4

pytestmark = pytest.mark.culvert_only


def wait_until(condition, seconds):
    limit = time.monotonic() + seconds
    while time.monotonic() < limit:
        if condition():
            return True
        time.sleep(0.02)
    return condition()


def test_the_server_has_no_capability_and_no_root(world, servers):
    """What the whole project promises, read from the kernel."""
    server = servers([wireguard.make_peer()])
    for pid in [server.process.pid, *server.workers()]:
        status = dict(line.split(":\t", 1) for line in open(f"/proc/{pid}/status").read().splitlines()
                      if ":\t" in line)
        for kind in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
            assert int(status[kind], 16) == 0
        assert status["NoNewPrivs"] == "1"
    for pid in server.workers():
        assert "Seccomp:\t2" in open(f"/proc/{pid}/status").read()


def secrets_in_memory(pid, secrets):
    """Which of them the process could read."""
    found = set()
    with open(f"/proc/{pid}/mem", "rb", 0) as memory:
        for line in open(f"/proc/{pid}/maps").read().splitlines():
            span, rights = line.split()[:2]
            if rights != "rw-p":
                continue
            start, end = (int(part, 16) for part in span.split("-"))
            memory.seek(start)
            try:
                held = memory.read(end - start)
            except OSError:  # a mapping of the kernel's
                continue
            found |= {secret for secret in secrets if secret.encode() in held}
    return found


def test_workers_do_not_know_the_secrets_of_the_control_plane(world, servers):
    """Who takes over a worker can reach the API on the host's loopback, and must not have its token."""
    token, hook, admission = secrets = ["the-token-of-the-api", "the-secret-of-the-hook", "the-secret-of-admission"]
    tail = (f'[[webhook]]\nurl = "http://127.0.0.1:9/"\nsecret = "{hook}"\n'
            f'[admission]\nurl = "http://127.0.0.1:9/"\nsecret = "{admission}"\n')
    server = servers([wireguard.make_peer()], tail=tail,
                     server=f'http = "127.0.0.1:9586"\nhttp_token = "{token}"\n')
    assert secrets_in_memory(server.process.pid, secrets) == set(secrets)
    first = server.workers()
    os.kill(first[0], signal.SIGKILL)
    assert wait_until(lambda: set(server.workers()) - set(first), 20)
    for pid in server.workers():
        assert not secrets_in_memory(pid, secrets)


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_every_client_works_with_any_number_of_workers(world, servers, workers):
    """An initiation may reach a worker that does not own the peer; all eight peers work all the same."""
    peers = [wireguard.make_peer(number) for number in range(2, 10)]
    server = servers(peers, settings=[f"server.workers={workers}"])
    assert len(server.workers()) == workers
    origin = world.origin.udp(ORIGIN4)
    for peer in peers:
        sock = world.client.udp("0.0.0.0")
        client = miniwg.MiniClient(sock, (SERVER4, 51820), peer.key, server.key.public_raw).handshake()
        client.send(miniwg.udp_packet((peer.address4, 5000), origin.getsockname(), peer.name.encode()))
        data, source = origin.recvfrom(100)
        assert data == peer.name.encode()
        origin.sendto(data[::-1], source)
        assert client.receive_udp() == data[::-1]
        sock.close()
    origin.close()


@pytest.mark.parametrize("workers", [1, 2])
def test_a_killed_worker_is_replaced_and_traffic_flows_within_seconds(world, servers, workers):
    """X1: kill -9 under load. The server dials the client itself, which notices nothing for 15 s."""
    peer = wireguard.make_peer()
    server = servers([peer], settings=[f"server.workers={workers}"])
    client = wireguard.Client(world, peer, server.public).wait_until_up()
    here, there = connected(world, client)
    stop = threading.Event()

    def load():
        here.settimeout(0.2)
        while not stop.is_set():
            try:
                here.send(bytes(10_000))
                there.recv(1 << 20)
            except OSError:
                time.sleep(0.05)
    thread = threading.Thread(target=load)
    thread.start()
    time.sleep(0.5)
    before = server.workers()
    for pid in before:
        os.kill(pid, signal.SIGKILL)
    begin = time.monotonic()
    gap = None
    while time.monotonic() - begin < 20 and gap is None:
        if client.ping(ORIGIN4, wait=1):
            gap = time.monotonic() - begin
    stop.set()
    thread.join()
    here.close()
    there.close()
    assert gap is not None and gap < 10
    assert len(server.workers()) == workers and not set(server.workers()) & set(before)


def test_the_server_dials_its_peers_after_a_worker_died(world, servers):
    """Nothing comes from the client, and the session is back all the same."""
    peer = wireguard.make_peer()
    server = servers([peer], settings=["server.workers=1"])
    sock = world.client.udp("0.0.0.0")
    miniwg.MiniClient(sock, (SERVER4, 51820), peer.key, server.key.public_raw).handshake()
    time.sleep(3)  # the supervisor learns of endpoints every second
    with Sniffer(world.mid, "server") as cable:
        os.kill(server.workers()[0], signal.SIGKILL)
        assert wait_until(lambda: any(payload[0] == miniwg.INITIATION and len(payload) == 148
                                      for *_, payload in cable.from_port(51820)), 20)
    sock.close()


def test_sigterm_ends_everything_at_once(world, servers):
    peer = wireguard.make_peer()
    server = servers([peer])
    client = wireguard.Client(world, peer, server.public).wait_until_up()
    here, there = connected(world, client)
    workers = server.workers()
    code, seconds = server.terminate()
    assert code == 0 and seconds < 5
    assert wait_until(lambda: not any(alive(pid) for pid in workers), 5)
    here.close()
    there.close()


def test_a_killed_supervisor_leaves_no_worker(world, servers):
    server = servers([wireguard.make_peer()])
    workers = server.workers()
    server.process.kill()
    server.process.wait()
    assert wait_until(lambda: not any(alive(pid) for pid in workers), 20)


def test_a_restart_takes_the_tunnel_up_again(world, servers):
    peer = wireguard.make_peer()
    server = servers([peer])
    client = wireguard.Client(world, peer, server.public).wait_until_up()
    server.terminate()
    server.start()
    client.wait_until_up()


def cpu_share(server, seconds):
    before = server.cpu_seconds()
    time.sleep(seconds)
    return (server.cpu_seconds() - before) / seconds


def test_a_hundred_idle_clients_cost_no_cpu_and_ten_no_memory(world, servers):
    peers = [wireguard.make_peer(number) for number in range(2, 102)]
    server = servers(peers)
    sock = world.client.udp("0.0.0.0")
    clients = [miniwg.MiniClient(sock, (SERVER4, 51820), peer.key, server.key.public_raw)
               for peer in peers]
    for number, client in enumerate(clients):
        client.handshake()
        if number == 9:
            assert server.resident() < 20 << 20
    time.sleep(1)
    before = server.cpu_seconds()
    for _ in range(2):  # a keepalive of each every five seconds, five times as often as is usual
        for client in clients:
            client.send(b"")
        time.sleep(5)
    share = (server.cpu_seconds() - before) / 10
    assert share < 0.005, f"{100 * share:.2f} % of a core"
    sock.close()


def test_a_server_without_clients_sleeps(world, servers):
    server = servers([wireguard.make_peer()])
    assert any(cpu_share(server, 4) < 0.005 for _ in range(3))  # it may still be starting in the first


@pytest.mark.parametrize("settings", [["server.gso=false"], ["server.gro=false"],
                                      ["server.gso=false", "server.gro=false"], ["server.aead=libsodium"],
                                      ["server.aead=openssl"], ["server.sandbox=false"]],
                         ids=lambda settings: ",".join(settings))
def test_it_works_without_the_help_of_kernel_or_cpu(world, servers, settings):
    peer = wireguard.make_peer()
    server = servers([peer], settings=settings)
    client = wireguard.Client(world, peer, server.public).wait_until_up()
    here, there = connected(world, client)
    data = os.urandom(8_000_000)
    for sender, receiver in ((here, there), (there, here)):
        thread = threading.Thread(target=sender.sendall, args=(data,))
        thread.start()
        got = bytearray()
        while len(got) < len(data):
            got += receiver.recv(1 << 20)
        thread.join()
        assert bytes(got) == data
    here.close()
    there.close()


def test_descriptors_come_back_after_a_thousand_connections(world, servers):
    """N26 in small: what was opened is closed."""
    peer = wireguard.make_peer()
    server = servers([peer], settings=["server.workers=1"])
    client = wireguard.Client(world, peer, server.public).wait_until_up()
    worker = server.workers()[0]

    def descriptors():
        return len(os.listdir(f"/proc/{worker}/fd"))
    listener = world.origin.tcp_listener(ORIGIN4)
    before = descriptors()
    for _ in range(20):
        ours = [client.namespace.tcp(listener.getsockname()) for _ in range(50)]
        theirs = [listener.accept()[0] for _ in range(50)]
        assert descriptors() >= before + 50
        for made in ours + theirs:
            made.close()
    assert wait_until(lambda: descriptors() <= before + 2, 30)
    listener.close()


def test_when_descriptors_run_out_the_tunnel_goes_on(world, servers):
    """C5: more connections than descriptors: new ones fail, nothing spins, ping still works."""
    peer = wireguard.make_peer()
    server = servers([peer], settings=["server.workers=1"], descriptors=128)
    client = wireguard.Client(world, peer, server.public).wait_until_up()
    listener = world.origin.tcp_listener(ORIGIN4)
    sockets = []
    for _ in range(200):
        made = client.namespace.socket(socket.AF_INET, socket.SOCK_STREAM)
        made.setblocking(False)
        made.connect_ex(listener.getsockname())
        sockets.append(made)
    assert any(cpu_share(server, 2) < 0.2 for _ in range(4))
    for made in [*sockets, listener]:  # with the listener go the origin's halves
        made.close()
    assert wait_until(lambda: client.ping(topology.TUNNEL4, wait=1) == 1, 20)
    assert wait_until(lambda: client.ping(ORIGIN4, wait=1) == 1, 20)
