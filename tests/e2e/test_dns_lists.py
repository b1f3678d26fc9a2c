"""Lists of names: fetched, judged, kept, compiled and explained, with an HTTP server beside the real one.

     feed (HTTP, a script) --- server
"""

import http.server
import json
import re
import threading
import time

import pytest

from lib import wireguard

pytestmark = pytest.mark.culvert_only


class Feed:
    """A list on the server's loopback; `status` and `text` are what it answers. It knows its ETag."""

    def __init__(self, world, text):
        self.text, self.status, self.requests = text, 200, []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                tag = f'"{hash(outer.text)}"'
                outer.requests.append(dict(self.headers))
                same = self.headers["If-None-Match"] == tag
                self.send_response(304 if same and outer.status == 200 else outer.status)
                self.send_header("ETag", tag)
                body = b"" if same else outer.text.encode()
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        with world.server.entered():
            self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}/list.txt"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        world.later(self.close)

    def close(self):
        self.server.shutdown()
        self.server.server_close()


def names(count):
    return "".join(f"n{i}.ads.example\n" for i in range(count))


def dns(url):
    return f'[dns]\nlists = ["ads"]\n[[dns.list]]\nname = "ads"\nurl = "{url}"\n'


def lists(server):
    return json.loads(server.command("dns", "lists", "--json").stdout)


def wait_in_force(server, rules, seconds=60):
    limit = time.monotonic() + seconds
    while time.monotonic() < limit:
        told = lists(server)
        if told["rules"] == rules and all(each["in_force"] for each in told["lists"]):
            return told
        time.sleep(0.1)
    raise AssertionError(f"{rules} rules are not in force: {told}\n{server.log()}")


def explain(server, *arguments):
    return json.loads(server.command("dns", "explain", *arguments, "--json").stdout)


def test_a_feed_is_fetched_explained_and_still_there_after_a_restart(world, servers):
    feed = Feed(world, "# a list\n" + names(20))
    server = servers([wireguard.make_peer(2, name="laptop")], top=dns(feed.url))
    wait_in_force(server, 20)
    told = explain(server, "n7.ads.example", "--peer", "laptop")
    assert (told["verdict"], told["reason"], told["list"]) == ("block", "list", "ads")
    assert told["lines"] == [{"list": "ads", "line": 9, "text": "n7.ads.example"}]
    assert explain(server, "good.example")["verdict"] == "pass"
    assert "ads:9: n7.ads.example" in server.command("dns", "explain", "n7.ads.example").stdout
    table = server.folder / "state/lists/rules.culvert"
    compiled = table.stat()
    server.terminate()
    server.start()
    assert lists(server)["rules"] == 20
    assert (table.stat().st_ino, table.stat().st_mtime_ns) == (compiled.st_ino, compiled.st_mtime_ns)
    assert len(feed.requests) == 1
    assert "unchanged" in server.command("dns", "update", "ads").stdout
    assert "If-None-Match" in feed.requests[-1]


def test_what_a_feed_breaks_is_refused_and_said(world, servers):
    feed = Feed(world, names(20))
    server = servers([wireguard.make_peer(2, name="laptop")], top=dns(feed.url))
    wait_in_force(server, 20)
    for status, text, error in [(200, names(5), "it shrank from 20 rules to 5"),
                                (200, "<!DOCTYPE html>\n<p>Sign in please!</p>\n", "this is no list"),
                                (404, "", "HTTP status 404")]:
        feed.status, feed.text = status, text
        failed = server.command("dns", "update", check=False)
        assert failed.returncode == 1 and error in failed.stdout, failed
        assert error in server.command("dns", "lists").stdout
        assert explain(server, "n19.ads.example")["verdict"] == "block"
    assert re.search(r'"list_failed"', server.command("events", "--json").stdout)
    feed.status, feed.text = 200, names(5)
    assert "updated, 5 rules" in server.command("dns", "update", "ads", "--force").stdout
    assert explain(server, "n19.ads.example")["verdict"] == "pass"
    unknown = server.command("dns", "update", "adds", check=False)
    assert unknown.returncode == 1 and "List not found" in unknown.stderr


def test_a_reload_takes_lists_in_and_out(world, servers):
    server = servers([wireguard.make_peer(2, name="laptop")])
    assert "there is no [[dns.list]]" in server.command("dns", "lists").stdout
    feed = Feed(world, names(20))
    without = server.config.read_text()
    server.config.write_text(dns(feed.url) + without)
    server.command("reload")
    wait_in_force(server, 20)
    assert explain(server, "n3.ads.example")["verdict"] == "block"
    server.config.write_text(without)
    server.command("reload")
    assert explain(server, "n3.ads.example")["verdict"] == "pass"


def test_what_a_list_is_refused_is_said_with_how_to_take_it(world, servers):
    text = ".zip\n.co.uk\n*.duckdns.org\nads.example\n"
    section = '[dns]\nlists = ["tlds"]\n[[dns.list]]\nname = "tlds"\npath = "tlds.txt"\n'
    server = servers([wireguard.make_peer(2, name="laptop")])
    (server.folder / "tlds.txt").write_text(text)
    without = server.config.read_text()
    server.config.write_text(section + without)
    server.command("reload")
    wait_in_force(server, 2)
    said = "tlds: 2 lines: public_suffix, the first is line 1; force = true takes them\n"
    assert said in server.command("dns", "lists").stdout
    assert explain(server, "x.duckdns.org")["verdict"] == "block"
    assert explain(server, "setup.zip")["verdict"] == "pass"
    server.config.write_text(section + "force = true\n" + without)
    server.command("reload")
    wait_in_force(server, 4)
    assert explain(server, "setup.zip")["verdict"] == "block"
    assert "public_suffix" not in server.command("dns", "lists").stdout
