"""Webhooks and the admission hook, with a receiver beside the server.

     receiver (HTTP, a script) --- server ==tunnel== client
"""

import hashlib
import hmac
import http.server
import json
import os
import threading
import time

import pytest

from lib import wireguard
from lib.server import give_away
from lib.topology import ORIGIN4, TUNNEL4

pytestmark = pytest.mark.culvert_only

SECRET = "a secret of the two"


class Receiver:
    """An HTTP server on the server's loopback. `answer(body)` gives (status, text) or raises."""

    def __init__(self, world, answer=lambda body: (204, "")):
        self.requests = []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                outer.requests.append((dict(self.headers), body))
                status, text = outer.answer(json.loads(body))
                self.send_response(status)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text.encode())

            def log_message(self, *_):
                pass

        self.answer = answer
        with world.server.entered():
            self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        world.later(self.close)

    def events(self, kind=None):
        all_of = [json.loads(body) for _, body in self.requests]
        return [event for event in all_of if kind is None or event["type"] == kind]

    def close(self):
        self.server.shutdown()
        self.server.server_close()


def wait_until(condition, seconds=30):
    limit = time.monotonic() + seconds
    while time.monotonic() < limit and not condition():
        time.sleep(0.05)
    return condition()


def webhook(url, more=""):
    return f'[[webhook]]\nurl = "{url}"\nsecret = "{SECRET}"\n{more}'


def test_a_connecting_peer_is_told_signed_and_once(world, servers):
    receiver = Receiver(world)
    peer = wireguard.make_peer(2, name="laptop")
    server = servers([peer], tail=webhook(receiver.url))
    wireguard.Client(world, peer, server.public).wait_until_up()
    assert wait_until(lambda: receiver.events("connect"))
    headers, body = next(each for each in receiver.requests if json.loads(each[1])["type"] == "connect")
    event = json.loads(body)
    assert event["peer"] == "laptop" and event["id"] >= 1 and event["time"].endswith("Z")
    assert headers["Culvert-Event"] == "connect" and len(headers["Culvert-Delivery"]) == 32
    stamp = headers["Culvert-Timestamp"]
    assert abs(int(stamp) - time.time()) < 30
    mine = hmac.new(SECRET.encode(), stamp.encode() + b"." + body, hashlib.sha256).hexdigest()
    assert headers["Culvert-Signature"] == f"sha256={mine}"
    time.sleep(1)
    assert len(receiver.events("connect")) == 1


def test_a_failing_receiver_gets_every_event_later_in_order(world, servers):
    working = threading.Event()
    receiver = Receiver(world, lambda body: (204, "") if working.is_set() else (503, ""))
    peers = [wireguard.make_peer(number) for number in (2, 3)]
    server = servers(peers, tail=webhook(receiver.url, 'events = ["connect"]'))
    clients = [wireguard.Client(world, peers[0], server.public).wait_until_up()]
    clients.append(wireguard.Client(world, peers[1], server.public, namespace=world.second).wait_until_up())
    assert wait_until(lambda: receiver.requests)
    working.set()
    assert wait_until(lambda: {event["peer"] for event in receiver.events()} == {"peer2", "peer3"})
    first = [event["peer"] for event in receiver.events()]
    assert first == sorted(first)  # peer3's has its turn only when peer2's was taken
    deliveries = {headers["Culvert-Delivery"] for headers, _ in receiver.requests}
    assert len(deliveries) == 2


def test_a_silent_receiver_delays_nobody(world, servers):
    release = threading.Event()

    def silent(_):
        release.wait(30)
        return 204, ""
    slow, quick = Receiver(world, silent), Receiver(world)
    peer = wireguard.make_peer(2)
    server = servers([peer], tail=webhook(slow.url) + "\n" + webhook(quick.url))
    client = wireguard.Client(world, peer, server.public).wait_until_up()
    assert wait_until(lambda: quick.events("connect"))
    assert client.ping(TUNNEL4, count=20) == 20
    release.set()


def script(server_folder, text):
    path = server_folder / "admit"
    path.write_text("#!/bin/sh\n" + text)
    path.chmod(0o755)
    give_away(server_folder)
    return path


def admission(lines):
    return "[admission]\n" + lines


def passes(client):
    return client.ping(ORIGIN4, count=2, wait=1) == 2


def test_a_script_admits_one_peer_and_refuses_another(world, servers, tmp_path):
    tmp_path.chmod(0o755)
    for folder in tmp_path.parents:
        if folder.owner() == tmp_path.owner() and str(folder).startswith("/tmp/"):
            os.chmod(folder, 0o755)
    path = script(tmp_path, 'test "$CULVERT_PEER" = good && test -n "$CULVERT_ENDPOINT" && '
                            f'test "$CULVERT_PUBLIC_KEY" != "" && test -z "$WG_PRIVATE_KEY"\n')
    good, bad = wireguard.make_peer(2, name="good"), wireguard.make_peer(3, name="bad")
    server = servers([good, bad], tail=admission(f'command = ["{path}"]'))
    first = wireguard.Client(world, good, server.public)
    second = wireguard.Client(world, bad, server.public, namespace=world.second)
    assert wait_until(lambda: passes(first))
    second.ping(TUNNEL4, count=1)
    assert wait_until(lambda: second.latest_handshake() > 0)
    assert not passes(second)


def test_a_revocation_takes_effect_at_the_next_check(world, servers):
    allowed = threading.Event()
    allowed.set()
    receiver = Receiver(world, lambda body: (200, '{"ttl": 1}') if allowed.is_set() else (403, ""))
    peer = wireguard.make_peer(2, name="laptop")
    server = servers([peer], tail=admission(f'url = "{receiver.url}"\nsecret = "{SECRET}"'))
    client = wireguard.Client(world, peer, server.public)
    assert wait_until(lambda: passes(client))
    asked = json.loads(receiver.requests[0][1])
    assert asked["peer"] == "laptop" and asked["public_key"] == peer.key.public and asked["endpoint"]
    assert "Culvert-Signature" in receiver.requests[0][0]
    allowed.clear()
    assert wait_until(lambda: not passes(client))
    assert wait_until(lambda: client.latest_handshake() > 0)


@pytest.mark.parametrize("failure, result", [("admit", True), ("refuse", False)])
def test_without_a_verdict_the_setting_decides(world, servers, failure, result):
    receiver = Receiver(world, lambda body: (500, ""))
    peer = wireguard.make_peer(2)
    server = servers([peer], tail=admission(f'url = "{receiver.url}"\non_failure = "{failure}"'))
    client = wireguard.Client(world, peer, server.public)
    client.ping(TUNNEL4, count=2, wait=1)
    assert wait_until(lambda: receiver.requests)
    assert wait_until(lambda: passes(client) is result)
    assert server.process.poll() is None


def test_hook_children_do_not_disturb_the_workers(world, servers, tmp_path):
    """A worker that dies while hooks come and go is started again, and no child is left over."""
    receiver = Receiver(world, lambda body: (200, '{"ttl": 1}'))
    peer = wireguard.make_peer(2)
    server = servers([peer], tail=admission(f'url = "{receiver.url}"') + "\n" + webhook(receiver.url))
    client = wireguard.Client(world, peer, server.public)
    assert wait_until(lambda: passes(client))
    names = {pid: open(f"/proc/{pid}/comm").read().strip() for pid in server.workers()}
    hook = next(pid for pid, name in names.items() if name == "culvert-http")
    os.kill(hook, 9)
    os.kill(next(pid for pid, name in names.items() if name == "culvert-0"), 9)
    assert wait_until(lambda: passes(client))
    assert wait_until(lambda: not [pid for pid in server.workers()
                                   if open(f"/proc/{pid}/stat").read().split()[2] == "Z"])
    code, seconds = server.terminate()
    assert code == 0 and seconds < 8
    assert not os.path.exists(f"/proc/{hook}")
