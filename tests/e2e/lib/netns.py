"""Network namespaces: made, entered by the calling thread alone, and taken away again.

A socket made inside `with namespace.entered():` belongs to that namespace for good and can be used
from anywhere, so a test holds ordinary sockets of every machine of its topology.
"""

import contextlib
import ctypes
import errno
import os
import select
import socket
import subprocess
import time

LIBC = ctypes.CDLL(None, use_errno=True)
CLONE_NEWNET = 0x40000000


def maps_one_account():
    """True inside a user namespace that knows root and nobody else."""
    lines = open("/proc/self/uid_map").read().splitlines()
    return len(lines) == 1 and int(lines[0].split()[2]) == 1


def run(*command, check=True, input=None, timeout=120):
    """Runs a program, with its error text in the exception if it fails."""
    done = subprocess.run(command, input=input, text=True, capture_output=True, timeout=timeout)
    if check and done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: {done.returncode}: {done.stderr or done.stdout}")
    return done


def set_namespace(descriptor):
    if LIBC.setns(descriptor, CLONE_NEWNET) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


class Namespace:
    _count = 0

    def __init__(self, label):
        Namespace._count += 1
        self.label = label
        self.name = f"cv{os.getpid()}-{Namespace._count}-{label}"
        self.processes = []
        run("ip", "netns", "add", self.name)
        self._descriptor = os.open(f"/run/netns/{self.name}", os.O_RDONLY)
        self.ip("link set lo up")
        self.sysctl("net.ipv6.conf.all.accept_dad", 0)
        self.sysctl("net.ipv6.conf.default.accept_dad", 0)
        # Nobody speaks unasked, and an address that goes takes no other with it.
        self.sysctl("net.ipv6.conf.default.router_solicitations", 0)
        self.sysctl("net.ipv4.conf.all.promote_secondaries", 1)

    def ip(self, *lines):
        """`ip` commands, one a line."""
        run("ip", "-n", self.name, "-batch", "-", input="\n".join(lines) + "\n")

    def ip_json(self, command):
        import json
        return json.loads(run("ip", "-n", self.name, "-j", *command.split()).stdout or "[]")

    @contextlib.contextmanager
    def entered(self):
        home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        set_namespace(self._descriptor)
        try:
            yield self
        finally:
            set_namespace(home)
            os.close(home)

    def sysctl(self, name, value):
        with self.entered(), open("/proc/sys/" + name.replace(".", "/"), "w") as file:
            file.write(str(value))

    def prefix(self):
        return ["nsenter", f"--net=/run/netns/{self.name}"]

    def run(self, *command, **options):
        return run(*self.prefix(), *command, **options)

    def start(self, *command, **options):
        """A program that `close` ends if it is still there."""
        options.setdefault("stdin", subprocess.DEVNULL)
        options.setdefault("stdout", subprocess.DEVNULL)
        options.setdefault("stderr", subprocess.DEVNULL)
        process = subprocess.Popen([*self.prefix(), *command], **options)
        self.processes.append(process)
        return process

    def socket(self, family, kind, protocol=0):
        with self.entered():
            made = socket.socket(family, kind, protocol)
        made.settimeout(30)
        return made

    def tcp(self, target, timeout=30, source=None):
        """A connection to (address, port)."""
        made = self.socket(family_of(target[0]), socket.SOCK_STREAM)
        made.settimeout(timeout)
        try:
            if source:
                made.bind(source)
            connect(made, target, timeout)
        except BaseException:
            made.close()
            raise
        return made

    def tcp_listener(self, address, port=0, backlog=1024):
        made = self.socket(family_of(address), socket.SOCK_STREAM)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind((address, port))
        made.listen(backlog)
        return made

    def udp(self, address=None, port=0):
        made = self.socket(family_of(address or "0.0.0.0"), socket.SOCK_DGRAM)
        if address:
            made.bind((address, port))
        return made

    def close(self):
        for process in self.processes:
            end(process)
        os.close(self._descriptor)
        run("ip", "netns", "del", self.name, check=False)


def connect(made, target, timeout):
    """As made.connect() with a timeout, but sure of the outcome. For an ICMP error Linux fills the error
    queue of a connecting socket and wakes who polls it just before it ends the connection (tcp_v4_err):
    SO_ERROR is 0 between the two, which Python takes for connected. Writable is what is decided."""
    made.setblocking(False)
    code = made.connect_ex(target)
    limit = time.monotonic() + timeout
    poller = select.poll()
    poller.register(made, select.POLLOUT)
    while code == errno.EINPROGRESS:
        left = limit - time.monotonic()
        if left <= 0:
            raise TimeoutError("timed out")
        events = poller.poll(left * 1000)
        error = made.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if error or any(each & select.POLLOUT for _, each in events):
            code = error
    made.settimeout(timeout)
    if code:
        raise OSError(code, os.strerror(code))


def deepen(made, size):
    """A receive buffer of `size`, or as large as the system's limit lets a user namespace have."""
    try:
        made.setsockopt(socket.SOL_SOCKET, 33, size)  # SO_RCVBUFFORCE
    except PermissionError:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, size)


def family_of(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def end(process, patience=3):
    """Asks, then insists."""
    if process.poll() is not None:
        return
    process.terminate()
    try:
        process.wait(patience)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def link(left, left_name, right, right_name):
    """A cable between two namespaces."""
    run("ip", "-n", left.name, "link", "add", left_name, "type", "veth", "peer", "name", right_name,
        "netns", right.name)
    left.ip(f"link set {left_name} up")
    right.ip(f"link set {right_name} up")
