"""What a user of the filter sees: lists of every format, policies of two clients, names of its own and ways
around. Upstream is unbound before nsd (lib/dns_upstreams.py has the names).

     phone (its policy is the test's)  ==tunnel== \\
                                                    server --- hop --- origin (unbound, nsd)
     laptop (not filtered)             ==tunnel== /
"""

import socket

import dns.flags
import dns.reversename
import pytest

from lib import dns_setting
from lib.dns_setting import NULL, TUNNEL4, codes, errors, is_nodata, rcode, values
from lib.dns_upstreams import Played, records, refusal
from lib.topology import THIRD4

pytestmark = [pytest.mark.culvert_only, pytest.mark.seconds(60)]
PASSED = ["192.0.2.1"]  # what the zone has for every name below example.org


@pytest.fixture(scope="module")
def setting(world, module_servers):
    return dns_setting.make(world, module_servers)


# --- lists ---

FORMATS = {
    "hosts": ("# a comment\n0.0.0.0 ads.example.org more.example.org # and why\n127.0.0.1 localhost\n:: six.example.org\n",
              'format = "hosts"', ["ads", "more", "six"], ["a.ads", "www"]),
    "domains-exact": ("ads.example.org\n*.tree.example.org\n.dot.example.org\n", 'format = "domains"',
                      ["ads", "tree", "a.tree", "b.a.tree", "dot", "a.dot"], ["a.ads", "atree"]),
    "domains-suffix": ("ads.example.org\n", 'format = "domains"\nmatch = "suffix"', ["ads", "a.b.ads"], ["xads"]),
    "adblock": ("[Adblock Plus]\n! comment\n||ads.example.org^\n@@||good.ads.example.org^\n/^re[0-9]+\\.example\\.org$/\n"
                "||deny.example.org^$denyallow=ok.deny.example.org\n||im.example.org^$important\n@@||im.example.org^\n"
                "||off.example.org^\n||off.example.org^$badfilter\n||odd.example.org^$third-party\n"
                "||mine.example.org^$client=phone\n||others.example.org^$client=laptop\n"
                "||tagged.example.org^$ctag=device_phone\n||untagged.example.org^$ctag=device_tv\n",
                'format = "adblock"',
                ["ads", "x.ads", "re17", "deny", "no.deny", "im", "mine", "tagged"],
                ["good.ads", "re", "ok.deny", "off", "odd", "others", "untagged"]),
    "dnsmasq": ("# comment\naddress=/ads.example.org/0.0.0.0\naddress=/hash.example.org/#\n", 'format = "dnsmasq"',
                ["ads", "x.ads", "hash"], ["xads"]),
    "regex": ("# comment\n^ads[0-9]+\\.example\\.org$\n(^|\\.)track(er)?\\.example\\.org$\n", 'format = "regex"',
              ["ads1", "track", "x.tracker"], ["ads", "xtrack"]),
    "auto": ("||auto.example.org^\n||more.example.org^\n", "", ["auto", "more"], ["www"]),
}


@pytest.mark.parametrize("form", FORMATS)
def test_a_list_blocks_what_it_says_and_no_more(setting, form):
    text, more, blocked, passed = FORMATS[form]
    setting.configure(phone=f'dns_lists = ["{form}"]\ndns_tags = ["device_phone"]\n', lists=[(form, text, more)])
    for name in blocked:
        answer = setting.ask("phone", f"{name}.example.org")
        assert values(answer) == NULL, (name, answer.to_text())
        assert codes(answer) == [15] and form in errors(answer)[0][1]
        assert setting.explain(f"{name}.example.org")["verdict"] == "block"
        assert setting.a("laptop", f"{name}.example.org") != NULL
    for name in passed:
        answer = setting.ask("phone", f"{name}.example.org")
        assert values(answer) != NULL and not codes(answer), (name, answer.to_text())


def test_adblock_rules_rewrite_and_ask_for_types(setting):
    text = ("||to.example.org^$dnsrewrite=192.0.2.44\n||cname.example.org^$dnsrewrite=site.example.net\n"
            "||nx.example.org^$dnsrewrite=NXDOMAIN\n||six.example.org^$dnstype=AAAA\n"
            "||fail.example.org^$dnsrewrite=SERVFAIL\n")
    setting.configure(phone='dns_lists = ["rewriting"]', lists=[("rewriting", text, 'format = "adblock"')])
    told = setting.ask("phone", "to.example.org")
    assert values(told) == ["192.0.2.44"] and codes(told) == [4]
    told = setting.ask("phone", "cname.example.org")
    assert values(told) == ["192.0.2.68"] and values(told, "CNAME") == ["site.example.net."]
    assert rcode(setting.ask("phone", "nx.example.org")) == "NXDOMAIN"
    assert rcode(setting.ask("phone", "fail.example.org")) == "SERVFAIL"
    assert setting.a("phone", "six.example.org", "AAAA") == ["::"]
    assert setting.a("phone", "six.example.org") == PASSED


def test_dnsmasq_lines_answer_and_forward(setting):
    played = Played(setting.world, THIRD4, lambda query: records(query, "192.0.2.150"))
    text = f"address=/x.example.org/192.0.2.55\nlocal=/lan.example.org/\nserver=/corp.example.org/{THIRD4}\n"
    setting.configure(phone='dns_lists = ["masq"]', lists=[("masq", text, 'format = "dnsmasq"')])
    assert setting.a("phone", "x.example.org") == ["192.0.2.55"]
    assert is_nodata(setting.ask("phone", "x.example.org", "AAAA"))
    assert rcode(setting.ask("phone", "printer.lan.example.org")) == "NXDOMAIN"
    assert setting.a("phone", "a.corp.example.org") == ["192.0.2.150"]
    assert setting.a("laptop", "a.corp.example.org") == PASSED
    assert played.names() == ["a.corp.example.org."]
    played.close()


RPZ = """\
$TTL 60
@ SOA localhost. root.localhost. 1 3600 600 86400 60
@ NS localhost.
nx.example.org CNAME .
*.nx.example.org CNAME .
nodata.example.org CNAME *.
drop.example.org CNAME rpz-drop.
tcp.example.org CNAME rpz-tcp-only.
*.tree.example.org CNAME .
pass.tree.example.org CNAME rpz-passthru.
own.example.org A 192.0.2.77
32.99.2.0.192.rpz-ip CNAME .
32.67.2.0.192.rpz-ip CNAME rpz-tcp-only.
32.68.2.0.192.rpz-ip A 192.0.2.78
48.zz.bad.db8.2001.rpz-ip CNAME *.
32.2.0.8.10.rpz-client-ip CNAME rpz-passthru.
a.example.org.rpz-nsdname CNAME .
"""


def test_a_response_policy_zone(setting):
    setting.configure(phone='dns_lists = ["rpz"]', lists=[("rpz", RPZ, 'format = "rpz"')])
    assert rcode(setting.ask("phone", "nx.example.org")) == "NXDOMAIN"
    assert rcode(setting.ask("phone", "a.b.nx.example.org")) == "NXDOMAIN"
    assert is_nodata(setting.ask("phone", "nodata.example.org"))
    assert setting.silent("phone", "drop.example.org")
    short = setting.ask("phone", "tcp.example.org")
    assert short.flags & dns.flags.TC and not short.answer
    assert setting.a("phone", "tcp.example.org", tcp=True) == PASSED
    assert rcode(setting.ask("phone", "x.tree.example.org")) == "NXDOMAIN"
    assert setting.a("phone", "pass.tree.example.org") == PASSED
    assert setting.a("phone", "own.example.org") == ["192.0.2.77"]
    for _ in range(2):  # the second time from the cache
        assert rcode(setting.ask("phone", "bad.example.org")) == "NXDOMAIN"
        assert is_nodata(setting.ask("phone", "bad.example.org", "AAAA"))
        assert setting.ask("phone", "alias.example.org").flags & dns.flags.TC
        assert setting.a("phone", "alias.example.org", tcp=True) == ["192.0.2.67"]
        told = setting.ask("phone", "site.example.net")
        assert values(told) == ["192.0.2.78"] and codes(told) == [4]
    assert "rpz-nsdname and rpz-nsip" in setting.server.command("dns", "lists").stdout
    setting.configure(laptop='dns_lists = ["rpz"]', lists=[("rpz", RPZ, 'format = "rpz"')])  # 10.8.0.2
    assert setting.a("laptop", "bad.example.org") == ["192.0.2.99"]
    assert setting.a("laptop", "nodata.example.org") == PASSED
    feed = 'format = "rpz"\ntrusted = false'
    setting.configure(laptop='dns_lists = ["rpz"]', lists=[("rpz", RPZ, feed)])
    assert rcode(setting.ask("laptop", "bad.example.org")) == "NXDOMAIN"


def test_no_answer_may_hold_a_listed_address(setting):
    setting.configure(phone='dns_lists = ["addresses"]',
                      lists=[("addresses", "192.0.2.99\n2001:db8:bad::/48\n", 'format = "addresses"')])
    assert setting.a("laptop", "bad.example.org") == ["192.0.2.99"]
    for _ in range(2):
        told = setting.ask("phone", "bad.example.org")
        assert values(told) == NULL and codes(told) == [15] and "addresses" in errors(told)[0][1]
    assert setting.a("phone", "bad.example.org", "AAAA") == ["::"]
    assert is_nodata(setting.ask("phone", "hint.example.org", "HTTPS"))
    assert setting.a("phone", "www.example.org") == ["192.0.2.80"]


def test_allowing_lists_and_names_take_back_what_lists_block(setting):
    lists = [("block", "||example.org^\n", 'format = "adblock"'), ("good", "good.example.org\n", 'kind = "allow"'),
             ("hard", "||hard.example.org^$important\n", 'format = "adblock"')]
    setting.configure(phone='dns_lists = ["block", "good", "hard"]\ndns_allow = ["mine.example.org", "=one.example.org"]\n'
                            'dns_block = ["not.mine.example.org", "site.example.net"]', lists=lists)
    expected = {"good": PASSED, "other": NULL, "x.mine": PASSED, "mine": PASSED, "one": PASSED, "x.one": NULL, "hard": NULL}
    for name, told in expected.items():
        got = setting.a("phone", f"{name}.example.org")
        assert got == told, (name, got)
    told = setting.ask("phone", "site.example.net")
    assert values(told) == NULL and codes(told) == [17]
    # "They win over lists, and allow over block".
    assert setting.a("phone", "not.mine.example.org") == PASSED
    assert setting.explain("x.mine.example.org")["reason"] == "peer_allow"


def test_a_list_that_is_not_trusted_may_block_and_nothing_else(setting):
    text = ("||ads.example.org^\n||bank.example.org^$dnsrewrite=192.0.2.66\n@@||kept.example.org^\n||kept.example.org^\n"
            "@@||theirs.example.org^\n")
    lists = [("feed", text, 'format = "adblock"\ntrusted = false'), ("own", "theirs.example.org\n", 'format = "domains"')]
    setting.configure(phone='dns_lists = ["feed", "own"]', lists=lists)
    assert setting.a("phone", "ads.example.org") == NULL
    assert setting.a("phone", "bank.example.org") == PASSED
    assert setting.a("phone", "kept.example.org") == PASSED
    assert setting.a("phone", "theirs.example.org") == NULL
    assert any(each["faults"] for each in setting.lists() if each["name"] == "feed")


def test_lines_that_are_not_understood_are_told_with_their_place(setting):
    text = "||ads.example.org^\n||odd.example.org^$third-party\n||b^^^bad\n"
    setting.configure(phone='dns_lists = ["faulty"]', lists=[("faulty", text, 'format = "adblock"')])
    table = setting.server.command("dns", "lists").stdout
    assert "faulty" in table and "line 2" in table, table


# --- policies ---

def test_two_clients_are_told_different_things_of_one_cached_answer(setting):
    setting.configure(phone='dns_lists = ["twice"]', lists=[("twice", "tracker.example.net\nshared.example.org\n", "")])
    name = "alias.example.org"
    assert setting.a("laptop", name) == ["192.0.2.67"]
    before = setting.counts()
    told = setting.ask("phone", name)
    assert values(told) == NULL and codes(told) == [15] and "leads to" in errors(told)[0][1]
    assert not values(told, "CNAME")
    assert setting.a("laptop", name) == ["192.0.2.67"]
    after = setting.counts()
    assert after["blocked_by_answer"] == before["blocked_by_answer"] + 1
    assert setting.a("phone", "shared.example.org") == NULL
    assert setting.a("laptop", "shared.example.org") == PASSED


def test_rules_that_come_later_hold_for_what_is_cached(setting):
    name = "alias.example.org"
    setting.configure()
    assert setting.a("phone", name) == ["192.0.2.67"]
    lists = [("later", "tracker.example.net\n", "")]
    before = setting.counts()["forwarded"]
    setting.configure(phone='dns_lists = ["later"]', lists=lists)
    assert setting.a("phone", name) == NULL
    setting.configure(phone=f'dns_lists = ["later"]\ndns_allow = ["{name}"]', lists=lists)
    assert setting.a("phone", name) == ["192.0.2.67"]  # an exception holds for the whole chain
    exception = [("exception", f"@@||{name}^\n", 'format = "adblock"')]
    setting.configure(phone='dns_lists = ["later", "exception"]', lists=lists + exception)
    assert setting.a("phone", name) == ["192.0.2.67"]
    setting.configure(phone='dns_lists = ["later"]', lists=lists)
    assert setting.a("phone", name) == NULL
    setting.configure()
    assert setting.a("phone", name) == ["192.0.2.67"]
    assert setting.counts()["forwarded"] == before


def test_a_list_whose_file_changed_is_taken_over_by_update(setting):
    setting.configure(phone='dns_lists = ["edited"]', lists=[("edited", "one.example.org\n", "")])
    assert setting.a("phone", "one.example.org") == NULL
    setting.write("edited", "two.example.org\n")
    assert "updated, 1 rules" in setting.server.command("dns", "update", "edited").stdout
    assert setting.a("phone", "one.example.org") == PASSED
    assert setting.a("phone", "two.example.org") == NULL
    assert setting.explain("two.example.org")["lines"] == [{"list": "edited", "line": 1, "text": "two.example.org"}]


def test_a_list_whose_file_is_gone_stays_as_it_was(setting):
    setting.configure(phone='dns_lists = ["gone"]', lists=[("gone", "ads.example.org\n", "")])
    (setting.folder / "gone").unlink()
    failed = setting.server.command("dns", "update", "gone", check=False)
    assert failed.returncode == 1 and "No such file" in failed.stdout
    assert "in force, not renewed" in setting.server.command("dns", "lists").stdout
    assert setting.a("phone", "ads.example.org") == NULL


def test_a_rewrite_that_leads_in_a_circle_ends(setting):
    text = ("||one.example.org^$dnsrewrite=two.example.org\n||two.example.org^$dnsrewrite=one.example.org\n"
            "||self.example.org^$dnsrewrite=self.example.org\n||mx.example.org^$dnsrewrite=NOERROR;MX;5 m.example.net\n")
    setting.configure(phone='dns_lists = ["circle"]', lists=[("circle", text, 'format = "adblock"')])
    told = setting.ask("phone", "one.example.org")
    assert values(told, "CNAME") == ["two.example.org."] and values(told) == PASSED
    assert setting.a("phone", "self.example.org") == PASSED
    assert setting.a("phone", "mx.example.org", "MX") == ["5 m.example.net."]
    assert is_nodata(setting.ask("phone", "mx.example.org"))


def test_a_peer_overrides_its_group_and_a_group_the_rest(setting):
    lists = [("one", "one.example.org\n", ""), ("two", "two.example.org\n", ""), ("rest", "rest.example.org\n", "")]
    setting.configure(top='[group.kids]\ndns_lists = ["one"]\ndns_answer = "nxdomain"\n', phone='group = "kids"',
                      dns='lists = ["rest"]', lists=lists)
    assert rcode(setting.ask("phone", "one.example.org")) == "NXDOMAIN"
    assert setting.a("phone", "rest.example.org") == PASSED
    assert setting.a("laptop", "rest.example.org") == NULL
    setting.configure(top='[group.kids]\ndns_lists = ["one"]\ndns_answer = "nxdomain"\n',
                      phone='group = "kids"\ndns_lists = ["two"]', dns='lists = ["rest"]', lists=lists)
    assert setting.a("phone", "one.example.org") == PASSED
    assert rcode(setting.ask("phone", "two.example.org")) == "NXDOMAIN"


# --- names of its own, and ways around ---

RECORDS = """
[[dns.record]]
name = "nas.example.org"
type = "A"
value = "10.9.0.7"
[[dns.record]]
name = "*.apps.example.org"
type = "CNAME"
value = "site.example.net"
[[dns.record]]
name = "nas.example.org"
type = "TXT"
value = "\\"hello world\\""
"""


def test_records_and_names_of_its_own(setting):
    setting.configure(phone='dns_block = ["example.org"]', dns=RECORDS)
    assert setting.a("phone", "NAS.example.org") == ["10.9.0.7"]
    assert setting.a("phone", "nas.example.org", "TXT") == ['"hello world"']
    assert is_nodata(setting.ask("phone", "nas.example.org", "AAAA"))
    told = setting.ask("laptop", "wiki.apps.example.org")
    assert values(told, "CNAME") == ["site.example.net."] and values(told) == ["192.0.2.68"]
    assert setting.a("phone", "laptop.culvert.internal", "AAAA") == ["fd08::2"]
    assert setting.a("phone", "gateway.culvert.internal") == [TUNNEL4]
    assert setting.a("phone", "2.0.8.10.in-addr.arpa", "PTR") == ["laptop.culvert.internal."]
    six = dns.reversename.from_address("fd08::3").to_text()
    assert setting.a("phone", six, "PTR") == ["phone.culvert.internal."]
    assert rcode(setting.ask("phone", "nobody.culvert.internal")) == "NXDOMAIN"
    assert setting.a("laptop", "localhost") == ["127.0.0.1"]
    for name in ("hidden.onion", "x.invalid", "1.1.168.192.in-addr.arpa"):
        assert rcode(setting.ask("laptop", name)) == "NXDOMAIN", name
    assert setting.explain("laptop.culvert.internal")["verdict"] == "local"


def test_an_alias_is_no_way_around_the_rules(setting):
    record = '[[dns.record]]\nname = "{}.alias.example.org"\ntype = "CNAME"\nvalue = "{}.example.org"\n'
    rewrite = [("mine", "||to.example.org^$dnsrewrite=home.example.org\n||by.example.org^$dnsrewrite=alias.example.org\n",
                'format = "adblock"'), ("trackers", "tracker.example.net\n", "")]
    dns = record.format("chain", "alias") + record.format("blocked", "blocked") + record.format("home", "home")
    setting.configure(phone='dns_lists = ["mine", "trackers"]\ndns_block = ["blocked.example.org"]',
                      laptop="dns_rebinding_protection = false", dns=dns, lists=rewrite)
    for name in ("chain", "blocked", "home"):
        told = setting.ask("phone", f"{name}.alias.example.org")
        assert values(told) == NULL and not values(told, "CNAME"), told.to_text()
        assert setting.explain(f"{name}.alias.example.org")["why"]
    assert setting.explain("blocked.alias.example.org")["verdict"] == "block"
    assert setting.a("laptop", "chain.alias.example.org") == ["192.0.2.67"]
    assert setting.a("laptop", "home.alias.example.org") == ["192.168.1.10"]
    assert setting.a("phone", "to.example.org") == NULL  # a private address
    assert setting.a("phone", "by.example.org") == ["192.0.2.67"]  # the last word of lists


def test_browsers_and_phones_are_told_not_to_go_around(setting):
    setting.configure(phone='dns_block = ["blocked.example.org"]')
    for name in ("use-application-dns.net", "mask.icloud.com"):
        assert rcode(setting.ask("phone", name)) == "NXDOMAIN"
    assert is_nodata(setting.ask("phone", "_dns.resolver.arpa", "SVCB"))
    told = setting.ask("phone", "dns.google")
    assert values(told) == NULL and codes(told) == [17]
    assert setting.a("laptop", "dns.google") == ["8.8.8.8"]
    assert setting.a("laptop", "use-application-dns.net") == ["192.0.2.204"]
    setting.configure(phone='dns_block = ["blocked.example.org"]', dns="canary_firefox = false")
    assert setting.a("phone", "use-application-dns.net") == ["192.0.2.204"]


BYPASSES = [("9.9.9.9", 853), ("192.0.2.1", 853), (TUNNEL4, 853), ("8.8.8.8", 443)]


def test_a_filtered_phone_finds_its_way_back_to_port_53(setting):
    """853 first, as Android does, then 443 of a resolver it knows, then 53."""
    listeners = [setting.world.origin.tcp_listener(address, port) for address, port in
                 (("9.9.9.9", 853), ("8.8.8.8", 443), ("8.8.8.8", 80))]
    setting.configure(phone='dns_block = ["blocked.example.org"]')
    for target in BYPASSES:
        for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
            how, seconds = refusal(setting.spaces["phone"], kind, target)
            assert how is ConnectionRefusedError and seconds < 2, (target, kind, seconds)
    assert setting.a("phone", "www.example.org") == ["192.0.2.80"]
    assert setting.a("phone", "blocked.example.org") == NULL
    assert refusal(setting.spaces["phone"], socket.SOCK_STREAM, ("8.8.8.8", 80))[0] is None
    assert setting.counts()["bypass_refused"] >= 6
    for target in (("9.9.9.9", 853), ("8.8.8.8", 443)):
        assert refusal(setting.spaces["laptop"], socket.SOCK_STREAM, target)[0] is None
    setting.configure(phone='dns_block = ["blocked.example.org"]\ndns_refuse_bypass = false')
    assert refusal(setting.spaces["phone"], socket.SOCK_STREAM, ("9.9.9.9", 853))[0] is None
    setting.configure(laptop="dns_refuse_bypass = true")
    assert refusal(setting.spaces["laptop"], socket.SOCK_STREAM, ("9.9.9.9", 853))[0] is ConnectionRefusedError
    for listener in listeners:
        listener.close()


def test_only_addresses_that_were_handed_out(setting):
    listener = setting.world.origin.tcp_listener(THIRD4, 8080)
    played = Played(setting.world, THIRD4, lambda query: records(query, THIRD4))
    route = f'[[dns.route]]\ndomain = "handed.example.org"\nupstream = ["{THIRD4}"]\n'
    setting.configure(phone="dns_only_handed_out = true", dns=route)
    phone = setting.spaces["phone"]
    how, seconds = refusal(phone, socket.SOCK_STREAM, (THIRD4, 8080))  # "administratively prohibited"
    assert issubclass(how, OSError) and how is not TimeoutError and seconds < 2
    assert refusal(setting.spaces["laptop"], socket.SOCK_STREAM, (THIRD4, 8080))[0] is None
    assert setting.a("phone", "www.handed.example.org") == [THIRD4]
    assert refusal(phone, socket.SOCK_STREAM, (THIRD4, 8080))[0] is None
    assert setting.counts()["not_handed_out"] >= 1
    played.close()
    listener.close()
