"""DNSSEC passes: a validator behind culvert gets all that it needs, of answers, denials and wildcards."""

import shutil

import pytest

from lib import dns_setting, dns_upstreams
from lib.dns_signed import SignedZone
from lib.topology import THIRD4

pytestmark = [pytest.mark.culvert_only, pytest.mark.seconds(60)]

ZONE = f"""\
$TTL 300
signed.example. SOA ns.signed.example. host.signed.example. 1 3600 600 86400 60
signed.example. NS ns.signed.example.
ns.signed.example. A {THIRD4}
www.signed.example. A 192.0.2.80
www.signed.example. HTTPS 1 . alpn=h2 ech=AEX+DQBBtgAgACBl
*.wild.signed.example. A 192.0.2.81
alias.signed.example. CNAME www.signed.example.
wildalias.signed.example. CNAME a.wild.signed.example.
"""


@pytest.fixture(scope="module")
def setting(world, module_servers):
    if not shutil.which("delv"):
        pytest.skip("delv is not installed (Debian: bind9-dnsutils)")
    made = dns_setting.make(world, module_servers)
    zone = SignedZone("signed.example.", ZONE)
    dns_upstreams.nsd(world, THIRD4, "signed.example.", zone.text, "www.signed.example")
    made.anchor = made.write("anchor.conf", zone.anchor)
    made.configure(dns=f'[[dns.route]]\ndomain = "signed.example"\nupstream = ["{THIRD4}"]\n',
                   phone='dns_ech = "strip"')
    return made


def delv(setting, who, *question):
    done = setting.spaces[who].run("delv", "-a", setting.anchor, "+root=signed.example.", "@8.8.8.8", *question,
                                   check=False)
    return done.stdout + done.stderr


@pytest.mark.parametrize("question", ["www A", "www HTTPS", "a.wild A", "alias A", "wildalias A", "+tcp www A"])
def test_answers_are_validated(setting, question):
    *options, name, kind = question.split()
    for _ in range(2):  # asked upstream, and from the cache
        told = delv(setting, "laptop", *options, f"{name}.signed.example", kind)
        assert told.startswith("; fully validated"), told


@pytest.mark.parametrize("question", ["missing A", "www MX", "a.wild MX", "wildalias TXT"])
def test_denials_are_validated(setting, question):
    name, kind = question.split()
    told = delv(setting, "laptop", f"{name}.signed.example", kind)
    assert "fully validated" in told.splitlines()[0] and "signature" not in told, told


def test_what_was_changed_is_not_taken_for_signed(setting):
    told = delv(setting, "phone", "www.signed.example", "HTTPS")
    assert "validated" not in told and "ech" not in told, told
