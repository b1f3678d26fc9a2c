"""The wg tool, unchanged, against culvert's socket: it shows, changes and synchronises.

     wg --- /var/run/wireguard/NAME.sock --- [ supervisor -- workers ] ==tunnel== client
"""

import dataclasses
import hashlib
import os
import shutil
import signal
import socket
import stat
import subprocess
import threading
import time

import pytest

from lib import wireguard
from lib.netns import maps_one_account
from lib.server import NOBODY, NOGROUP, alive
from lib.tcp import connected
from lib.topology import ORIGIN4, SERVER4, TUNNEL4

pytestmark = [pytest.mark.culvert_only,
              pytest.mark.skipif(not shutil.which("wg"), reason="wg is not installed")]

FOLDER = "/var/run/wireguard"  # compiled into wg
NAME = f"cv{os.getpid() % 100000}"
PATH = f"{FOLDER}/{NAME}.sock"
ZEROS = "0" * 64


@pytest.fixture(autouse=True)
def folder():
    """The server is nobody, so the directory is nobody's while these tests run."""
    before = os.stat(FOLDER)
    if not maps_one_account():
        os.chown(FOLDER, NOBODY, NOGROUP)
    yield
    if not maps_one_account():
        os.chown(FOLDER, before.st_uid, before.st_gid)


@pytest.fixture
def start(servers):
    def make(peers, server="", **options):
        lines = f'uapi_dir = "{FOLDER}"\ninterface = "{NAME}"\n{server}'
        return servers(peers, server=lines, **options)
    return make


def wg(world, *arguments, input=None, check=True):
    """wg where there are no interfaces of the kernel's."""
    done = subprocess.run([*world.server.prefix(), "wg", *arguments], input=input, text=True,
                          capture_output=True, timeout=60)
    if check:
        assert done.returncode == 0, f"wg {' '.join(arguments)}: {done.stderr}"
    return done


def dump(world):
    """Peers by key: the columns of `wg show NAME dump`."""
    lines = wg(world, "show", NAME, "dump").stdout.splitlines()
    return lines[0].split("\t"), {line.split("\t")[0]: line.split("\t") for line in lines[1:]}


def ask(text, patience=30):
    """What the socket answers to `text`, up to the first blank line."""
    with socket.socket(socket.AF_UNIX) as made:
        made.settimeout(patience)
        made.connect(PATH)
        made.sendall(text.encode())
        got = b""
        while not got.endswith(b"\n\n") and (data := made.recv(65536)):
            got += data
        return got.decode()


def hex_of(key):
    return key.public_raw.hex()


def conf(tmp_path, server_key, peers, interface=True, port=51820):
    """A file as wg takes it."""
    lines = ["[Interface]", f"PrivateKey = {server_key.private}", f"ListenPort = {port}"] if interface else []
    for peer in peers:
        lines += ["[Peer]", f"PublicKey = {peer.key.public}", f"AllowedIPs = {', '.join(peer.allowed_ips)}",
                  *([f"PresharedKey = {peer.psk}"] if peer.psk else []),
                  *([f"PersistentKeepalive = {peer.keepalive}"] if peer.keepalive else [])]
    path = tmp_path / "wg.conf"
    path.write_text("\n".join(lines) + "\n")
    return str(path)


def test_show_agrees_with_the_client(world, start):
    peer = wireguard.make_peer(psk=wireguard.preshared_key())
    quiet = wireguard.make_peer(3, keepalive=25)
    server = start([peer, quiet])
    client = wireguard.Client(world, peer, server.public).wait_until_up()
    client.ping(ORIGIN4, count=3)
    limit = time.monotonic() + 30
    while time.monotonic() < limit:  # until nothing was under way between the two
        mine, peers = dump(world)
        if tuple(int(peers[peer.key.public][column]) for column in (6, 5)) == client.transfer():
            break
        time.sleep(0.1)
    assert mine == [server.key.private, server.public, "51820", "off"]
    key, psk, endpoint, allowed, handshake, received, sent, keepalive = peers[peer.key.public]
    assert psk == peer.psk and allowed == ",".join(peer.allowed_ips) and keepalive == "off"
    assert endpoint.startswith("198.18.1.2:") and abs(int(handshake) - time.time()) < 30
    assert (int(sent), int(received)) == client.transfer()
    assert peers[quiet.key.public][1:] == ["(none)", "(none)", ",".join(quiet.allowed_ips), "0", "0", "0", "25"]
    text = wg(world, "show", NAME).stdout
    assert f"interface: {NAME}" in text and "latest handshake:" in text and f"public key: {server.public}" in text
    lines = [line for line in wg(world, "show", "all", "dump").stdout.splitlines() if line.startswith(NAME + "\t")]
    assert [len(line.split("\t")) for line in lines] == [5, 9, 9]
    assert NAME in wg(world, "show", "interfaces").stdout.split()


def test_showconf_is_a_file_that_changes_nothing(world, start, tmp_path):
    peers = [wireguard.make_peer(2, psk=wireguard.preshared_key()), wireguard.make_peer(3, keepalive=25)]
    server = start(peers)
    client = wireguard.Client(world, peers[0], server.public).wait_until_up()
    here, there = connected(world, client)
    text = wg(world, "showconf", NAME).stdout
    assert f"PrivateKey = {server.key.private}" in text and f"PresharedKey = {peers[0].psk}" in text
    file = tmp_path / "same.conf"
    file.write_text(text)
    before = dump(world)[1]
    wg(world, "syncconf", NAME, str(file))
    after = dump(world)[1]
    assert {key: row[:4] for key, row in after.items()} == {key: row[:4] for key, row in before.items()}
    here.sendall(b"still here")
    assert there.recv(100) == b"still here"


def test_set_adds_and_removes_a_peer(world, start):
    old, new = wireguard.make_peer(2), wireguard.make_peer(3)
    server = start([old])
    wg(world, "set", NAME, "peer", new.key.public, "allowed-ips", ",".join(new.allowed_ips))
    client = wireguard.Client(world, new, server.public).wait_until_up()
    here, _ = connected(world, client)
    wg(world, "set", NAME, "peer", new.key.public, "remove")
    assert list(dump(world)[1]) == [old.key.public]
    assert client.ping(TUNNEL4, count=2, wait=1) == 0
    here.close()


def test_set_changes_the_preshared_key_and_the_keepalive(world, start, tmp_path):
    peer = wireguard.make_peer(2)
    server = start([peer])
    secret = tmp_path / "psk"
    secret.write_text(wireguard.preshared_key())
    wg(world, "set", NAME, "peer", peer.key.public, "preshared-key", str(secret), "persistent-keepalive", "7")
    row = dump(world)[1][peer.key.public]
    assert row[1] == secret.read_text() and row[7] == "7"
    wireguard.Client(world, peer, server.public, psk=secret.read_text()).wait_until_up()
    secret.write_text("")
    wg(world, "set", NAME, "peer", peer.key.public, "preshared-key", str(secret), "persistent-keepalive", "off")
    row = dump(world)[1][peer.key.public]
    assert row[1] == "(none)" and row[7] == "off"


def test_an_allowed_ip_given_to_a_second_peer_moves_to_it(world, start):
    first, second = wireguard.make_peer(2), wireguard.make_peer(3)
    start([first, second])
    wg(world, "set", NAME, "peer", second.key.public, "allowed-ips",
       ",".join((*second.allowed_ips, f"{first.address4}/32")))
    peers = dump(world)[1]
    assert set(peers[first.key.public][3].split(",")) == {f"{first.address6}/128"}
    assert set(peers[second.key.public][3].split(",")) == {*second.allowed_ips, f"{first.address4}/32"}


def test_one_prefix_can_be_taken_away(world, start):
    peer = wireguard.make_peer(2)
    start([peer])
    assert ask(f"set=1\npublic_key={hex_of(peer.key)}\nallowed_ip=-{peer.address4}/32\n\n") == "errno=0\n\n"
    assert dump(world)[1][peer.key.public][3] == f"{peer.address6}/128"


def test_syncconf_in_mid_download_leaves_other_clients_alone(world, start, tmp_path):
    stays, goes, comes = (wireguard.make_peer(number) for number in (2, 3, 4))
    server = start([stays, goes])
    client = wireguard.Client(world, stays, server.public).wait_until_up()
    leaving = wireguard.Client(world, goes, server.public, namespace=world.second).wait_until_up()
    here, there = connected(world, client)
    data = os.urandom(1 << 20) * 24
    sender = threading.Thread(target=lambda: (there.sendall(data), there.close()))
    sender.start()
    digest, count, changed = hashlib.sha256(), 0, False
    while block := here.recv(1 << 16):
        digest.update(block)
        count += len(block)
        if not changed and count > 4 << 20:
            wg(world, "syncconf", NAME, conf(tmp_path, server.key, [stays, comes]))
            changed = True
    sender.join()
    assert changed and count == len(data) and digest.digest() == hashlib.sha256(data).digest()
    assert set(dump(world)[1]) == {stays.key.public, comes.key.public}
    assert leaving.ping(TUNNEL4, count=2, wait=1) == 0
    leaving.stop()
    wireguard.Client(world, comes, server.public, namespace=world.second).wait_until_up()


@pytest.mark.seconds(60)
def test_set_changes_the_port_and_the_client_follows(world, start):
    peer = wireguard.make_peer(2)
    server = start([peer])
    client = wireguard.Client(world, peer, server.public).wait_until_up()
    wg(world, "set", NAME, "listen-port", "51999")
    assert dump(world)[0][2] == "51999"
    client.set("peer", server.public, "endpoint", f"{SERVER4}:51999")
    client.wait_until_up()
    old = wireguard.Client(world, wireguard.make_peer(3), server.public, namespace=world.second)
    assert old.ping(TUNNEL4, count=1, wait=1) == 0
    wg(world, "set", NAME, "peer", old.peer.key.public, "allowed-ips", ",".join(old.peer.allowed_ips))
    old.set("peer", server.public, "endpoint", f"{SERVER4}:51999")
    old.wait_until_up()
    taken = world.server.udp("0.0.0.0", 51998)
    refused = wg(world, "set", NAME, "listen-port", "51998", check=False)
    assert refused.returncode != 0 and dump(world)[0][2] == "51999"
    taken.close()
    assert client.ping(TUNNEL4, count=3) == 3


def test_addconf_adds_and_setconf_replaces(world, start, tmp_path):
    first, second, third = (wireguard.make_peer(number) for number in (2, 3, 4))
    server = start([first])
    wg(world, "addconf", NAME, conf(tmp_path, server.key, [second], interface=False))
    assert set(dump(world)[1]) == {first.key.public, second.key.public}
    wg(world, "setconf", NAME, conf(tmp_path, server.key, [third]))
    assert set(dump(world)[1]) == {third.key.public}
    bare, third.psk = dataclasses.replace(third), wireguard.preshared_key()
    wg(world, "setconf", NAME, conf(tmp_path, server.key, [third]))
    assert dump(world)[1][third.key.public][1] == third.psk
    wg(world, "setconf", NAME, conf(tmp_path, server.key, [bare]))
    assert dump(world)[1][third.key.public][1] == "(none)"
    third.psk = ""
    wireguard.Client(world, third, server.public).wait_until_up()


def test_a_file_without_private_key_is_refused_and_changes_nothing(world, start, tmp_path):
    peer, other = wireguard.make_peer(2), wireguard.make_peer(3)
    server = start([peer])
    done = wg(world, "setconf", NAME, conf(tmp_path, server.key, [other], interface=False), check=False)
    assert done.returncode != 0 and "Operation not supported" in done.stderr
    mine, peers = dump(world)
    assert mine[0] == server.key.private and set(peers) == {peer.key.public}
    assert "PrivateKey" in server.log() and server.key.private not in server.log()


@pytest.mark.parametrize("lines, error", [
    ("nonsense", -71), ("colour=blue", -22), ("listen_port=65536", -22), ("replace_peers=1", -22),
    (f"private_key={ZEROS}", -95), ("private_key=00", -22),
    ("public_key={peer}\nendpoint=10.0.0.1", -22), ("public_key={peer}\nallowed_ip=10.0.0.0/33", -22),
    ("public_key={peer}\npersistent_keepalive_interval=65536", -22), ("public_key={peer}\nfwmark=0", -22),
    ("replace_peers=true\npublic_key={peer}\nremove=true\npublic_key=xyz", -22),
    ("public_key={own}\nallowed_ip=0.0.0.0/0", 0), ("public_key={new}\nupdate_only=true\nremove=true", 0)])
def test_error_codes_and_a_refused_set_changes_nothing(world, start, lines, error):
    peer = wireguard.make_peer(2)
    server = start([peer])
    before = dump(world)
    text = lines.format(peer=hex_of(peer.key), own=hex_of(server.key), new=hex_of(wireguard.Key()))
    assert ask(f"set=1\n{text}\n\n") == f"errno={error}\n\n"
    assert dump(world) == before


def test_several_requests_on_one_connection(start):
    start([wireguard.make_peer(2)])
    with socket.socket(socket.AF_UNIX) as made:
        made.settimeout(10)
        made.connect(PATH)
        for _ in range(3):
            made.sendall(b"get=1\n\nset=1\nbad=1\n\n")
            got = b""
            while not got.endswith(b"errno=-22\n\n"):
                data = made.recv(65536)
                assert data
                got += data
            assert got.count(b"errno=0\n\n") == 1


def test_silent_connections_do_not_keep_wg_out(world, start):
    start([wireguard.make_peer(2)])
    silent = [socket.socket(socket.AF_UNIX) for _ in range(16)]
    for made in silent:
        made.connect(PATH)
        made.sendall(b"set=1\n")
    begin = time.monotonic()
    dump(world)
    assert time.monotonic() - begin < 40
    for made in silent:
        made.close()


@pytest.mark.skipif(maps_one_account(), reason="there is no other account in this user namespace")
def test_nobody_else_may_connect(start):
    start([wireguard.make_peer(2)])
    assert stat.S_IMODE(os.stat(PATH).st_mode) & 0o077 == 0
    os.chmod(PATH, 0o777)  # even then: the account of who connects is looked at
    script = f"import socket; s = socket.socket(socket.AF_UNIX); s.connect({PATH!r}); " \
             "s.sendall(b'get=1\\n\\n'); print(len(s.recv(100)))"
    done = subprocess.run(["setpriv", "--reuid=12345", "--regid=12345", "--clear-groups", "/usr/bin/python3",
                           "-c", script], capture_output=True, text=True, timeout=10)
    assert done.stdout.strip() in ("0", "") and ask("get=1\n\n").endswith("errno=0\n\n")


def test_a_stale_socket_is_replaced_and_the_socket_goes_with_the_server(world, start):
    server = start([wireguard.make_peer(2)])
    workers = server.workers()
    server.process.send_signal(signal.SIGKILL)
    server.process.wait(30)
    assert os.path.exists(PATH)
    limit = time.monotonic() + 30
    while any(alive(pid) for pid in workers) and time.monotonic() < limit:
        time.sleep(0.02)
    server.start()
    dump(world)
    server.terminate()
    assert not os.path.exists(PATH)


def test_without_the_directory_there_is_a_warning_and_no_socket(world, servers):
    peer = wireguard.make_peer(2)
    server = servers([peer], server='uapi_dir = "/proc/wireguard"')
    assert "no socket for wg" in server.log()
    wireguard.Client(world, peer, server.public, endpoint=f"{SERVER4}:51820").wait_until_up()


@pytest.mark.seconds(300)
def test_ten_thousand_peers_in_one_set(world, start):
    server = start([wireguard.make_peer(2)])
    peers = {hashlib.sha256(bytes([n & 255, n >> 8])).hexdigest(): n for n in range(10_000)}
    text = "set=1\nreplace_peers=true\n" + "".join(
        f"public_key={key}\nreplace_allowed_ips=true\nallowed_ip=10.9.{n >> 8}.{n & 255}/32\n"
        for key, n in peers.items()) + "\n"
    assert ask(text, patience=200) == "errno=0\n\n"
    assert len(dump(world)[1]) == 10_000
    assert server.process.poll() is None
