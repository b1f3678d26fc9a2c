"""How a blocked client is answered, and what an answer from upstream may hold (lib/dns_upstreams.py has the names).

     phone (its policy is the test's)  ==tunnel== \\
                                                    server --- hop --- origin (unbound, nsd)
     laptop (not filtered)             ==tunnel== /
"""

import dns.rdatatype
import pytest

from lib import dns_setting
from lib.dns_setting import NULL, codes, is_nodata, rcode, values

pytestmark = [pytest.mark.culvert_only, pytest.mark.seconds(60)]


@pytest.fixture(scope="module")
def setting(world, module_servers):
    return dns_setting.make(world, module_servers)


MODES = {'"null"': (NULL, ["::"], "NOERROR"), '"nxdomain"': ([], [], "NXDOMAIN"), '"nodata"': ([], [], "NOERROR"),
         '"refused"': ([], [], "REFUSED"), '["192.0.2.9", "2001:db8::9"]': (["192.0.2.9"], ["2001:db8::9"], "NOERROR")}


@pytest.mark.parametrize("mode", MODES)
def test_how_a_blocked_client_is_answered(setting, mode):
    setting.configure(phone=f'dns_block = ["blocked.example.org"]\ndns_answer = {mode}\ndns_answer_ttl = "7s"')
    v4, v6, code = MODES[mode]
    for kind, expected in (("A", v4), ("AAAA", v6), ("MX", []), ("HTTPS", [])):
        told = setting.ask("phone", "x.blocked.example.org", kind)
        assert (values(told), rcode(told)) == (expected, code), told.to_text()
        assert codes(told) == [17]
        if expected:
            assert told.answer[0].ttl == 7
        elif code != "REFUSED":
            assert told.authority[0].rdtype == dns.rdatatype.SOA and told.authority[0].ttl == 7
    plain = setting.ask("phone", "blocked.example.org", edns=False)
    assert plain.edns == -1 and rcode(plain) == code


def test_a_dropped_question_is_not_answered(setting):
    setting.configure(phone='dns_block = ["blocked.example.org"]\ndns_answer = "drop"')
    assert setting.silent("phone", "blocked.example.org")
    assert setting.a("phone", "www.example.org") == ["192.0.2.80"]


def test_service_records_are_looked_into(setting):
    setting.configure(phone='dns_block = ["tracker.example.net"]')
    assert values(setting.ask("laptop", "svcalias.example.org", "HTTPS")) == ["0 tracker.example.net."]
    told = setting.ask("phone", "svcalias.example.org", "HTTPS")
    assert is_nodata(told) and codes(told) == [17]
    assert "ech=" in values(setting.ask("phone", "svc.example.org", "HTTPS"))[0]


def test_encrypted_client_hello_is_taken_out_or_the_records_dropped(setting):
    setting.configure(phone='dns_ech = "strip"')
    assert "ech=" in setting.a("laptop", "svc.example.org", "HTTPS")[0]
    told = setting.a("phone", "svc.example.org", "HTTPS")
    assert told == ['1 . alpn="h2,h3" ipv4hint="192.0.2.80" ipv6hint="2001:db8:80::1"']
    setting.configure(phone='dns_ech = "drop"')
    assert is_nodata(setting.ask("phone", "svc.example.org", "HTTPS"))
    assert setting.a("phone", "svc.example.org") == [] and setting.a("phone", "www.example.org") == ["192.0.2.80"]


def test_no_ipv6_where_it_is_not_wanted(setting):
    setting.configure(phone="dns_filter_aaaa = true")
    assert is_nodata(setting.ask("phone", "www.example.org", "AAAA"))
    assert "ipv6hint" not in setting.a("phone", "svc.example.org", "HTTPS")[0]
    assert setting.a("laptop", "www.example.org", "AAAA") == ["2001:db8:80::1"]


def test_public_names_have_no_private_addresses(setting):
    setting.configure(laptop="dns_rebinding_protection = false")
    assert setting.a("laptop", "home.example.org") == ["192.168.1.10"]
    for name, kind, none in (("home", "A", NULL), ("home", "AAAA", ["::"]), ("mixed", "A", NULL)):
        told = setting.ask("phone", f"{name}.example.org", kind)
        assert values(told) == none and codes(told) == [15], told.to_text()
