"""The API of a running server: peers come and go live, answers fit control/openapi.json, bad clients
cost nobody else anything.

     control.sock --- [ supervisor -- workers ] ==tunnel== client
"""

import json
import os
import socket
import stat
import time
from urllib.parse import quote

import pytest

from lib import wireguard
from lib.control import Control
from lib.tcp import Download
from lib.topology import TUNNEL4

pytestmark = pytest.mark.culvert_only
TOKEN = "correct-horse-battery-staple"


def control_of(server):
    return Control(server.folder / "control.sock")


def wait_until(condition, seconds=30):
    limit = time.monotonic() + seconds
    while time.monotonic() < limit and not condition():
        time.sleep(0.05)
    return condition()


def definition(peer, **more):
    return {"name": peer.name, "public_key": peer.key.public, "allowed_ips": list(peer.allowed_ips), **more}


def test_every_reading_route_answers_as_described(world, servers):
    peer = wireguard.make_peer(2)
    server = servers([peer], tail='[accounting]\ntime_zone = "UTC"')
    wireguard.Client(world, peer, server.public).wait_until_up()
    control = control_of(server)
    for target in ("/v1/status", "/v1/peers", f"/v1/peers/{peer.name}", "/v1/groups", "/v1/flows", "/v1/usage",
                   "/v1/usage?by=minute&since=1h", "/v1/openapi.json", "/metrics", "/healthz", "/readyz"):
        control.get(target)
    shown = control.get(f"/v1/peers/{quote(peer.key.public, safe='')}").json
    assert shown["name"] == peer.name and shown["connected"] and shown["source"] == "file"
    assert shown["latest_handshake"]
    assert wait_until(lambda: control.get(f"/v1/peers/{peer.name}").json["usage"]["up_bytes"] > 0)
    day = time.strftime("%Y-%m-%d", time.gmtime())
    assert control.get(f"/v1/usage?since={day}").json["since"].startswith(f"{day}T00:00:00")
    assert control.get("/v1/usage", headers={"Accept": "text/csv"}).text.startswith("key,start,up_bytes,")


def test_the_socket_is_the_owners_alone(servers):
    server = servers([])
    found = os.stat(server.folder / "control.sock")
    assert stat.S_ISSOCK(found.st_mode) and stat.S_IMODE(found.st_mode) == 0o600


@pytest.mark.seconds(90)
def test_a_peer_added_live_works_at_once_outlives_a_restart_and_goes_completely(world, servers):
    server = servers([])
    control = control_of(server)
    peer = wireguard.make_peer(3)
    made = control.post("/v1/peers", definition(peer), expect=201)
    assert made.headers["location"] == f"/v1/peers/{peer.name}"
    assert made.json["source"] == "database"
    client = wireguard.Client(world, peer, server.public).wait_until_up()
    control.post("/v1/peers", definition(peer), expect=409)

    server.terminate()
    server.start()
    client.wait_until_up(seconds=30)  # its session is lost with the server that had it
    changed = control.patch(f"/v1/peers/{peer.name}", {"down": "5mbit"}, expect=200,
                            headers={"Content-Type": "application/merge-patch+json"})
    assert changed.json["limits"]["down"] == 5_000_000

    control.delete(f"/v1/peers/{peer.name}", expect=204)
    assert client.ping(TUNNEL4, count=3, wait=1) == 0
    control.get(f"/v1/peers/{peer.name}", expect=404)
    assert control.get("/v1/peers").json["peers"] == []


def test_a_peer_of_the_file_is_the_files(servers):
    peer = wireguard.make_peer(2)
    server = servers([peer])
    control = control_of(server)
    control.delete(f"/v1/peers/{peer.name}", expect=409)
    control.patch(f"/v1/peers/{peer.name}", {"down": "1mbit"}, expect=409)
    assert len(control.get("/v1/peers").json["peers"]) == 1


def test_what_is_wrong_is_named_and_changes_nothing(servers):
    control = control_of(servers([]))
    peer = wireguard.make_peer(2)

    def fields(body, status=422):
        return [each["field"] for each in control.post("/v1/peers", body, expect=status).json["errors"]]

    assert fields({**definition(peer), "nmae": 1}) == ["nmae"]
    assert fields({**definition(peer), "allowed_ips": ["10.8.0"]})[0].startswith("allowed_ips")
    assert fields({**definition(peer), "down": "fast"}) == ["down"]
    assert fields({"name": "x"}) == ["public_key"]
    assert fields('{"name":"a","name":"b"}', 400) == ["name"]
    control.post("/v1/peers", "{", expect=400)
    control.post("/v1/peers", b'{"name":"\xff"}', expect=400)
    control.post("/v1/peers", "x" * (1 << 20) + "x", expect=413)
    control.post("/v1/peers", "{}", expect=415, headers={"Content-Type": "text/plain"})
    assert control.get("/v1/usage?by=colour", expect=400).json["errors"][0]["field"] == "by"
    assert control.get("/v1/peers").json["peers"] == []


@pytest.mark.seconds(60)
def test_idle_slow_and_oversized_requests_keep_nobody_out(world, servers):
    """At both doors, while a client downloads."""
    peer = wireguard.make_peer(2)
    server = servers([peer], server=f'http = "127.0.0.1:9586"\nhttp_token = "{TOKEN}"')
    client = wireguard.Client(world, peer, server.public).wait_until_up()
    control = control_of(server)
    download = Download(world, client)
    clients = []
    for i in range(100):
        each = socket.socket(socket.AF_UNIX)
        each.connect(str(server.folder / "control.sock"))
        clients += [each, world.server.tcp(("127.0.0.1", 9586))]
        if i % 2:
            for slow in clients[-2:]:
                slow.send(b"POST /v1/peers HTT")
    begin = time.monotonic()
    control.get("/v1/status")
    assert curl(world, "/v1/status", "-H", f"Authorization: Bearer {TOKEN}") == 200
    assert time.monotonic() - begin < 8  # idle ones are ended after 10 s
    for door in clients[-2:]:
        door.settimeout(60)
    for _ in range(20):
        control.post("/v1/peers", "x" * ((1 << 20) + 1), expect=413)
        control.post("/v1/peers", "[" * 1000, expect=400)
        control.get("/" + "x" * 9000, expect=414)
        control.get("/v1/status", headers={"X": "y" * 20000}, expect=431)
    for door in clients[-2:]:
        assert door.recv(4096).startswith(b"HTTP/1.1 408 ")
    download.end()
    assert download.error is None and download.longest < 4
    for each in clients:
        each.close()


def test_events_tell_of_a_peer_that_comes(servers):
    server = servers([])
    control = control_of(server)
    stream = socket.socket(socket.AF_UNIX)
    stream.settimeout(30)
    stream.connect(str(server.folder / "control.sock"))
    stream.send(b"GET /v1/events?types=peer_added HTTP/1.1\r\nHost: x\r\n\r\n")
    got = stream.recv(65536)
    assert b"text/event-stream" in got
    peer = wireguard.make_peer(4)
    control.post("/v1/peers", definition(peer), expect=201)
    while b"data: " not in got or not got.endswith(b"\n\n"):
        got += stream.recv(65536)
    event = json.loads(got.split(b"data: ")[1].split(b"\n")[0])
    control.validate(event, {"$ref": "#/components/schemas/Event"})
    assert event["type"] == "peer_added" and event["peer"] == peer.name
    stream.close()


def curl(world, path, *arguments):
    """The status of a request at the door that is a TCP port."""
    done = world.server.run("curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", *arguments,
                            f"http://127.0.0.1:9586{path}")
    return int(done.stdout)


def test_over_tcp_the_token_opens_the_api(world, servers):
    servers([], server=f'http = "127.0.0.1:9586"\nhttp_token = "{TOKEN}"')
    assert curl(world, "/metrics") == 200 and curl(world, "/healthz") == 200
    assert curl(world, "/v1/status") == 401
    assert curl(world, "/v1/status", "-H", f"Authorization: Bearer {TOKEN}") == 200
    assert curl(world, "/metrics", "-H", "Host: evil.example") == 421
    wrong = [curl(world, "/v1/status", "-H", "Authorization: Bearer wrong") for _ in range(12)]
    assert wrong[0] == 401 and wrong[-1] == 429
