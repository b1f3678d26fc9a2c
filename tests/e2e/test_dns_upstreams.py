"""Whom culvert asks and what it makes of the answers: plain, DoT and DoH upstreams, routes, what happens when
they are gone, and what is written down. The hostile ones are in test_dns_hostile.py."""

import itertools
import json
import subprocess
import time

import dns.edns
import dns.flags
import dns.rdataclass
import dns.rdatatype
import pytest

from lib import dns_setting
from lib.dns_setting import NULL, codes, rcode, values
from lib.dns_upstreams import RESOLVER, Played, records
from lib.netns import end
from lib.server import unprivileged
from lib.topology import ORIGIN4, OTHER4, THIRD4

pytestmark = [pytest.mark.culvert_only, pytest.mark.seconds(60)]
PASSED = ["192.0.2.1"]
ports = itertools.count(5301)
NO_UPSTREAM = {22, 23}  # no reachable authority, network error


@pytest.fixture(scope="module")
def setting(world, module_servers):
    return dns_setting.make(world, module_servers)


@pytest.fixture
def play(world):
    """Starts upstreams that the test plays, and ends them with it."""
    started = []

    def start(answer, address=THIRD4):
        # A port of its own: an address that was silent in another test rests for some seconds.
        started.append(Played(world, address, answer, next(ports)))
        return started[-1]
    yield start
    for each in started:
        each.close()


def authority(setting):
    return f'ca_file = "{setting.folder / "authority.pem"}"\n'


# --- messages ---

def test_what_is_too_big_comes_over_tcp(setting):
    setting.configure()
    short = setting.ask("laptop", "big.example.net", "TXT")
    assert short.flags & dns.flags.TC and not short.answer
    whole = setting.ask("laptop", "big.example.net", "TXT", tcp=True)
    assert len(values(whole)) == 30 and not whole.flags & dns.flags.TC


def test_answers_that_are_negative_or_odd(setting):
    setting.configure()
    for _ in range(2):  # from the upstream, and from the cache
        missing = setting.ask("laptop", "missing.example.net")
        assert rcode(missing) == "NXDOMAIN" and missing.authority[0].rdtype == dns.rdatatype.SOA
        assert dns_setting.is_nodata(setting.ask("laptop", "nothing.example.org"))
        chain = setting.ask("laptop", "alias.example.org")
        assert [rrset.rdtype for rrset in chain.answer] == [dns.rdatatype.CNAME] * 2 + [dns.rdatatype.A]
    every = setting.ask("laptop", "www.example.org", "ANY")
    assert every.answer[0].rdtype == dns.rdatatype.HINFO  # RFC 8482
    told = setting.ask("laptop", "version.bind", "TXT", rdclass=dns.rdataclass.CH)
    assert told.answer[0][0].strings == (b"culvert",)
    assert rcode(setting.ask("laptop", "secret.bind", "TXT", rdclass=dns.rdataclass.CH)) == "REFUSED"


def test_the_case_of_a_question_is_the_clients_and_upstream_sees_another(setting, play):
    played = play(lambda query: records(query, "192.0.2.150"))
    setting.configure(upstream=f'["{played.at}"]')
    for name in ("wWw.ExAmPlE.oRg.", "WWW.example.ORG."):
        told = setting.ask("laptop", name)
        assert told.question[0].name.to_text() == name
        assert values(told) == ["192.0.2.150"]
    long = [f"a-name-of-many-letters-{number}.example.org." for number in range(4)]
    for name in long:
        setting.ask("laptop", name)
    asked = [name for name, _, _ in played.asked]
    assert len(asked) == 5
    setting.configure(upstream=f'["{OTHER4}"]')
    for _ in range(2):
        chain = setting.ask("laptop", "alias.example.org")
        assert chain.answer[0][0].target.to_text() == "step.example.org."
        assert [rrset.name.to_text() for rrset in chain.answer] == \
            ["alias.example.org.", "step.example.org.", "tracker.example.net."]
    assert any(name != name.lower() for name in asked[1:])


def test_what_a_client_says_of_itself_is_not_passed_on(setting, play):
    played = play(lambda query: records(query, "192.0.2.150"))
    setting.configure(upstream=f'["{played.at}"]')
    said = [dns.edns.ECSOption("198.18.2.0", 24), dns.edns.GenericOption(10, b"a cookie")]
    assert values(setting.ask("laptop", "said.example.org", want_dnssec=True, options=said)) == ["192.0.2.150"]
    asked, = played.queries
    assert not {10, 8} & {int(option.otype) for option in asked.options}
    assert asked.ednsflags & dns.flags.DO and asked.flags & dns.flags.RD


# --- whom to ask ---

def test_an_authoritative_server_will_do(setting):
    setting.configure(upstream=f'["{OTHER4}"]')
    assert setting.a("laptop", "www.example.org") == ["192.0.2.80"]
    assert setting.a("laptop", "alias.example.org") == ["192.0.2.67"]
    assert rcode(setting.ask("laptop", "missing.example.net")) == "NXDOMAIN"


def test_domains_have_routes_and_groups_upstreams_of_their_own(setting, play):
    played = play(lambda query: records(query, "10.1.1.1"))
    route = f'[[dns.route]]\ndomain = "corp.example.org"\nupstream = ["{played.at}"]\n'
    setting.configure(dns=route)
    assert setting.a("laptop", "wiki.corp.example.org") == ["10.1.1.1"]  # private: they said so
    assert setting.a("laptop", "corp.example.org") == ["10.1.1.1"]
    assert setting.a("laptop", "xcorp.example.org") == PASSED
    assert sorted(played.names()) == ["corp.example.org.", "wiki.corp.example.org."]
    played.asked.clear()
    setting.configure(phone=f'dns_upstream = ["{played.at}"]\ndns_rebinding_protection = false')
    for _ in range(2):
        assert setting.a("phone", "mine.example.org") == ["10.1.1.1"]
        assert setting.a("laptop", "mine.example.org") == PASSED
    assert played.names() == ["mine.example.org."]


def test_over_tls_by_name_or_pin(setting):
    for upstream in (f"tls://{ORIGIN4}#{RESOLVER}", f"tls://{ORIGIN4}#sha256/{setting.certificate.pin}"):
        before = setting.counts()
        more = "" if "sha256" in upstream else authority(setting)
        setting.configure(upstream=f'["{upstream}"]', dns=more + "encrypted_only = true")
        assert setting.a("laptop", "www.example.org") == ["192.0.2.80"]
        assert len(setting.a("laptop", "big.example.net", "TXT", tcp=True)) == 30
        assert setting.counts()["forwarded"] == before["forwarded"] + 2


def test_over_https(setting):
    setting.configure(upstream=f'["https://{RESOLVER}/dns-query#{ORIGIN4}"]', dns=authority(setting))
    assert setting.a("laptop", "www.example.org") == ["192.0.2.80"]
    assert len(setting.a("laptop", "big.example.net", "TXT", tcp=True)) == 30
    assert rcode(setting.ask("laptop", "missing.example.net")) == "NXDOMAIN"


@pytest.mark.parametrize("scheme", ["tls", "https"])
def test_the_name_of_an_upstream_is_asked_of_bootstrap(setting, scheme):
    setting.configure(upstream=f'["{scheme}://{RESOLVER}"]', dns=authority(setting) + f'bootstrap = ["{OTHER4}"]')
    assert setting.a("laptop", "www.example.org") == ["192.0.2.80"]


WRONG_PIN = "A" * 43 + "="
WRONG = [f"tls://{ORIGIN4}#wrong.example.org", f"tls://{ORIGIN4}#sha256/{WRONG_PIN}",
         f"https://wrong.example.org/dns-query#{ORIGIN4}"]


@pytest.mark.parametrize("upstream", WRONG)
def test_an_upstream_that_is_not_who_it_should_be_fails_closed(setting, play, upstream):
    played = play(lambda query: records(query, "192.0.2.150"))
    setting.configure(upstream=f'["{upstream}"]', dns=authority(setting) + "encrypted_only = true")
    told = setting.ask("laptop", "www.example.org")
    assert rcode(told) == "SERVFAIL" and set(codes(told)) & NO_UPSTREAM, told.to_text()
    assert not played.asked


def test_an_authority_nobody_knows_fails_closed(setting):
    setting.configure(upstream=f'["tls://{ORIGIN4}#{RESOLVER}"]')
    told = setting.ask("laptop", "www.example.org")
    assert rcode(told) == "SERVFAIL" and set(codes(told)) & NO_UPSTREAM, told.to_text()


def test_nothing_leaves_in_the_clear_where_encryption_is_demanded(setting, play):
    """Neither by what a list says, nor by a fallback, a route or the upstream of a peer."""
    played = play(lambda query: records(query, "192.0.2.150"))
    more = authority(setting) + "encrypted_only = true\n"
    tls = f'["tls://{ORIGIN4}#{RESOLVER}"]'
    lists = [("masq", f"server=/lan.example.org/{THIRD4}#{played.port}\n", 'format = "dnsmasq"')]
    setting.configure(upstream=tls, dns=more, lists=lists, laptop='dns_lists = ["masq"]')
    told = setting.ask("laptop", "a.lan.example.org")
    assert rcode(told) == "SERVFAIL", told.to_text()
    assert setting.a("laptop", "www.example.org") == ["192.0.2.80"]
    route = f'[[dns.route]]\ndomain = "corp.example.org"\nupstream = ["{played.at}"]\n'
    for wrong in ({"phone": f'dns_upstream = ["{played.at}"]'}, {"dns": more + route},
                  {"dns": more + f'fallback = ["{played.at}"]'}):
        with pytest.raises(AssertionError, match="is not encrypted"):
            setting.configure(upstream=tls, **{"dns": more, **wrong})
    assert setting.a("phone", "mine.example.org") == PASSED
    assert not played.asked


# --- when they are gone ---

def test_the_last_good_answer_when_no_upstream_answers(setting, play):
    played = play(lambda query: records(query, "192.0.2.150", ttl=1))
    setting.configure(upstream=f'["{played.at}"]', dns="[dns.cache]\nstale_after_ms = 300",
                      phone='dns_block = ["blocked.example.org"]')
    names = ("kept.example.org", "blocked.example.org")
    for name in names:
        assert setting.a("laptop", name) == ["192.0.2.150"]
    played.close()
    time.sleep(1.1)  # its TTL
    told = setting.ask("laptop", names[0])
    assert values(told) == ["192.0.2.150"] and codes(told) == [3], told.to_text()
    assert told.answer[0].ttl == 30
    assert setting.a("phone", names[1]) == NULL
    fresh = setting.ask("laptop", "fresh.example.org", seconds=30)
    assert rcode(fresh) == "SERVFAIL" and set(codes(fresh)) & NO_UPSTREAM
    assert setting.counts()["stale"] >= 1


def test_a_fallback_is_asked_when_all_others_fail(setting):
    setting.configure(upstream=f'["{THIRD4}"]', dns=f'fallback = ["{ORIGIN4}"]')
    assert setting.a("laptop", "www.example.org", seconds=30) == ["192.0.2.80"]
    told = {each["name"]: each for each in setting.json("stats")["upstreams"]}
    assert any(ORIGIN4 in name and each["answered"] for name, each in told.items())


def test_upstreams_come_back(setting):
    setting.configure(upstream=f'["tls://{ORIGIN4}#{RESOLVER}"]', dns=authority(setting))
    assert setting.a("laptop", "www.example.org") == ["192.0.2.80"]
    setting.unbound.stop()
    try:
        assert rcode(setting.ask("laptop", "x1.example.org", seconds=30)) == "SERVFAIL"
    finally:
        setting.unbound.start()
    number = iter(range(2, 1000))
    setting.wait_for(lambda: setting.a("laptop", f"x{next(number)}.example.org", seconds=30) == PASSED)


def test_who_asks_too_much_is_refused_and_nobody_else(setting):
    setting.configure(dns="[dns.limits]\nforwarded_per_second = 1\nforwarded_burst = 3")
    told = [setting.ask("phone", f"n{number}.example.org") for number in range(12)]
    refused = [each for each in told if rcode(each) == "REFUSED"]
    assert refused and all(codes(each) == [18] for each in refused)
    assert [values(each) for each in told[:2]] == [PASSED] * 2
    assert setting.a("phone", "n0.example.org") == PASSED  # from the cache
    assert setting.a("phone", "laptop.culvert.internal") == ["10.8.0.2"]
    assert setting.a("laptop", "n50.example.org") == PASSED
    setting.configure()
    assert setting.a("phone", "n99.example.org") == PASSED


# --- the cache, and what is written down ---

def test_an_answer_is_asked_for_once_until_it_is_flushed(setting, play):
    played = play(lambda query: records(query, "192.0.2.150"))
    setting.configure(upstream=f'["{played.at}"]')
    for _ in range(3):
        assert setting.a("laptop", "once.example.org") == ["192.0.2.150"]
    assert played.names() == ["once.example.org."]
    setting.server.command("dns", "flush")
    assert setting.a("laptop", "once.example.org") == ["192.0.2.150"]
    assert played.names() == ["once.example.org."] * 2


def log_lines(setting):
    path = setting.server.folder / "state" / "queries.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def all_names(setting):
    """Wherever a name could be written."""
    stats = setting.json("stats")
    return {each["name"].rstrip(".") for each in
            log_lines(setting) + setting.json("log")["queries"] + stats["top_names"] + stats["top_blocked"]}


def test_what_is_written_down_is_the_policys(setting):
    log = '[dns.query_log]\npath = "state/queries.jsonl"\n'
    seen = {}
    for privacy in ("off", "counts", "blocked", "full"):
        said = f'dns_block = ["{privacy}.blocked.example.org"]\ndns_log = "{privacy}"'
        setting.configure(phone=said, dns=log)
        for name in (f"{privacy}.example.org", f"{privacy}.blocked.example.org"):
            setting.ask("phone", name)
    seen = setting.wait_for(lambda: (names := all_names(setting)) and
                            {"full.example.org", "full.blocked.example.org"} <= {
                                each["name"].rstrip(".") for each in log_lines(setting)} and names)
    assert seen == {"full.example.org", "full.blocked.example.org", "blocked.blocked.example.org"}
    asked, blocked = [next(each for each in log_lines(setting) if each["name"].rstrip(".") == name)
                      for name in ("full.example.org", "full.blocked.example.org")]
    assert (asked["peer"], asked["type"], asked["how"], asked["rcode"], asked["address"]) == \
        ("phone", "A", "forwarded", "NOERROR", PASSED[0])
    assert ORIGIN4 in asked["upstream"]
    assert (blocked["how"], blocked["reason"]) == ("blocked", "peer_block")
    text = setting.server.command("dns", "log", "--blocked").stdout
    assert "full.blocked.example.org" in text and "full.example.org" not in text
    assert "full.example.org" in setting.server.command("dns", "stats").stdout


def test_the_log_is_followed(setting):
    setting.configure(phone='dns_log = "full"')
    follower = setting.world.server.start(*unprivileged(), str(setting.server.binary), "dns", "log", "-f", "--name",
                                          "follow", cwd=setting.server.folder, stdout=subprocess.PIPE, text=True)
    try:
        for number in range(2):
            setting.ask("phone", f"follow{number}.example.org")
            assert f"phone follow{number}.example.org" in follower.stdout.readline()
    finally:
        end(follower)
        follower.stdout.close()


def test_the_log_names_the_right_list_when_another_is_missing(setting):
    """Lists have numbers in the table and in the configuration."""
    log = 'log = "full"\n[dns.query_log]\npath = "state/queries.jsonl"\n'
    first = '[[dns.list]]\nname = "never"\nurl = "http://127.0.0.1:9/list"\n'
    second = f'[[dns.list]]\nname = "second"\npath = "{setting.write("second", "ads.example.org")}"\n'
    setting.configure(dns=log + first + second, phone='dns_lists = ["never", "second"]')
    setting.wait_for(lambda: setting.a("phone", "ads.example.org") == NULL)
    entry = setting.wait_for(lambda: [each for each in log_lines(setting) if each["how"] == "blocked" and
                                      each["name"].startswith("ads.example.org")])[0]
    assert entry["list"] == "second" and entry["reason"] == "list"
    assert setting.explain("ads.example.org")["list"] == "second"


def flows(setting):
    path = setting.server.folder / "state" / "flows.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def test_flows_have_the_name_that_was_asked_for_where_all_is_logged(setting, play):
    played = play(lambda query: records(query, THIRD4))
    listener = setting.world.origin.tcp_listener(THIRD4, 8080)
    setting.configure(top='[accounting.flow_log]\npath = "state/flows.jsonl"\n', upstream=f'["{played.at}"]',
                      phone='dns_log = "full"')
    for who in ("phone", "laptop"):
        assert setting.a(who, "shop.example.org") == [THIRD4]
        with setting.spaces[who].tcp((THIRD4, 8080)) as made:
            made.sendall(b"hello")
            there, _ = listener.accept()
            there.recv(10)
            there.close()
    listener.close()

    def found():
        seen = {each["peer"]: each["domain"] for each in flows(setting) if each["origin_port"] == 8080}
        return seen if len(seen) == 2 else None
    assert setting.wait_for(found) == {"phone": "shop.example.org", "laptop": None}
