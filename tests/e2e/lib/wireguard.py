"""Keys, and the real clients: wireguard-go and boringtun on a TUN device, set up with `wg`."""

import base64
import dataclasses
import os
import shutil
import subprocess
import tempfile
import time

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from . import topology
from .netns import end, run

KINDS = {"wireguard-go": ["wireguard-go", "-f"],
         "boringtun": ["boringtun-cli", "-f", "--disable-drop-privileges"]}


def missing(kind):
    """Why a kind of client cannot be used here; empty if it can."""
    program = KINDS[kind][0]
    if not shutil.which(program):
        return f"{program} is not installed"
    try:
        os.close(os.open("/dev/net/tun", os.O_RDWR))
    except OSError as error:
        return f"/dev/net/tun: {error.strerror}"
    return ""


def raw_public(private):
    """The 32 bytes of the public key, also with versions before public_bytes_raw."""
    return private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)


class Key:
    """A WireGuard key pair."""

    def __init__(self, private=None):
        self.raw = private or os.urandom(32)
        self.private = base64.b64encode(self.raw).decode()
        key = X25519PrivateKey.from_private_bytes(self.raw)
        self.public_raw = raw_public(key)
        self.public = base64.b64encode(self.public_raw).decode()


def preshared_key():
    return base64.b64encode(os.urandom(32)).decode()


@dataclasses.dataclass
class Peer:
    """What server and client agree on: one client of the server."""
    name: str
    key: Key
    number: int  # the last part of its tunnel addresses
    psk: str = ""
    extra: str = ""  # further TOML lines
    allowed: tuple = ()
    endpoint: str = ""
    keepalive: int = 0

    @property
    def address4(self):
        return f"10.8.0.{self.number}"

    @property
    def address6(self):
        return f"fd08::{self.number:x}"

    @property
    def allowed_ips(self):
        return self.allowed or (f"{self.address4}/32", f"{self.address6}/128")


def make_peer(number=2, name=None, **fields):
    return Peer(name or f"peer{number}", Key(), number, **fields)


class Client:
    """A running client. `ping`, sockets and programs go through `namespace`, whose default route is
    the tunnel."""
    _count = 0

    def __init__(self, world, peer, server_public, kind="wireguard-go", namespace=None, psk=None,
                 endpoint=f"{topology.SERVER4}:51820", keepalive=0, mtu=1420, config=None,
                 routes=("0.0.0.0/1", "128.0.0.0/1", "::/1", "8000::/1")):
        if missing(kind):
            pytest.skip(missing(kind))
        Client._count += 1
        self.peer, self.kind, self.server_public = peer, kind, server_public
        self.namespace = namespace or world.client
        self.interface = f"w{os.getpid() % 100000}x{Client._count}"
        self._log = tempfile.TemporaryFile()
        environment = {**os.environ, "WG_PROCESS_FOREGROUND": "1", "LOG_LEVEL": "error"}
        self.process = self.namespace.start(*KINDS[kind], self.interface, env=environment,
                                            stdout=self._log, stderr=subprocess.STDOUT)
        world.later(self.stop)
        self._wait_for_device()
        self.text = config or self._config(server_public, endpoint, keepalive, peer.psk if psk is None else psk)
        self.configure(self.text)
        self.namespace.ip(f"addr add {peer.address4}/24 dev {self.interface}",
                          f"addr add {peer.address6}/64 dev {self.interface} nodad",
                          f"link set {self.interface} mtu {mtu} up",
                          *(f"route add {route} dev {self.interface}" for route in routes))

    def _config(self, server_public, endpoint, keepalive, psk):
        return "\n".join([
            "[Interface]", f"PrivateKey = {self.peer.key.private}", "[Peer]",
            f"PublicKey = {server_public}", "AllowedIPs = 0.0.0.0/0, ::/0", f"Endpoint = {endpoint}",
            *([f"PresharedKey = {psk}"] if psk else []),
            *([f"PersistentKeepalive = {keepalive}"] if keepalive else []), ""])

    def _wait_for_device(self):
        socket_path = f"/var/run/wireguard/{self.interface}.sock"
        limit = time.monotonic() + 30
        while time.monotonic() < limit:
            if os.path.exists(socket_path) and self.namespace.run(
                    "ip", "link", "show", self.interface, check=False).returncode == 0:
                return
            if self.process.poll() is not None:
                break
            time.sleep(0.01)
        self._log.seek(0)
        raise RuntimeError(f"{self.kind} made no device: {self._log.read().decode()}")

    def configure(self, text):
        with tempfile.NamedTemporaryFile("w") as file:
            file.write(text)
            file.flush()
            self.namespace.run("wg", "setconf", self.interface, file.name)

    def connect_anew(self):
        """Forgets its session, as a client that was started again."""
        self.set("peer", self.server_public, "remove")
        self.configure(self.text)
        return self.wait_until_up()

    def set(self, *arguments):
        self.namespace.run("wg", "set", self.interface, *arguments)

    def show(self, what):
        """`wg show INTERFACE what`, the fields after the key of the one peer."""
        return self.namespace.run("wg", "show", self.interface, what).stdout.split("\t")[1:]

    def transfer(self):
        received, sent = (int(field) for field in self.show("transfer"))
        return received, sent

    def latest_handshake(self):
        return int(self.show("latest-handshakes")[0])

    def ping(self, target, count=1, size=56, wait=5, interval=0.05):
        """How many of `count` echoes came back."""
        done = self.namespace.run("ping", "-n", "-q", "-c", str(count), "-i", str(interval), "-W", str(wait),
                                  "-s", str(size), target, check=False, timeout=count * (wait + 1) + 10)
        for line in done.stdout.splitlines():
            if "received" in line:
                return int(line.split(" received")[0].split()[-1])
        raise RuntimeError(f"ping {target}: {done.stdout} {done.stderr}")

    def wait_until_up(self, target=topology.TUNNEL4, seconds=60):
        limit = time.monotonic() + seconds
        while time.monotonic() < limit:
            if self.ping(target, wait=1):
                return self
        raise AssertionError(f"no answer through the tunnel from {target} within {seconds} s")

    def stop(self):
        end(self.process)
        try:
            os.unlink(f"/var/run/wireguard/{self.interface}.sock")
        except FileNotFoundError:
            pass


__all__ = ["Client", "Key", "Peer", "make_peer", "missing", "preshared_key", "run"]
