"""Ways to start: TOML, wg-quick, environment, `culvert init`; and what `culvert check` says.

     client ==tunnel== server --- hop --- origin
"""

import re
import stat
import subprocess

import pytest

from lib import wireguard
from lib.server import config_text, give_away, quick_text, write_private
from lib.topology import ORIGIN4, ORIGIN6, SERVER4

pytestmark = pytest.mark.culvert_only


def assert_works(world, server, peer):
    client = wireguard.Client(world, peer, server.public, endpoint=f"{SERVER4}:{server.port}").wait_until_up()
    assert client.ping(ORIGIN4, count=2) == 2
    assert client.ping(ORIGIN6, count=2) == 2


def test_an_unchanged_wg_quick_file(world, servers):
    peer, key = wireguard.make_peer(psk=wireguard.preshared_key()), wireguard.Key()
    server = servers([peer], key=key, text=quick_text(key, [peer]), file_name="wg0.conf",
                     settings=["server.control_socket=control.sock"])
    assert "PostUp" in server.log()  # named, not obeyed
    assert_works(world, server, peer)


@pytest.mark.parametrize("form", ["indices", "inline"])
def test_the_environment_alone(world, servers, form):
    peer, key = wireguard.make_peer(), wireguard.Key()
    allowed = ",".join(peer.allowed_ips)
    peers = {"WG_PEERS": "0", "WG_PEER_0_PUBLIC_KEY": peer.key.public, "WG_PEER_0_ALLOWED_IPS": allowed} \
        if form == "indices" else {"WG_PEERS": f"public_key={peer.key.public},allowed_ips={allowed}"}
    server = servers([peer], key=key, environment={"WG_PRIVATE_KEY": key.private, "WG_LISTEN_PORT": "51877",
                                                   "WG_MTU": "1380", "WG_DISABLE_IPV6": "no", **peers},
                     port=51877)
    client = wireguard.Client(world, peer, server.public, endpoint=f"{SERVER4}:51877", mtu=1380)
    client.wait_until_up(ORIGIN4)


def test_set_overrides_the_file(world, servers):
    peer = wireguard.make_peer()
    server = servers([peer], port=51820, wait=False, settings=["server.listen_port=51878"])
    server.port = 51878
    server.wait_until_ready()
    assert_works(world, server, peer)


def test_init_run_add_a_peer_and_connect_with_its_file(world, servers):
    """The quick start, as a new user walks it: the client file that culvert wrote is what wg takes."""
    server = servers([], wait=False)
    server.close()
    made = server.command("init", "node", "--endpoint", f"{SERVER4}:51820")
    assert "[Interface]" in made.stdout and "PrivateKey" in made.stdout
    config = server.folder / "node" / "culvert.toml"
    assert stat.S_IMODE(config.stat().st_mode) & 0o077 == 0
    server.command("peer", "add", "tablet", "--config", str(config))
    names = server.command("peer", "list", "--config", str(config)).stdout
    assert "tablet" in names
    text = server.command("peer", "config", "tablet", "--config", str(config)).stdout
    server.config, server.settings = config, ["--set=server.http="]
    server.start()
    peer = wireguard.make_peer()
    fields = dict(re.findall(r"^(\w+) *= *(.+)$", text, re.MULTILINE))
    assert fields["Endpoint"] == f"{SERVER4}:51820"
    addresses = [address.split("/")[0].strip() for address in fields["Address"].split(",")]
    peer.allowed = tuple(addresses)
    stripped = "\n".join(line for line in text.splitlines()
                         if not re.match(r"(Address|DNS|MTU) *=", line)) + "\n"
    client = wireguard.Client(world, peer, "", config=stripped, mtu=int(fields.get("MTU", 1420)))
    client.namespace.ip(*(f"addr del {address}/{length} dev {client.interface}" for address, length in
                          ((peer.address4, 24), (peer.address6, 64))),
                        *(f"addr add {address} dev {client.interface}" for address in addresses),
                        *(f"route replace {route} dev {client.interface}"
                          for route in ("0.0.0.0/1", "128.0.0.0/1", "::/1", "8000::/1")))
    client.wait_until_up(ORIGIN4)
    qr = server.command("peer", "config", "tablet", "--qr", "--config", str(config)).stdout
    assert len(qr.splitlines()) > 20


def checked(servers, text, name="culvert.toml"):
    """`culvert check` of a file."""
    server = servers([], wait=False)
    server.close()
    write_private(server.folder / name, text)
    give_away(server.folder)
    return server.command("check", "--config", name, check=False)


def test_check_accepts_a_good_file(servers):
    done = checked(servers, config_text(wireguard.Key(), [wireguard.make_peer()]))
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("line, expected", [
    ('mtu = "big"', "mtu"), ("mtu = 20", "mtu"), ('listen_port = 99999', "listen_port"),
    ('adress = ["10.8.0.1/24"]', "adress"), ('workers = "many"', "workers")],
    ids=["type", "range", "port", "misspelt", "word"])
def test_check_names_the_line_and_what_was_expected(servers, line, expected):
    text = config_text(wireguard.Key(), [wireguard.make_peer()], server=line)
    number = text.splitlines().index(line) + 1
    done = checked(servers, text)
    assert done.returncode == 2
    assert re.search(rf"culvert\.toml:{number}: .*{expected}", done.stderr), done.stderr


def test_check_reports_every_mistake_not_only_the_first(servers):
    text = config_text(wireguard.Key(), [wireguard.make_peer()], server='mtu = 1\nworkers = "x"',
                       tail='[[peer]]\nname = "bad"\npublic_key = "short"\nallowed_ips = ["10.8.0.300/32"]')
    done = checked(servers, text)
    assert done.returncode == 2
    for word in ("mtu", "workers", "public_key", "10.8.0.300"):
        assert word in done.stderr


@pytest.mark.parametrize("variable, value", [("WG_LISTEN_PORT", "no"), ("WG_MTU", "12"),
                                             ("WG_PRIVATE_KEY", "short"), ("WG_PEERS", "allowed_ips=10.0.0.2/32")])
def test_a_bad_environment_is_refused_and_named(servers, variable, value):
    server = servers([], wait=False)
    server.close()
    environment = {"WG_PRIVATE_KEY": wireguard.Key().private, "PATH": "/usr/bin:/bin", variable: value}
    done = subprocess.run([str(server.binary), "run"], env=environment, capture_output=True, text=True,
                          timeout=10, cwd=server.folder)
    assert done.returncode == 2
    assert variable in done.stderr


def test_a_key_file_that_others_can_read_is_refused(servers):
    server = servers([], wait=False)
    server.close()
    (server.folder / "server.key").write_text(wireguard.Key().private + "\n")
    (server.folder / "server.key").chmod(0o644)
    text = config_text(wireguard.Key(), []).replace("private_key = ", 'private_key_file = "server.key" # ')
    write_private(server.config, text)
    give_away(server.folder)
    done = server.command("check", "--config", "culvert.toml", check=False)
    assert done.returncode == 2 and "server.key" in done.stderr


def test_keys_are_those_of_wg(servers):
    """genkey, pubkey and genpsk do what wg's do."""
    server = servers([], wait=False)
    server.close()
    private = server.command("genkey").stdout
    ours = server.command("pubkey", input=private).stdout
    theirs = subprocess.run(["wg", "pubkey"], input=private, capture_output=True, text=True, timeout=5).stdout
    assert ours == theirs and len(server.command("genpsk").stdout.strip()) == 44


def test_no_key_is_ever_in_the_log(world, servers):
    peer = wireguard.make_peer(psk=wireguard.preshared_key())
    server = servers([peer], settings=["server.log_level=debug"])
    assert_works(world, server, peer)
    server.terminate()
    assert server.key.private not in server.log() and peer.psk not in server.log()
    assert server.key.raw.hex() not in server.log()
