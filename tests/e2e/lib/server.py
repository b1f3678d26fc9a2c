"""The server under test: culvert as the user nobody with no capability at all, or, to test the tests
(--reference), wireguard-go with the kernel's forwarding and NAT in its place."""

import os
import pathlib
import re
import shutil
import signal
import subprocess
import time

from . import topology
from .netns import end, maps_one_account
from .wireguard import Client, Key, Peer

NOBODY, NOGROUP = 65534, 65534


def unprivileged():
    """The command prefix that takes every right away from the program behind it."""
    drop = ["setpriv", "--no-new-privs", "--inh-caps=-all", "--ambient-caps=-all", "--bounding-set=-all"]
    if not maps_one_account():
        drop += [f"--reuid={NOBODY}", f"--regid={NOGROUP}", "--clear-groups"]
    return drop


def config_text(key, peers, port=51820, top="", server="", tail=""):
    """A culvert.toml. `server` are further lines of [server], `top` and `tail` further tables."""
    lines = [top, "[server]", f'private_key = "{key.private}"',
             f'listen = ["0.0.0.0:{port}", "[::]:{port}"]',
             'address = ["10.8.0.1/24", "fd08::1/64"]', 'state_dir = "state"',
             'control_socket = "control.sock"', 'uapi_dir = "uapi"', 'http = ""']
    given = set(re.findall(r"^(\w+) *=", server, re.MULTILINE))
    lines = [line for line in lines if line.split(" ")[0] not in given] + [server]
    for peer in peers:
        allowed = ", ".join(f'"{prefix}"' for prefix in peer.allowed_ips)
        lines += ["[[peer]]", f'name = "{peer.name}"', f'public_key = "{peer.key.public}"',
                  f"allowed_ips = [{allowed}]", *([f'preshared_key = "{peer.psk}"'] if peer.psk else []),
                  *([f'endpoint = "{peer.endpoint}"'] if peer.endpoint else []),
                  *([f"persistent_keepalive = {peer.keepalive}"] if peer.keepalive else []), peer.extra]
    return "\n".join(lines + [tail, ""])


def quick_text(key, peers, port=51820):
    """The same as a wg-quick file."""
    lines = ["[Interface]", f"PrivateKey = {key.private}", "Address = 10.8.0.1/24, fd08::1/64",
             f"ListenPort = {port}", "MTU = 1420", "PostUp = iptables -A FORWARD -j ACCEPT", ""]
    for peer in peers:
        lines += [f"# friendly_name = {peer.name}", "[Peer]", f"PublicKey = {peer.key.public}",
                  f"AllowedIPs = {', '.join(peer.allowed_ips)}",
                  *([f"PresharedKey = {peer.psk}"] if peer.psk else []), ""]
    return "\n".join(lines)


class Culvert:
    """`culvert run`, with its folder. Text ending up in its log is in `log()`."""
    is_reference = False

    def __init__(self, world, folder, binary, peers=(), key=None, text=None, settings=(), port=51820,
                 environment=None, file_name="culvert.toml", wait=True, descriptors=None,
                 variables=None, **config):
        self.world, self.folder, self.port = world, pathlib.Path(folder), port
        self.key = key or Key()
        self.binary = install(binary, self.folder)
        self.config = self.folder / file_name
        if environment is None:
            write_private(self.config, text or config_text(self.key, peers, port, **config))
        give_away(self.folder)
        self.settings = [f"--set={setting}" for setting in settings]
        self.environment, self.variables = environment, variables or {}
        self.limits = ["prlimit", f"--nofile={descriptors}"] if descriptors else []
        self.start(wait)
        world.later(self.close)

    @property
    def public(self):
        return self.key.public

    def start(self, wait=True):
        arguments = [] if self.environment is not None else ["--config", str(self.config)]
        self._log = open(self.folder / "server.log", "ab")
        self._log_start = len(self.log())
        self.process = self.world.server.start(
            *self.limits, *unprivileged(), str(self.binary), "run", *arguments, *self.settings, cwd=self.folder,
            stdout=self._log, stderr=subprocess.STDOUT,
            env={"PATH": os.environ["PATH"], "HOME": str(self.folder), **self.variables, **(self.environment or {})})
        if wait:
            self.wait_until_ready()

    def wait_until_ready(self, seconds=60):
        """Until every worker serves, by what the server says itself since this start."""
        limit = time.monotonic() + seconds
        while time.monotonic() < limit:
            if self.process.poll() is not None:
                raise AssertionError(f"culvert ended with {self.process.returncode}:\n{self.log()}")
            if re.search(r"\bready$", self.log()[self._log_start:], re.MULTILINE):
                return
            time.sleep(0.02)
        raise AssertionError(f"culvert did not become ready:\n{self.log()}")

    def log(self):
        return (self.folder / "server.log").read_text(errors="replace")

    def workers(self):
        return children_of(self.process.pid)

    def command(self, *arguments, check=True, input=None, timeout=60):
        """Another culvert command, as the same user, in the same place."""
        done = subprocess.run([*self.world.server.prefix(), *unprivileged(), str(self.binary), *arguments],
                              cwd=self.folder, capture_output=True, text=True, input=input, timeout=timeout,
                              env={**os.environ, "HOME": str(self.folder)})
        if check and done.returncode != 0:
            raise AssertionError(f"culvert {' '.join(arguments)}: {done.returncode}: {done.stderr}")
        return done

    def resident(self, pid=None):
        """Memory in bytes, of one process or of the largest worker."""
        pids = [pid] if pid else self.workers()
        return max(status_kib(each, "VmRSS") for each in pids) * 1024

    def cpu_seconds(self):
        return sum(cpu_of(each) for each in [self.process.pid, *self.workers()])

    def terminate(self, patience=30):
        """SIGTERM; (exit code, seconds it took)."""
        begin = time.monotonic()
        self.process.terminate()
        code = self.process.wait(patience)
        return code, time.monotonic() - begin

    def close(self):
        workers = self.workers() if self.process.poll() is None else []
        end(self.process, patience=5)
        for pid in workers:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self._log.close()


class Reference:
    """What a host with root would do: a TUN device, forwarding, masquerading."""
    is_reference = True

    def __init__(self, world, folder, binary, peers=(), key=None, port=51820, **_):
        self.world, self.key, self.port, self.folder = world, key or Key(), port, folder
        box = world.server
        box.sysctl("net.ipv4.ip_forward", 1)
        box.sysctl("net.ipv6.conf.all.forwarding", 1)
        box.run("nft", "-f", "-", input="""
            table inet nat { chain out { type nat hook postrouting priority 100;
                                         oifname "wan" masquerade; }; }""")
        own = Peer("server", self.key, 1)
        text = "\n".join(["[Interface]", f"PrivateKey = {self.key.private}", f"ListenPort = {port}",
                          *("\n".join(["[Peer]", f"PublicKey = {peer.key.public}",
                                       f"AllowedIPs = {', '.join(peer.allowed_ips)}",
                                       *([f"PresharedKey = {peer.psk}"] if peer.psk else [])])
                            for peer in peers), ""])
        self.tunnel = Client(world, own, "", namespace=box, config=text, routes=())
        self.process = self.tunnel.process

    @property
    def public(self):
        return self.key.public

    def close(self):
        self.tunnel.stop()
        self.world.server.run("nft", "flush", "ruleset")


def install(binary, folder):
    """A copy that the user nobody may read, wherever the checkout lies."""
    target = folder / "bin" / "culvert"
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(binary, target)
        except OSError:
            shutil.copy2(binary, target)
        target.chmod(0o755)
    return target


def write_private(path, text):
    path.write_text(text)
    path.chmod(0o600)


def give_away(folder):
    if maps_one_account():
        return
    for path in [folder, *folder.iterdir()]:
        if path.name != "bin":
            os.chown(path, NOBODY, NOGROUP)


def children_of(pid):
    try:
        return [int(child) for child in open(f"/proc/{pid}/task/{pid}/children").read().split()]
    except (FileNotFoundError, ProcessLookupError):
        return []


def alive(pid):
    try:
        return open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def status_kib(pid, field):
    for line in open(f"/proc/{pid}/status"):
        if line.startswith(field + ":"):
            return int(line.split()[1])
    return 0


def cpu_of(pid):
    fields = open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


__all__ = ["Culvert", "Reference", "alive", "config_text", "quick_text", "topology"]
