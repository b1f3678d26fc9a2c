"""The commands that ask a running server, and real clients that use what they print.

     culvert peer|show|top|events --- control.sock --- [ supervisor -- workers ] ==tunnel== client
"""

import base64
import fcntl
import json
import os
import pathlib
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time

import pytest

from lib import miniwg, wireguard
from lib.server import NOBODY, NOGROUP, unprivileged
from lib.netns import maps_one_account
from lib.tcp import connected
from lib.topology import ORIGIN4, SERVER4, TUNNEL4

pytestmark = pytest.mark.culvert_only


def client_from(world, text, **options):
    """A client set up with what `culvert peer add` printed, as wg-quick would do it."""
    fields = dict(re.findall(r"^(\w+) = (.*)$", text, re.MULTILINE))
    addresses = fields["Address"].split(", ")
    number = int(addresses[0].split("/")[0].rsplit(".", 1)[1])
    assert addresses == [f"10.8.0.{number}/32", f"fd08::{number:x}/128"]
    bare = "\n".join(line for line in text.splitlines() if not re.match("(Address|DNS|MTU) = ", line))
    peer = wireguard.make_peer(number)
    return wireguard.Client(world, peer, fields["PublicKey"], config=bare + "\n", mtu=int(fields["MTU"]), **options)


def start(server, *arguments, **options):
    """A culvert command that goes on."""
    return server.world.server.start(*unprivileged(), str(server.binary), *arguments, cwd=server.folder,
                                     env={"PATH": os.environ["PATH"], "TERM": "xterm"}, **options)


def on_server(server, *arguments, **options):
    return server.command(*arguments, "--config", "culvert.toml", **options)


@pytest.mark.seconds(60)
def test_a_peer_added_by_command_connects_with_its_file_and_goes_completely(world, servers):
    server = servers([])
    added = on_server(server, "peer", "add", "laptop", "--endpoint", SERVER4)
    assert "may connect now" in added.stderr and f"Endpoint = {SERVER4}:51820" in added.stdout
    kept = server.folder / "clients" / "laptop.conf"
    assert kept.read_text() == added.stdout and kept.stat().st_mode & 0o777 == 0o600
    client = client_from(world, added.stdout).wait_until_up()
    assert on_server(server, "peer", "config", "laptop").stdout == added.stdout
    assert "laptop" in on_server(server, "peer", "list").stdout
    shown = json.loads(on_server(server, "peer", "show", "laptop", "--json").stdout)
    assert shown["source"] == "database" and shown["connected"]

    code, _ = server.terminate()
    assert code == 0
    server.config = pathlib.Path("culvert.toml")  # seen from its own folder
    server.start()
    client.wait_until_up()

    here, there = connected(world, client)
    here.sendall(b"x")
    assert there.recv(1) == b"x"
    handshake = client.latest_handshake()
    assert "removed" in on_server(server, "peer", "remove", "laptop").stdout
    there.settimeout(10)  # complete when the command ends: nothing has to be waited for
    with pytest.raises(ConnectionResetError):
        there.recv(1)
    assert client.ping(TUNNEL4, count=2, wait=1) == 0 and client.latest_handshake() == handshake
    with pytest.raises(TimeoutError):
        private = base64.b64decode(re.search("PrivateKey = (.*)", added.stdout)[1])
        psk = base64.b64decode(re.search("PresharedKey = (.*)", added.stdout)[1])
        miniwg.MiniClient(world.second.udp("0.0.0.0"), (SERVER4, 51820), wireguard.Key(private),
                          server.key.public_raw, psk).handshake(seconds=2)
    assert not kept.exists() and kept.with_name("laptop.conf.removed").exists()
    assert json.loads(on_server(server, "peer", "list", "--json").stdout) == []
    again = on_server(server, "peer", "remove", "laptop", check=False)
    assert again.returncode != 0 and "laptop" in again.stderr
    here.close()
    there.close()


def test_a_peer_of_the_file_is_removed_from_the_file(world, servers):
    stays, goes = wireguard.make_peer(2), wireguard.make_peer(3)
    server = servers([stays, goes])
    on_server(server, "peer", "remove", goes.name)
    assert [peer["name"] for peer in json.loads(on_server(server, "peer", "list", "--json").stdout)] == [stays.name]
    assert goes.key.public not in server.config.read_text() and stays.key.public in server.config.read_text()
    assert on_server(server, "reload").stdout.endswith("\n")
    double = on_server(server, "peer", "add", stays.name, check=False)
    assert double.returncode != 0 and stays.name in double.stderr
    bad = on_server(server, "peer", "add", "x", "--group", "nobodys", check=False)
    assert bad.returncode == 2 and "group" in bad.stderr


@pytest.mark.parametrize("where", ["server", "file"])
def test_a_peer_is_added_with_limits(servers, where):
    server = servers([])
    options = ["--down", "50mbit", "--quota", "200GB/month", "--hours", "mon-fri 08:00-20:00"]
    if where == "file":
        options.append("--file")
    bad = on_server(server, "peer", "add", "x", *options, "--up", "fast", check=False)
    assert bad.returncode == 2 and "up" in bad.stderr and "x" not in on_server(server, "peer", "list").stdout
    on_server(server, "peer", "add", "laptop", *options)
    on_server(server, "reload")
    limit = time.monotonic() + 30
    while time.monotonic() < limit:  # the ledger knows it within a second
        peer = json.loads(on_server(server, "peer", "show", "laptop", "--json").stdout)
        if peer["quota"]:
            break
    assert peer["limits"]["down"] == 50_000_000 and peer["limits"]["up"] is None
    assert peer["quota"]["bytes"] == 200_000_000_000


def test_without_a_server_the_commands_say_so(servers):
    server = servers([wireguard.make_peer(2)])
    server.terminate()
    for command in (["show"], ["flows"], ["usage"], ["reload"], ["events"], ["top"], ["show", "--json"]):
        done = on_server(server, *command, check=False)
        assert done.returncode == 1 and not done.stdout, command
        assert "control.sock" in done.stderr and len(done.stderr.splitlines()) <= 2, done.stderr
    server.process.wait(30)


@pytest.mark.seconds(60)
def test_a_server_that_was_killed_is_said_to_be_gone(servers):
    server = servers([])
    server.process.send_signal(signal.SIGKILL)
    server.process.wait(30)
    assert (server.folder / "control.sock").exists()
    done = on_server(server, "show", check=False)
    assert done.returncode == 1 and "control.sock: nobody listens there any more" in done.stderr


@pytest.mark.seconds(60)
def test_events_tell_of_connect_disconnect_and_a_restarted_worker(world, servers):
    added = wireguard.make_peer(2, name="laptop")
    server = servers([added])
    watcher = start(server, "events", "--config", "culvert.toml", "--follow", "--json", stdout=subprocess.PIPE)
    got = []

    def next_of(kind, seconds=60):
        limit = time.monotonic() + seconds
        while time.monotonic() < limit:
            if select.select([watcher.stdout], [], [], 0.2)[0]:
                got.append(json.loads(watcher.stdout.readline()))
                if got[-1]["type"] == kind:
                    return got[-1]
        raise AssertionError(f"no event {kind}: {got}")

    client = wireguard.Client(world, added, server.public).wait_until_up()
    assert next_of("connect")["peer"] == "laptop"
    victim = next(pid for pid in server.workers() if open(f"/proc/{pid}/comm").read().strip() == "culvert-0")
    os.kill(victim, signal.SIGKILL)
    assert "worker 0" in next_of("worker_restarted")["detail"]
    on_server(server, "peer", "add", "phone")
    assert next_of("peer_added")["peer"] == "phone"
    ids = [event["id"] for event in got]
    assert ids == sorted(set(ids))
    past = on_server(server, "events", "--type", "connect,peer_added").stdout
    assert "laptop" in past and "phone" in past
    client.stop()
    watcher.terminate()
    watcher.wait(30)


@pytest.mark.seconds(60)
def test_a_peer_that_is_removed_is_said_to_be_disconnected(world, servers):
    server = servers([])
    text = on_server(server, "peer", "add", "laptop", "--endpoint", SERVER4).stdout
    client_from(world, text).wait_until_up()
    on_server(server, "peer", "remove", "laptop")
    kinds = [json.loads(line)["type"] for line in on_server(server, "events", "--json").stdout.splitlines()]
    assert kinds == ["peer_added", "connect", "disconnect", "peer_removed"]


def test_top_prints_lines_where_there_is_no_terminal(world, servers):
    peer = wireguard.make_peer(2, name="laptop", extra='quota = "1GB/day"')
    server = servers([peer])
    wireguard.Client(world, peer, server.public).wait_until_up()
    done = on_server(server, "top", "--count", "2", "--interval", "0.2")
    lines = [line for line in done.stdout.splitlines() if "laptop" in line]
    assert len(lines) == 2 and "\033" not in done.stdout
    looks = on_server(server, "top", "--count", "2", "--interval", "0.2", "--json").stdout.splitlines()
    assert [json.loads(line)[0]["name"] for line in looks] == ["laptop", "laptop"]


def test_top_on_a_terminal_takes_the_screen_and_gives_it_back(world, servers):
    peers = [wireguard.make_peer(2, name="laptop", extra='quota = "1GB/day"'), wireguard.make_peer(3, name="phone")]
    server = servers(peers)
    wireguard.Client(world, peers[0], server.public).wait_until_up()
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 100, 0, 0))
    before = termios.tcgetattr(slave)
    if not maps_one_account():
        os.chown(os.ttyname(slave), NOBODY, NOGROUP)
    process = start(server, "top", "--config", "culvert.toml", "--interval", "0.2",
                    stdin=slave, stdout=slave, stderr=slave)
    seen = b""

    def until(pattern, seconds=60):
        nonlocal seen
        limit = time.monotonic() + seconds
        while time.monotonic() < limit:
            if re.search(pattern, seen, re.DOTALL):
                return True
            if select.select([master], [], [], 0.2)[0]:
                seen += os.read(master, 65536)
        raise AssertionError(f"not seen: {pattern}: {seen[-2000:]}")

    until(rb"\x1b\[\?1049h.*laptop.*phone")
    assert not termios.tcgetattr(slave)[3] & termios.ICANON
    seen = b""
    os.write(master, b"n")  # by name
    until(rb"laptop.*phone")
    seen = b""
    os.write(master, b"r")  # the other way round
    until(rb"phone[^\x1b]*\x1b[^H]*laptop")
    os.write(master, b"q")
    until(rb"\x1b\[\?1049l$")
    assert process.wait(30) == 0
    assert termios.tcgetattr(slave) == before
    os.close(master)
    os.close(slave)


def test_show_tells_what_wg_show_tells_and_the_limits(world, servers):
    peer = wireguard.make_peer(2, name="laptop", extra='down = "50mbit"\nquota = "1GB/day"')
    server = servers([peer])
    client = wireguard.Client(world, peer, server.public).wait_until_up()
    assert client.ping(ORIGIN4, count=2) == 2
    text = on_server(server, "show").stdout
    for line in ("interface: culvert0", f"public key: {server.public}", "listening port: 51820",
                 "latest handshake:", "transfer:", "allowed ips:"):
        assert line in text, text
    assert "laptop" in text and re.search(r"limit: 50(\.0+)? Mbit/s", text), text
    both = json.loads(on_server(server, "show", "--json").stdout)
    assert both["status"]["public_key"] == server.public and both["peers"][0]["name"] == "laptop"
    assert both["status"]["config_file"] == str(server.config)
