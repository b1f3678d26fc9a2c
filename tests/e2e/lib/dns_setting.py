"""Two clients of one server, `phone` whose policy a test sets and `laptop` that is not filtered, with
unbound before nsd as their upstream."""

import contextlib
import json
import os
import time

import dns.edns
import dns.exception
import dns.message
import dns.query
import dns.rcode
import dns.rdatatype
import pytest

from . import dns_upstreams, wireguard
from .control import Control
from .netns import maps_one_account
from .server import NOBODY, NOGROUP, config_text
from .topology import ORIGIN4, OTHER4, TUNNEL4

NULL = ["0.0.0.0"]
ANY_RESOLVER = "8.8.8.8"
# What a client may meet where a known resolver is: somebody who takes connections.
RESOLVERS_ABROAD = ("8.8.8.8", "9.9.9.9")


class Setting:
    def __init__(self, world, module_servers):
        self.world = world
        self._upstreams()
        self.folder = module_servers.folder()
        self.write("authority.pem", self.certificate.authority)
        self.phone = wireguard.make_peer(3, name="phone")
        self.laptop = wireguard.make_peer(2, name="laptop")
        self.peers = [self.laptop, self.phone]
        self.server = module_servers(self.peers, settings=["server.workers=2"], tail=self.tail(""))
        self.control = Control(self.server.folder / "control.sock")
        wireguard.Client(world, self.laptop, self.server.public).wait_until_up()
        wireguard.Client(world, self.phone, self.server.public, namespace=world.second).wait_until_up()
        self.spaces = {"laptop": world.client, "phone": world.second}

    def _upstreams(self):
        world = self.world
        world.origin.ip(*(f"addr add {address}/32 dev lo" for address in RESOLVERS_ABROAD))
        world.hop.ip(*(f"route add {address}/32 via {ORIGIN4}" for address in RESOLVERS_ABROAD))
        self.certificate = dns_upstreams.Certificate(dns_upstreams.RESOLVER, ORIGIN4)
        self.nsd = dns_upstreams.nsd(world, OTHER4)
        self.unbound = dns_upstreams.unbound(world, ORIGIN4, OTHER4, self.certificate)

    def write(self, name, text):
        """A file that the server may read; its path."""
        path = self.folder / name
        path.write_text(text)
        if not maps_one_account():
            os.chown(path, NOBODY, NOGROUP)
        return str(path)

    def tail(self, dns, upstream=f'["{ORIGIN4}"]'):
        return f"[dns]\nupstream = {upstream}\n{dns}\n"

    def configure(self, phone="", laptop="", dns="", lists=(), upstream=f'["{ORIGIN4}"]', top=""):
        """Takes the configuration over and waits until its lists are in force. `lists`: (name, text,
        further lines); `phone` and `laptop`: lines of the peers; `dns`: of [dns] and behind it."""
        self.phone.extra, self.laptop.extra = phone, laptop
        sections = ""
        for name, text, more in lists:
            sections += f'[[dns.list]]\nname = "{name}"\npath = "{self.write(name, text)}"\n{more}\n'
        text = config_text(self.server.key, self.peers, top=top, tail=self.tail(dns, upstream) + sections)
        from test_reload import reload
        said = reload(self.server, text)
        assert "not reloaded" not in said, said
        if lists:
            self.wait_for(lambda: all(each["in_force"] and not each["updating"] for each in self.lists()))
        return said

    def lists(self):
        return self.json("lists")["lists"]

    def wait_for(self, holds, seconds=60):
        limit = time.monotonic() + seconds
        while time.monotonic() < limit:
            if got := holds():
                return got
            time.sleep(0.1)
        raise AssertionError(f"still not so: {holds()}")

    def json(self, *command):
        return json.loads(self.server.command("dns", *command, "--json").stdout)

    def ask(self, who, name, kind="A", tcp=False, server=ANY_RESOLVER, edns=True, seconds=30, **options):
        """What client `who` is answered; UDP is asked again while nothing comes, as clients do."""
        query = dns.message.make_query(name, kind, use_edns=0 if edns else False, payload=1232, **options)
        limit = time.monotonic() + seconds
        with self.spaces[who].entered():
            if tcp:
                return dns.query.tcp(query, server, timeout=seconds)
            while True:
                with contextlib.suppress(dns.exception.Timeout):
                    return dns.query.udp(query, server, timeout=min(4, seconds))
                if time.monotonic() > limit:
                    raise AssertionError(f"{who} is not answered for {name} {kind}")

    def a(self, who, name, kind="A", **options):
        return values(self.ask(who, name, kind, **options))

    def silent(self, who, name, seconds=1):
        query = dns.message.make_query(name, "A")
        with self.spaces[who].entered():
            try:
                dns.query.udp(query, ANY_RESOLVER, timeout=seconds)
            except dns.exception.Timeout:
                return True
        return False

    def explain(self, name, who="phone", kind="A"):
        return self.json("explain", name, "--peer", who, "--type", kind)

    def counts(self):
        return self.json("stats")["counts"]


def values(response, kind=None):
    """The records of the type asked for, as text."""
    wanted = dns.rdatatype.from_text(kind) if kind else response.question[0].rdtype
    return [item.to_text() for rrset in response.answer for item in rrset if rrset.rdtype == wanted]


def errors(response):
    """Extended DNS Errors: [(code, text)]."""
    return [(option.code, option.text or "") for option in response.options
            if isinstance(option, dns.edns.EDEOption)]


def codes(response):
    return [int(code) for code, _ in errors(response)]


def rcode(response):
    return dns.rcode.to_text(response.rcode())


def is_nodata(response):
    return rcode(response) == "NOERROR" and not response.answer and \
        any(each.rdtype == dns.rdatatype.SOA for each in response.authority)


def make(world, module_servers):
    if wireguard.missing("wireguard-go"):
        pytest.skip(wireguard.missing("wireguard-go"))
    return Setting(world, module_servers)


__all__ = ["NULL", "TUNNEL4", "Setting", "codes", "errors", "is_nodata", "make", "rcode", "values"]
