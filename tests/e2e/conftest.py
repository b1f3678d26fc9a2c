"""Fixtures of the end-to-end tests. See lib/topology.py for the picture of the network.

    python3 -m pytest tests/e2e [--culvert build/bin/culvert] [--relay build/bin/wgrelay] [--reference]

They need root or a user namespace of one's own; scripts/test finds out which.
"""

import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))

from lib import relay as relay_module  # noqa: E402
from lib import server as server_module  # noqa: E402
from lib import wireguard  # noqa: E402
from lib.topology import Topology  # noqa: E402


class WithoutDnspython(pytest.Module):
    """A file of DNS tests where dnspython is missing: skipped as a whole, with the reason."""

    def collect(self):
        pytest.skip("dnspython is missing (Debian: python3-dnspython)", allow_module_level=True)


def pytest_pycollect_makemodule(module_path, parent):
    if not module_path.name.startswith("test_dns"):
        return None
    try:
        import dns.message  # noqa: F401
    except ImportError:
        return WithoutDnspython.from_parent(parent, path=module_path)
    return None


ROOT = pathlib.Path(__file__).resolve().parents[2]
DEFAULT_SECONDS = 120  # of each test; only one that hangs takes so long, also on a busy machine


def pytest_addoption(parser):
    parser.addoption("--culvert", default=str(ROOT / "build/bin/culvert"), help="the server to test")
    parser.addoption("--relay", default=str(ROOT / "build/bin/wgrelay"), help="the bad network")
    parser.addoption("--reference", action="store_true",
                     help="wireguard-go and kernel NAT in place of culvert: tests the tests")


def pytest_configure(config):
    config.addinivalue_line("markers", "seconds(n): how long the test may take if more than 120")
    config.addinivalue_line("markers", "culvert_only: means nothing for the reference server")


def pytest_sessionstart(session):
    del session
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C: what was started is ended
    if os.geteuid() != 0:
        return
    if not os.access("/run", os.W_OK):  # a user namespace: its own /run, in its own mount namespace
        subprocess.run(["mount", "-t", "tmpfs", "tmpfs", "/run"], check=True)
    for folder in ("/run/netns", "/var/run/wireguard"):
        os.makedirs(folder, exist_ok=True)


def pytest_collection_modifyitems(config, items):
    reason = None
    if os.geteuid() != 0:
        reason = "network namespaces need root or a user namespace"
    for item in items:
        if reason:
            item.add_marker(pytest.mark.skip(reason=reason))
        elif config.getoption("--reference") and item.get_closest_marker("culvert_only"):
            item.add_marker(pytest.mark.skip(reason="needs culvert"))


class TooSlow(BaseException):
    """Not an Exception, so that no test swallows it by accident."""


def bounded(item, seconds):
    def give_up(*_):
        raise TooSlow(f"took longer than {seconds} s")
    signal.signal(signal.SIGALRM, give_up)
    signal.alarm(seconds)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_setup(item):
    bounded(item, DEFAULT_SECONDS)
    yield
    signal.alarm(0)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_call(item):
    marker = item.get_closest_marker("seconds")
    bounded(item, max(marker.args[0] if marker else 0, DEFAULT_SECONDS))
    yield
    signal.alarm(0)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_teardown(item):
    bounded(item, DEFAULT_SECONDS)
    yield
    signal.alarm(0)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """A failed test shows the end of its server's log."""
    outcome = yield
    report = outcome.get_result()
    if report.failed:
        for server in Servers.running:
            if not server.is_reference:
                report.sections.append(("culvert's log", "\n".join(server.log().splitlines()[-60:])))


@pytest.fixture(scope="module")
def world():
    """The network, one for the tests of a file."""
    made = Topology()
    yield made
    made.close()


class Servers:
    """Starts servers for tests: culvert, or what stands in for it."""
    running = []

    def __init__(self, config, world):
        self.binary = config.getoption("--culvert")
        self.kind = server_module.Reference if config.getoption("--reference") else server_module.Culvert
        self.world, self.folders, self.mine = world, [], []

    def folder(self):
        made = pathlib.Path(tempfile.mkdtemp(prefix="culvert-e2e-"))
        made.chmod(0o755)
        self.folders.append(made)
        return made

    def __call__(self, peers=(), **options):
        made = self.kind(self.world, self.folder(), self.binary, peers, **options)
        self.mine.append(made)
        Servers.running.append(made)
        return made

    def close(self):
        for server in self.mine:
            server.close()
            Servers.running.remove(server)
        for folder in self.folders:
            shutil.rmtree(folder, ignore_errors=True)


def servers_of(request, world):
    made = Servers(request.config, world)
    before = len(world.closers)
    yield made
    world.close_started(before)
    made.close()


@pytest.fixture
def servers(request, world):
    """Servers that end with the test; so does all that is started in the network after them."""
    yield from servers_of(request, world)


@pytest.fixture(scope="module")
def module_servers(request, world):
    yield from servers_of(request, world)


class Tunnel:
    """A server and one client of it."""

    def __init__(self, world, server, client):
        self.world, self.server, self.client = world, server, client


@pytest.fixture(scope="module", params=["wireguard-go", "boringtun"])
def any_tunnel(request, world, module_servers):
    """A working tunnel, once for every kind of client."""
    if wireguard.missing(request.param):
        pytest.skip(wireguard.missing(request.param))
    peer = wireguard.make_peer()
    server = module_servers([peer])
    client = wireguard.Client(world, peer, server.public, kind=request.param).wait_until_up()
    yield Tunnel(world, server, client)
    client.stop()
    server.close()


@pytest.fixture(scope="module")
def tunnel(world, module_servers):
    """A working tunnel with wireguard-go, shared by the tests of a file."""
    if wireguard.missing("wireguard-go"):
        pytest.skip(wireguard.missing("wireguard-go"))
    peer = wireguard.make_peer(psk=wireguard.preshared_key())
    server = module_servers([peer])
    return Tunnel(world, server, wireguard.Client(world, peer, server.public).wait_until_up())


@pytest.fixture
def relays(request, world):
    """Starts relays in the middle of the network."""
    binary = request.config.getoption("--relay")

    def start(**options):
        return relay_module.Relay(world, binary, **options)
    yield start
