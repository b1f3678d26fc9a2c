"""The configuration is read anew on SIGHUP: exactly what differs changes, and nobody else notices.

     client (peer2) ==tunnel==\\
                               server --- hop --- origin
     second (peer3) ==tunnel==/
"""

import os
import re
import signal
import socket
import time

import pytest
from cryptography.exceptions import InvalidTag

from lib import miniwg, wireguard
from lib.server import NOBODY, NOGROUP, config_text, write_private
from lib.netns import maps_one_account
from lib.tcp import Download, connected
from lib.topology import ORIGIN4, SERVER4

pytestmark = pytest.mark.culvert_only


def reload(server, text, seconds=60):
    """Writes the file, sends SIGHUP; what the log says from then on, up to the outcome."""
    before = len(server.log())
    write_private(server.config, text)
    if not maps_one_account():
        os.chown(server.config, NOBODY, NOGROUP)
    server.process.send_signal(signal.SIGHUP)
    limit = time.monotonic() + seconds
    while time.monotonic() < limit:
        said = server.log()[before:]
        if re.search(r"(not )?reloaded: .*\n", said):
            return said
        time.sleep(0.02)
    raise AssertionError(f"no outcome of the reload:\n{server.log()[before:]}")


def asks(world, server, peer, origin, seconds=20):
    """True if a fresh client with this peer's key gets an answer from the origin within `seconds`."""
    sock = world.second.udp("0.0.0.0")
    try:
        client = miniwg.MiniClient(sock, (SERVER4, 51820), peer.key, server.key.public_raw)
        client.handshake(seconds)
        client.send(miniwg.udp_packet((peer.address4, 5000), origin.getsockname(), b"hello"))
        origin.settimeout(seconds)
        data, source = origin.recvfrom(100)
        origin.sendto(data, source)
        return client.receive_udp(seconds) == b"hello"
    except (TimeoutError, AssertionError, InvalidTag):
        return False
    finally:
        sock.close()


@pytest.mark.seconds(90)
def test_peers_come_and_go_while_another_downloads(world, servers):
    one, two, three = (wireguard.make_peer(number) for number in (2, 3, 4))
    server = servers([one, two], settings=["server.workers=2"])
    client = wireguard.Client(world, one, server.public).wait_until_up()
    origin = world.origin.udp(ORIGIN4)
    workers = server.workers()
    assert asks(world, server, two, origin)
    handshake = client.latest_handshake()
    download = Download(world, client)

    said = reload(server, config_text(server.key, [one, three]))
    assert "1 peers added, 1 removed, 0 changed" in said
    assert asks(world, server, three, origin)
    assert not asks(world, server, two, origin, seconds=2)

    three.psk = wireguard.preshared_key()
    three.extra = 'down = "10mbit"'
    assert "0 peers added, 0 removed, 1 changed" in reload(server, config_text(server.key, [one, three]))
    assert not asks(world, server, three, origin, seconds=2)  # without the preshared key

    assert "1 peers added, 1 removed, 0 changed" in reload(server, config_text(server.key, [one, two]))
    assert asks(world, server, two, origin)

    count, limit = download.bytes, time.monotonic() + 20
    while download.bytes == count and time.monotonic() < limit:
        time.sleep(0.02)
    assert download.bytes > count
    download.end()
    assert download.error is None
    assert download.longest < 4
    assert client.latest_handshake() == handshake or client.latest_handshake() - handshake >= 100
    assert server.workers() == workers
    origin.close()


@pytest.mark.seconds(60)
def test_a_file_that_does_not_check_is_refused_whole(world, servers):
    one, two = wireguard.make_peer(2), wireguard.make_peer(3)
    server = servers([one, two])
    client = wireguard.Client(world, one, server.public).wait_until_up()
    origin = world.origin.udp(ORIGIN4)
    download = Download(world, client)
    two.extra = 'down = "fast"\nnmae = "x"'
    three = wireguard.make_peer(4)
    said = reload(server, config_text(server.key, [one, two, three]))
    assert "not reloaded" in said
    assert said.count("culvert.toml:") == 2
    assert "fast" in said and "nmae" in said
    assert not asks(world, server, three, origin, seconds=2)
    assert asks(world, server, two, origin)
    download.end()
    assert download.error is None
    said = reload(server, "[server")
    assert "not reloaded" in said
    assert asks(world, server, two, origin)
    origin.close()


@pytest.mark.seconds(60)
def test_a_new_policy_ends_the_flows_it_denies_and_no_other(world, servers):
    one, two = wireguard.make_peer(2), wireguard.make_peer(3)
    server = servers([one, two])
    client = wireguard.Client(world, one, server.public).wait_until_up()
    denied_here, denied_there = connected(world, client)
    port = denied_there.getsockname()[1]
    kept_here, kept_there = connected(world, client)
    one.extra = f'egress = {{ deny = ["{ORIGIN4}:{port}/tcp"] }}'
    assert "1 changed" in reload(server, config_text(server.key, [one, two]))
    denied_here.settimeout(20)
    with pytest.raises(ConnectionResetError):
        denied_here.recv(1)
    kept_here.sendall(b"still here")
    assert kept_there.recv(100) == b"still here"
    for each in (denied_here, denied_there, kept_here, kept_there):
        each.close()


@pytest.mark.seconds(60)
def test_what_needs_a_restart_is_said_and_left(world, servers):
    one = wireguard.make_peer(2)
    server = servers([one])
    client = wireguard.Client(world, one, server.public).wait_until_up()
    text = config_text(server.key, [one], port=51999, server='log_level = "debug"\nmtu = 1300')
    said = reload(server, text)
    assert "now in force: server.log_level" in said
    assert "server.listen" in said and "server.mtu" in said
    assert client.ping("10.8.0.1") == 1


@pytest.mark.seconds(90)
def test_a_removed_client_is_gone_at_once(world, servers):
    """Keys and flows: its packets find nobody, the origin sees its connection reset."""
    one, two = wireguard.make_peer(2), wireguard.make_peer(3)
    server = servers([one, two])
    client = wireguard.Client(world, one, server.public).wait_until_up()
    here, there = connected(world, client)
    here.sendall(b"x")
    assert there.recv(1) == b"x"
    assert "1 removed" in reload(server, config_text(server.key, [two]))
    there.settimeout(20)
    with pytest.raises(ConnectionResetError):
        there.recv(1)
    assert client.ping("10.8.0.1", wait=1) == 0
    assert "1 peers added" in reload(server, config_text(server.key, [one, two]))
    client.wait_until_up(seconds=30)  # it tries its old keys for 15 s
    here.close()
    there.close()


def test_the_service_manager_is_told_of_start_reload_and_stop(servers):
    folder = servers.folder()
    manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    manager.bind(str(folder / "notify"))
    os.chmod(folder / "notify", 0o777)
    manager.settimeout(30)
    one, two = wireguard.make_peer(2), wireguard.make_peer(3)
    server = servers([one], variables={"NOTIFY_SOCKET": str(folder / "notify")})
    assert manager.recv(1000) == b"READY=1"
    begin = time.monotonic()
    for text, code in ((config_text(server.key, [one, two]), 0), ("[server", 2)):
        write_private(server.config, text)
        # As ExecReload= has it: ended when the new configuration is in force.
        done = server.command("reload", "--control", "control.sock", check=False)
        assert bool(done.returncode) == bool(code), done.stderr
        said = manager.recv(1000).decode()
        assert said.startswith("RELOADING=1\nMONOTONIC_USEC=")
        assert begin <= int(said.split("=")[-1]) / 1e6 <= time.monotonic()
        assert manager.recv(1000) == b"READY=1"
    peers = server.command("peer", "list", "--json", "--control", "control.sock").stdout
    assert two.key.public in peers
    server.terminate()
    assert manager.recv(1000) == b"STOPPING=1"
    manager.close()


@pytest.mark.seconds(60)
def test_five_hundred_peers_come_with_one_reload(world, servers):
    one = wireguard.make_peer(2)
    server = servers([one], settings=["server.workers=2"])
    client = wireguard.Client(world, one, server.public).wait_until_up()
    download = Download(world, client)
    many = [wireguard.make_peer(number, name=f"m{number}",
                                allowed=(f"10.9.{number // 250}.{number % 250}/32",))
            for number in range(500)]
    assert "500 peers added" in reload(server, config_text(server.key, [one, *many]))
    assert "500 removed" in reload(server, config_text(server.key, [one]))
    download.end()
    assert download.error is None
    assert download.longest < 4
