"""The state database when it cannot be written, is broken, moves house or is PostgreSQL: the tunnel
goes on, whoever looks is told, and what could not be written is written later.
"""

import glob
import json
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import time

import pytest

from lib import wireguard
from lib.control import Control
from lib.netns import maps_one_account
from lib.server import NOBODY, NOGROUP, unprivileged
from lib.tcp import connected
from lib.topology import TUNNEL4

pytestmark = pytest.mark.culvert_only

SIZE = 300_000  # of what goes through the tunnel at once


def control_of(server):
    return Control(server.folder / "control.sock")


def wait_until(condition, seconds):
    limit = time.monotonic() + seconds
    while time.monotonic() < limit and not condition():
        time.sleep(0.1)
    return condition()


def ledger(server):
    return control_of(server).get("/v1/status").json["ledger"]


def upload(world, client, size=SIZE):
    """That many bytes from the client to the origin."""
    here, there = connected(world, client)
    here.sendall(bytes(size))
    here.close()
    count = 0
    while data := there.recv(1 << 16):
        count += len(data)
    there.close()
    assert count == size


def totals(server):
    """The rows of totals in an export, by the subject's name."""
    lines = server.command("state", "export", "--config", "culvert.toml").stdout.splitlines()
    rows = [json.loads(line) for line in lines]
    return {row["name"]: row for row in rows if row.get("type") == "total"}


def owned(path):
    if not maps_one_account():
        os.chown(path, NOBODY, NOGROUP)
    return path


@pytest.fixture
def state_dir():
    """A directory of the server's, on a small file system of its own."""
    path = pathlib.Path(tempfile.mkdtemp(prefix="culvert-state-"))
    path.chmod(0o755)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(path)], check=True)
    owned(path).chmod(0o700)
    yield path
    subprocess.run(["umount", "-l", str(path)], check=True)
    path.rmdir()


def fill(path):
    """No room is left; returns the file that has it."""
    filler = path / "filler"
    with open(filler, "wb", buffering=0) as file:
        for size in (1 << 16, 1 << 12, 1):
            try:
                while True:
                    file.write(bytes(size))
            except OSError:
                pass
    return filler


@pytest.mark.seconds(240)
def test_on_a_full_disk_the_tunnel_goes_on_and_nothing_is_lost(world, servers, state_dir):
    peer = wireguard.make_peer(2, name="laptop")
    server = servers([peer], server=f'state_dir = "{state_dir}"')
    client = wireguard.Client(world, peer, server.public).wait_until_up()
    filler = fill(state_dir)
    upload(world, client)
    assert wait_until(lambda: not ledger(server)["ok"], 60)
    assert "full" in ledger(server)["trouble"]
    assert "full" in server.command("show", "--config", "culvert.toml").stdout
    ready = control_of(server).get("/readyz").json
    assert ready["ready"] and "full" in ready["degraded"][0]
    assert "\nculvert_state_store_ok 0\n" in control_of(server).get("/metrics").text
    upload(world, client)
    added = server.command("peer", "add", "phone", "--config", "culvert.toml", check=False)
    assert added.returncode == 1 and "nothing was changed" in added.stderr
    assert len(control_of(server).get("/v1/peers").json["peers"]) == 1

    filler.unlink()
    assert wait_until(lambda: ledger(server)["ok"], 120)
    kinds = [event["type"] for event in map(json.loads, server.command(
        "events", "--config", "culvert.toml", "--json").stdout.splitlines())]
    assert kinds.index("state_failed") < kinds.index("state_recovered")
    server.command("peer", "add", "phone", "--config", "culvert.toml")
    server.terminate()
    assert totals(server)["laptop"]["up_bytes"] >= 2 * SIZE
    server.start()
    shown = control_of(server).get("/v1/peers/laptop").json
    assert shown["usage"]["up_bytes"] >= 2 * SIZE
    assert control_of(server).get("/v1/peers/phone").json["source"] == "database"


@pytest.mark.skipif(maps_one_account(), reason="there is no other account in this user namespace")
@pytest.mark.seconds(240)
def test_a_directory_that_cannot_be_written_stops_nobody(world, servers, state_dir):
    os.chown(state_dir, 0, 0)
    state_dir.chmod(0o755)
    peer = wireguard.make_peer(2, name="laptop")
    server = servers([peer], server=f'state_dir = "{state_dir}"')
    client = wireguard.Client(world, peer, server.public).wait_until_up()
    assert "Permission denied" in ledger(server)["trouble"]
    assert control_of(server).get("/readyz").json["ready"]
    upload(world, client)
    owned(state_dir)
    assert wait_until(lambda: ledger(server)["ok"], 90)
    server.terminate()
    assert totals(server)["laptop"]["up_bytes"] >= SIZE


@pytest.mark.seconds(240)
def test_a_corrupt_database_is_set_aside_and_said(world, servers):
    peer = wireguard.make_peer(2, name="laptop")
    server = servers([peer])
    server.command("peer", "add", "phone", "--config", "culvert.toml")
    server.terminate()
    assert server.command("state", "check", "--config", "culvert.toml").returncode == 0
    file = server.folder / "state" / "culvert.db"
    with open(file, "r+b") as broken:
        broken.write(b"not a database at all" * 200)
    found = server.command("state", "check", "--config", "culvert.toml", check=False)
    assert found.returncode == 1 and "not a database" in found.stdout + found.stderr
    server.start()
    client = wireguard.Client(world, peer, server.public).wait_until_up()
    upload(world, client)
    aside = list(file.parent.glob("culvert.db.corrupt-*"))
    assert len([path for path in aside if not path.name.endswith(("-wal", "-shm"))]) == 1
    assert "was corrupt" in server.log() and ledger(server)["ok"]
    server.terminate()
    assert server.command("state", "check", "--config", "culvert.toml").returncode == 0
    assert totals(server)["laptop"]["up_bytes"] >= SIZE


@pytest.mark.seconds(240)
def test_state_moves_by_export_and_import(world, servers):
    peer = wireguard.make_peer(2, name="laptop")
    server = servers([peer])
    client = wireguard.Client(world, peer, server.public).wait_until_up()
    server.command("peer", "add", "phone", "--config", "culvert.toml")
    upload(world, client)
    beside = server.command("state", "import", "--config", "culvert.toml", "culvert.toml", check=False)
    assert beside.returncode == 1 and "uses it" in beside.stderr
    assert server.command("state", "check", "--config", "culvert.toml").stdout == "the state database is sound\n"
    assert "phone" in server.command("state", "export", "--config", "culvert.toml").stdout
    server.terminate()

    text = server.command("state", "export", "--config", "culvert.toml").stdout
    before = totals(server)
    file = server.folder / "state" / "culvert.db"
    for each in glob.glob(f"{file}*"):
        os.unlink(each)
    (server.folder / "state.jsonl").write_text(text)
    bad = server.folder / "bad.jsonl"
    bad.write_text(text + '{"type":"total","nmae":1}\n')
    refused = server.command("state", "import", "--config", "culvert.toml", "bad.jsonl", check=False)
    assert refused.returncode == 1 and "nothing was imported" in refused.stderr
    done = server.command("state", "import", "--config", "culvert.toml", "state.jsonl")
    assert done.stdout.startswith("1 peers and ")
    assert totals(server) == before and before["laptop"]["up_bytes"] >= SIZE
    server.start()
    shown = control_of(server).get("/v1/peers/laptop").json
    assert shown["usage"]["up_bytes"] == before["laptop"]["up_bytes"]
    assert control_of(server).get("/v1/peers/phone").json["source"] == "database"


def postgres_program(name):
    found = sorted(glob.glob(f"/usr/lib/postgresql/*/bin/{name}"))
    return found[-1] if found else shutil.which(name)


class PostgreSql:
    """A server of the user nobody, reached by a socket in its folder alone."""

    def __init__(self, world, folder):
        self.world, self.folder = world, folder
        self.run("initdb", "-D", f"{folder}/data", "-A", "trust", "-U", "culvert", "--no-sync", "--locale=C")
        self.start()
        world.later(self.stop)

    def run(self, name, *arguments):
        subprocess.run([*unprivileged(), postgres_program(name), *arguments], check=True, cwd=self.folder,
                       capture_output=True, timeout=120, env={"PATH": os.environ["PATH"]})

    def start(self):
        self.process = self.world.server.start(
            *unprivileged(), postgres_program("postgres"), "-D", f"{self.folder}/data", "-k", str(self.folder),
            "-c", "listen_addresses=", "-c", "fsync=off", "-c", "max_connections=10", cwd=self.folder)
        assert wait_until(self.ready, 60)

    def ready(self):
        try:
            self.run("pg_isready", "-h", str(self.folder), "-U", "culvert")
            return True
        except subprocess.CalledProcessError:
            return False

    def stop(self):
        self.process.send_signal(signal.SIGINT)  # "fast": SIGTERM waits for its clients to go
        self.process.wait(60)

    @property
    def connection(self):
        return f"postgresql://host={self.folder} user=culvert dbname=postgres"


@pytest.mark.skipif(not (postgres_program("postgres") and postgres_program("initdb")),
                    reason="PostgreSQL is not installed")
@pytest.mark.skipif(maps_one_account(), reason="PostgreSQL does not run as root")
@pytest.mark.seconds(240)
def test_postgresql_keeps_the_same(world, servers):
    folder = owned(servers.folder())
    base = PostgreSql(world, folder)
    peer = wireguard.make_peer(2, name="laptop")
    server = servers([peer], tail=f'[accounting]\ndatabase = "{base.connection}"')
    client = wireguard.Client(world, peer, server.public).wait_until_up()
    server.command("peer", "add", "phone", "--config", "culvert.toml")
    upload(world, client)
    base.stop()
    upload(world, client)
    assert wait_until(lambda: not ledger(server)["ok"], 60)
    assert client.ping(TUNNEL4, count=3) == 3
    base.start()
    assert wait_until(lambda: ledger(server)["ok"], 90)
    server.terminate()
    assert totals(server)["laptop"]["up_bytes"] >= 2 * SIZE
    server.start()
    assert control_of(server).get("/v1/peers/laptop").json["usage"]["up_bytes"] >= 2 * SIZE
    assert control_of(server).get("/v1/peers/phone").json["source"] == "database"
    assert not (server.folder / "state" / "culvert.db").exists()
