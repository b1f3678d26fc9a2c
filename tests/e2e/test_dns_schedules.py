"""What is filtered at some times or for everybody by a switch: safe search, schedules, pauses.

     phone (its policy is the test's)  ==tunnel== \\
                                                    server --- hop --- origin (unbound, nsd)
     laptop (not filtered)             ==tunnel== /
"""

import time

import pytest

from lib import dns_setting
from lib.dns_setting import NULL, codes, values

pytestmark = [pytest.mark.culvert_only, pytest.mark.seconds(60)]
PASSED = ["192.0.2.1"]  # what the zone has for every name below example.org


@pytest.fixture(scope="module")
def shared(world, module_servers):
    return dns_setting.make(world, module_servers)


@pytest.fixture
def setting(shared):
    """As it was at the start: nothing paused, nothing filtered."""
    yield shared
    shared.server.command("dns", "pause", "0")


def test_safe_search(setting):
    setting.configure(phone="dns_safe_search = true")
    told = setting.ask("phone", "www.google.com")
    assert values(told) == ["192.0.2.201"] and values(told, "CNAME") == ["forcesafesearch.google.com."]
    assert setting.a("phone", "www.google.com", "AAAA") == ["2001:db8:201::1"]
    assert setting.a("phone", "www.youtube.com") == ["192.0.2.203"]
    assert setting.a("laptop", "www.google.com") == ["192.0.2.200"]
    assert setting.explain("www.google.com")["reason"] == "safe_search"


DAYS = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"]


def test_schedules_hold_in_their_hours(setting):
    today = int(time.strftime("%w", time.gmtime()))
    around = f"{DAYS[today - 1]}, {DAYS[today]}, {DAYS[(today + 1) % 7]}"  # midnight may come
    later = f"{DAYS[(today + 3) % 7]}"
    schedule = '[[peer.dns_schedule]]\nhours = "{}"\n{}\n'
    lists = [("games", "games.example.org\n", "")]
    setting.configure(lists=lists, phone=schedule.format(around, 'lists = ["games"]\nblock = ["video.example.org"]')
                      + schedule.format(later, "everything = true"))
    setting.wait_for(lambda: setting.a("phone", "games.example.org") == NULL)
    assert codes(setting.ask("phone", "x.video.example.org")) == [17]
    assert setting.a("phone", "www.example.org") == ["192.0.2.80"]
    assert setting.a("laptop", "video.example.org") == PASSED
    setting.configure(lists=lists, phone=schedule.format(later, 'lists = ["games"]\nblock = ["video.example.org"]')
                      + schedule.format(around, "everything = true"))
    setting.wait_for(lambda: setting.a("phone", "www.example.org") == NULL)
    assert setting.explain("www.example.org")["reason"] == "schedule"
    assert setting.a("phone", "laptop.culvert.internal") == ["10.8.0.2"]
    setting.configure(lists=lists, phone=schedule.format(later, 'lists = ["games"]\neverything = true'))
    setting.wait_for(lambda: setting.a("phone", "www.example.org") == ["192.0.2.80"])
    assert setting.a("phone", "games.example.org") == PASSED


def test_a_pause_and_its_end(setting):
    setting.configure(phone='dns_block = ["blocked.example.org"]', laptop='dns_block = ["blocked.example.org"]')
    assert setting.a("phone", "blocked.example.org") == NULL
    assert "not filtered for 10m" in setting.server.command("dns", "pause", "10m", "--peer", "phone").stdout
    assert setting.a("phone", "blocked.example.org") == PASSED
    assert "paused" in setting.explain("blocked.example.org")["why"]
    assert setting.a("laptop", "blocked.example.org") == NULL
    setting.server.command("dns", "pause", "0", "--peer", "phone")
    assert setting.a("phone", "blocked.example.org") == NULL
    setting.server.command("dns", "pause", "2s")
    assert setting.a("laptop", "blocked.example.org") == PASSED
    setting.wait_for(lambda: setting.a("laptop", "blocked.example.org") == NULL)
    wrong = setting.server.command("dns", "pause", "soon", check=False)
    assert wrong.returncode == 2 and "expected a duration" in wrong.stderr


def test_a_group_is_paused_and_has_schedules(setting):
    group = '[group.kids]\ndns_block = ["blocked.example.org"]\n[[group.kids.dns_schedule]]\nhours = "sun-sat"\n' \
            'block = ["always.example.org"]\n'
    setting.configure(top=group, phone='group = "kids"', laptop='dns_block = ["blocked.example.org"]')
    setting.wait_for(lambda: setting.a("phone", "always.example.org") == NULL)
    assert setting.a("phone", "blocked.example.org") == NULL
    setting.server.command("dns", "pause", "10m", "--group", "kids")
    assert setting.a("phone", "blocked.example.org") == setting.a("phone", "always.example.org") == PASSED
    assert setting.a("laptop", "blocked.example.org") == NULL
    assert "kids" in setting.server.command("dns", "pause", "0", "--group", "kids").stdout
    assert setting.a("phone", "blocked.example.org") == setting.a("phone", "always.example.org") == NULL
    unknown = setting.server.command("dns", "pause", "1m", "--group", "nobody", check=False)
    assert unknown.returncode == 1 and "nobody" in unknown.stderr
