"""What happens to a server under a stream of questions costs none of them: reloads, new lists, dead
workers, new peers. And a feed of a list that goes bad or away costs no rule.

     client (laptop) ==tunnel==\\
                                server --- hop --- origin (an honest resolver)
     second (phone)  ==tunnel==/
"""

import gzip
import http.server
import json
import os
import re
import select
import signal
import struct
import threading
import time

import pytest

from lib import wireguard
from lib.dns_questions import RESOLVER, Honest, addresses, ask, query
from lib.hostile_dns import GOOD, GOOD_BYTES
from lib.server import config_text
from lib.topology import ORIGIN4, TUNNEL4
from test_commands import client_from, on_server
from test_reload import reload

pytestmark = [pytest.mark.culvert_only, pytest.mark.seconds(120)]
LISTED = 20
NULL = bytes(4)


class Stream:
    """Cached, blocked and forwarded questions at some hundred a second; those that were not answered, and
    those that were answered wrongly."""

    def __init__(self, space, blocks=True, pace=0.004):
        self.sock = space.udp()
        self.sock.setblocking(False)
        self.blocks, self.pace = blocks, pace
        self.open, self.wrong, self.sent, self.answered_at = {}, [], 0, []
        self.stopped = threading.Event()
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def next_name(self):
        which = self.sent % 3 if self.blocks else 2 * (self.sent % 2)
        return (f"known{self.sent % 20}.example.org" if which == 0 else
                f"n{self.sent % LISTED}.ads.example" if which == 1 else f"new{self.sent}-{id(self)}.example.org")

    def run(self):
        while not self.stopped.is_set():
            name = self.next_name()
            self.sent += 1
            self.open[self.sent & 0xFFFF] = name, time.monotonic()
            try:
                self.sock.sendto(query(name, self.sent & 0xFFFF), RESOLVER)
            except OSError as error:
                self.wrong.append((name, repr(error)))
            self.take(self.pace)
        limit = time.monotonic() + 20
        while self.open and time.monotonic() < limit:
            self.take(0.2)
        self.sock.close()

    def take(self, seconds):
        until = time.monotonic() + seconds
        while select.select([self.sock], [], [], max(0, until - time.monotonic()))[0]:
            wire = self.sock.recv(65535)
            name, _ = self.open.pop(struct.unpack_from("!H", wire)[0], (None, 0))
            self.answered_at.append(time.monotonic())
            right = NULL if name and name.endswith(".ads.example") else GOOD_BYTES
            if name is None or b"\0\4" + right not in wire:
                self.wrong.append((name, wire))

    def go_on(self, count=60):
        """So many questions further."""
        until = self.sent + count
        while self.sent < until:
            time.sleep(0.005)

    def stop(self):
        self.stopped.set()
        self.thread.join()

    @property
    def lost(self):
        return sorted(name for name, _ in self.open.values())


def nothing_lost(stream, at_least=100):
    assert stream.sent >= at_least
    assert not stream.wrong, stream.wrong[:3]
    assert not stream.lost, f"{len(stream.lost)} of {stream.sent}: {stream.lost[:5]}"


class Feed:
    """A list over HTTP: `body` as it is sent, with `headers`; or `cut`, the body breaks off."""

    def __init__(self, world, body):
        self.body, self.headers, self.cut = body, {}, False
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(200)
                for name, value in outer.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(outer.body)))
                self.end_headers()
                self.wfile.write(outer.body[:len(outer.body) // 2] if outer.cut else outer.body)

            def log_message(self, *_):
                pass

        with world.server.entered():
            self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}/list.txt"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.open = True
        world.later(self.close)

    def close(self):
        if self.open:
            self.open = False
            self.server.shutdown()
            self.server.server_close()


def names(count):
    return "".join(f"n{i}.ads.example\n" for i in range(count))


def configuration(url="", extra="", size=2 << 20):
    lists = f'lists = ["ads"]\n[[dns.list]]\nname = "ads"\nurl = "{url}"\nmax_size = {size}\n' if url else ""
    return f'[dns]\nupstream = ["{ORIGIN4}"]\nanswer_ttl = 1\n{extra}\n{lists}'


def wait_in_force(server, rules, seconds=90):
    limit = time.monotonic() + seconds
    told = None
    while time.monotonic() < limit:
        told = json.loads(server.command("dns", "lists", "--json").stdout)
        if told["rules"] == rules and all(each["in_force"] for each in told["lists"]):
            return
        time.sleep(0.05)
    raise AssertionError(f"{rules} rules are not in force: {told}\n{server.log()}")


class Setting:
    """Two clients, a list of LISTED names, and a resolver. `apart`: the clients have a worker each."""

    def __init__(self, world, servers, apart=False):
        self.world = world
        self.honest = Honest(world.origin)
        world.later(self.honest.close)
        self.feed = Feed(world, names(LISTED).encode())
        self.peers = [wireguard.make_peer(2, name="laptop"), wireguard.make_peer(3, name="phone")]
        self.tail = configuration(self.feed.url)
        more = [wireguard.make_peer(number) for number in range(4, 24 if apart else 4)]
        self.server = servers([*self.peers, *more], settings=["server.workers=2"], tail=self.tail)
        wait_in_force(self.server, LISTED)
        if apart:
            self.take_apart(more)
        self.clients = [wireguard.Client(world, peer, self.server.public, namespace=space).wait_until_up()
                        for peer, space in zip(self.peers, (world.client, world.second))]

    def take_apart(self, more):
        """Keys are spread over workers by chance: the second client is one that has another worker."""
        shown = json.loads(self.server.command("show", "--json").stdout)["peers"]
        self.worker = {peer["public_key"]: peer["worker"] for peer in shown}
        mine = self.worker[self.peers[0].key.public]
        self.peers[1] = next(peer for peer in more if self.worker[peer.key.public] != mine)

    def text(self, peers=None, tail=None):
        return config_text(self.server.key, peers or self.peers, tail=tail or self.tail)


@pytest.fixture
def setting(world, servers):
    if wireguard.missing("wireguard-go"):
        pytest.skip(wireguard.missing("wireguard-go"))
    return Setting(world, servers)


def test_reloads_lose_no_question_of_anybody(setting):
    with Stream(setting.world.client) as one, Stream(setting.world.second) as two:
        for number in range(6):
            record = f'[[dns.record]]\nname = "nas.example.org"\ntype = "A"\nvalue = "10.9.0.{number}"\n'
            reload(setting.server, setting.text(tail=setting.tail + record))
            assert addresses(ask(setting.world.client, "nas.example.org")) == [f"10.9.0.{number}"]
            one.go_on()
    nothing_lost(one)
    nothing_lost(two)


def test_new_lists_lose_no_question_and_let_nothing_through(setting):
    with Stream(setting.world.client) as one, Stream(setting.world.second) as two:
        for number in range(1, 6):
            setting.feed.body = (names(LISTED) + f"extra{number}.example.org\n").encode()
            assert ask(setting.world.client, f"extra{number}.example.org") is not None  # it is cached
            assert "updated" in setting.server.command("dns", "update", "ads").stdout
            blocked = ask(setting.world.client, f"extra{number}.example.org")
            assert addresses(blocked) == ["0.0.0.0"], f"round {number}"
            one.go_on()
    nothing_lost(one)
    nothing_lost(two)


def test_flushing_the_cache_loses_no_question(setting):
    with Stream(setting.world.client) as one:
        for _ in range(5):
            setting.server.command("dns", "flush")
            one.go_on()
    nothing_lost(one)


def test_a_dead_worker_costs_others_no_question_and_its_own_clients_some_seconds(world, servers):
    setting = Setting(world, servers, apart=True)
    mine = setting.worker[setting.peers[0].key.public]
    workers = sorted(setting.server.workers())
    with Stream(world.second) as safe, Stream(world.client) as hit:
        hit.go_on()
        os.kill(workers[mine], signal.SIGKILL)
        died = time.monotonic()
        limit = died + 30
        while time.monotonic() < limit and not any(at > died + 0.05 for at in list(hit.answered_at)):
            time.sleep(0.02)
        back = min((at for at in hit.answered_at if at > died + 0.05), default=None)
        assert back is not None, setting.server.log()
        safe.go_on()
    print(f"its own client's next answer {back - died:.2f} s after; {len(hit.lost)} of {hit.sent} lost")
    nothing_lost(safe)
    assert not hit.wrong, hit.wrong[:3]
    assert addresses(ask(world.client, "n1.ads.example")) == ["0.0.0.0"]  # with its rules again
    assert addresses(ask(world.client, "phone.culvert.internal")) == ["10.8.0.3"]


def test_a_peer_that_comes_has_its_name_and_policy_at_once(setting):
    with Stream(setting.world.client) as stream:
        tablet = wireguard.make_peer(4, name="tablet", extra='dns_block = ["games.example.org"]')
        reload(setting.server, setting.text(peers=[*setting.peers, tablet]))
        assert addresses(ask(setting.world.client, "tablet.culvert.internal")) == ["10.8.0.4"]
        assert addresses(ask(setting.world.second, "tablet.culvert.internal")) == ["10.8.0.4"]
        stream.go_on()
        setting.clients[1].stop()
        client = wireguard.Client(setting.world, tablet, setting.server.public, namespace=setting.world.second)
        client.wait_until_up()
        assert addresses(ask(setting.world.second, "www.games.example.org")) == ["0.0.0.0"]
        assert addresses(ask(setting.world.second, "n1.ads.example")) == ["0.0.0.0"]
        assert addresses(ask(setting.world.client, "www.games.example.org")) == [GOOD]
        reload(setting.server, setting.text())
        assert not addresses(ask(setting.world.client, "tablet.culvert.internal"))
        stream.go_on()
    nothing_lost(stream)


def test_a_peer_added_by_command_has_a_name_and_the_rules(setting):
    added = on_server(setting.server, "peer", "add", "watch", "--endpoint", "198.18.10.2").stdout
    address = re.search(r"Address = ([\d.]+)", added)[1]
    assert addresses(ask(setting.world.client, "watch.culvert.internal")) == [address]
    setting.clients[1].stop()
    client_from(setting.world, added, namespace=setting.world.second).wait_until_up()
    assert addresses(ask(setting.world.second, "n1.ads.example", target=(TUNNEL4, 53))) == ["0.0.0.0"]
    on_server(setting.server, "peer", "remove", "watch")
    assert not addresses(ask(setting.world.client, "watch.culvert.internal"))


def test_a_policy_that_changes_holds_for_the_next_question(setting):
    """Of a group, by a reload: also for names that are in the cache, in both directions."""
    peers = [setting.peers[0], wireguard.Peer(**{**vars(setting.peers[1]), "extra": 'group = "kids"'})]
    asked = (setting.world.second, "www.games.example.org")
    with Stream(setting.world.client) as stream:
        for round_ in range(3):
            for block, expected in (('["games.example.org"]', "0.0.0.0"), ("[]", GOOD)):
                tail = setting.tail + f"[group.kids]\ndns_block = {block}\n"
                reload(setting.server, setting.text(peers=peers, tail=tail))
                assert addresses(ask(*asked)) == [expected], f"round {round_}, {block}"
                assert addresses(ask(setting.world.client, "www.games.example.org")) == [GOOD]
                stream.go_on(20)
    nothing_lost(stream)


BAD_BODIES = {
    "gzip that is damaged": (gzip.compress(names(LISTED).encode())[:20] + b"\xff" * 60,
                             {"Content-Encoding": "gzip"}, False),
    "gzip that breaks off": (gzip.compress(names(3000).encode())[:200], {"Content-Encoding": "gzip"}, False),
    "gzip of far too much": (gzip.compress(b"0" * (64 << 20)), {"Content-Encoding": "gzip"}, False),
    "another coding": (names(LISTED + 1).encode(), {"Content-Encoding": "br"}, False),
    "a body that breaks off": (names(LISTED + 5).encode(), {}, True),
    "too much": (names(200_000).encode(), {}, False),
    "nothing": (b"", {}, False),
    "zeroes": (bytes(100_000), {}, False),
}


def test_a_feed_that_goes_bad_or_away_takes_no_rule_with_it(setting):
    resident = status = None
    for what, (body, headers, cut) in BAD_BODIES.items():
        setting.feed.body, setting.feed.headers, setting.feed.cut = body, headers, cut
        failed = setting.server.command("dns", "update", "ads", check=False)
        assert failed.returncode == 1, (what, failed)
        status = setting.server.command("dns", "lists").stdout
        assert addresses(ask(setting.world.client, "n7.ads.example")) == ["0.0.0.0"], what
        resident = resident or setting.server.resident(setting.server.process.pid)
    assert setting.server.resident(setting.server.process.pid) - resident < 16 << 20, status
    setting.feed.close()
    failed = setting.server.command("dns", "update", "ads", check=False)
    assert failed.returncode == 1 and failed.stdout, failed
    assert addresses(ask(setting.world.client, "n7.ads.example")) == ["0.0.0.0"]
    # A restart without the feed has the rules all the same, at once.
    setting.server.terminate()
    setting.server.start()
    setting.clients[0].connect_anew()
    assert addresses(ask(setting.world.client, "n7.ads.example")) == ["0.0.0.0"]


def test_a_start_with_compiled_lists_compiles_nothing(world, servers):
    """A hundred thousand names: the table of the last run is mapped. Times are told, not judged."""
    server = servers([wireguard.make_peer(2)], wait=False,
                     tail='[dns]\nlists = ["big"]\n[[dns.list]]\nname = "big"\npath = "big.txt"\n')
    # The file is there before anybody reads it a second time.
    (server.folder / "big.txt").write_text("".join(f"n{i}.ads.example\n" for i in range(100_000)))
    server.wait_until_ready()
    server.command("dns", "update", "big", check=False)
    wait_in_force(server, 100_000)
    took = []
    table = server.folder / "state/lists/rules.culvert"
    before = table.stat()
    for _ in range(3):
        server.terminate()
        begin = time.monotonic()
        server.start()
        wait_in_force(server, 100_000)
        took.append(time.monotonic() - begin)
    after = table.stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    print(f"100,000 names in force after {', '.join(f'{seconds:.2f}' for seconds in took)} s")
