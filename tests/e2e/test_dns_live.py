"""DNS of a server that goes on: what is changed while clients have flows, by a reload and by the API."""

import socket

import pytest

from lib import dns_setting, wireguard
from lib.dns_setting import rcode
from lib.dns_upstreams import RESOLVER
from lib.topology import ORIGIN4

pytestmark = [pytest.mark.culvert_only, pytest.mark.seconds(60)]


@pytest.fixture(scope="module")
def setting(world, module_servers):
    return dns_setting.make(world, module_servers)


def test_an_upstream_over_tls_may_come_while_flows_go_on(setting):
    """Workers that were started without certificates are handed them."""
    workers = setting.server.workers()
    listener = setting.world.origin.tcp_listener(ORIGIN4, 8080)
    flow = setting.world.client.tcp((ORIGIN4, 8080))
    origin, _ = listener.accept()
    setting.configure(upstream=f'["tls://{ORIGIN4}#{RESOLVER}"]',
                      dns=f'ca_file = "{setting.folder / "authority.pem"}"\nencrypted_only = true')
    for who in ("laptop", "phone"):
        assert setting.a(who, "www.example.org") == ["192.0.2.80"]
    flow.sendall(b"still here")
    assert origin.recv(10, socket.MSG_WAITALL) == b"still here"
    assert setting.server.workers() == workers
    # Without the authority the same server is nobody's.
    setting.configure(upstream=f'["tls://{ORIGIN4}#{RESOLVER}"]', dns="encrypted_only = true")
    assert rcode(setting.ask("laptop", "other.example.org")) == "SERVFAIL"
    assert setting.server.workers() == workers
    for each in (flow, origin, listener):
        each.close()


def test_a_start_with_an_upstream_over_tls_needs_no_worker_twice(setting):
    """What the first handshake needs is there before the sandbox is."""
    setting.configure(upstream=f'["tls://{ORIGIN4}#{RESOLVER}"]', dns=f'ca_file = "{setting.folder / "authority.pem"}"')
    setting.server.terminate()
    setting.server.start()
    workers = setting.server.workers()
    for who in ("laptop", "phone"):
        assert setting.a(who, "www.example.org", seconds=30) == ["192.0.2.80"]
    assert setting.server.workers() == workers


def test_a_peer_of_the_api_names_lists_that_are_there(setting):
    setting.configure(lists=[("ads", "ads.example.org\n", "")])
    definition = {"name": "tablet", "public_key": wireguard.Key().public, "allowed_ips": ["10.8.0.9/32"]}
    refused = {"dns_lists": ["adds"], "dns_upstream": ["10.8.0.1"], "dns_block": ["*.example.org"],
               "dns_schedule": [{"hours": "22:00-06:00", "lists": ["adds"]}]}
    for key, value in refused.items():
        told = setting.control.post("/v1/peers", {**definition, key: value}, expect=422)
        assert [each["field"].split("/")[0] for each in told.json["errors"]] == [key]
    setting.control.post("/v1/peers", {**definition, "dns_lists": ["ads"]}, expect=201)
    assert setting.explain("ads.example.org", "tablet")["verdict"] == "block"
    setting.control.patch("/v1/peers/tablet", {"dns_lists": ["adds"]}, expect=422)
    assert setting.explain("ads.example.org", "tablet")["verdict"] == "block"
    # One that names a list of the file does not connect when the list is gone: it would go unfiltered.
    assert 'names "ads"' in setting.configure()
    setting.configure(lists=[("ads", "ads.example.org\n", "")])
    assert setting.explain("ads.example.org", "tablet")["verdict"] == "block"
    setting.control.delete("/v1/peers/tablet", expect=204)


@pytest.mark.parametrize("name", ["https://ads.example.org/", "*.example.org", "192.0.2.1", "a..b"])
def test_only_a_name_can_be_explained(setting, name):
    told = setting.server.command("dns", "explain", name, check=False)
    assert told.returncode == 2 and "expected a domain name in ASCII" in told.stderr
