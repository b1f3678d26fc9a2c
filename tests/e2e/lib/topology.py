"""The small internet of the tests. Every box is a network namespace, every line a veth pair.

                                                        192.0.2.0/24          198.51.100.0/24
     client  198.18.1.2 --- 198.18.1.1                  2001:db8:20::/64      2001:db8:30::/64
             fdc1::2        fdc1::1  \\
                                      mid 198.18.10.1 --- .2 server .2 --- .1 hop .1 --- .2 origin
                                     /    fd10::1       ::2       ::2     ::1    ::1     ::2
     second  198.18.2.2 --- 198.18.2.1                                          origin also has: .3, ::3,
             fdc2::2        fdc2::1                     203.0.113.5, 10.55.0.2, 169.254.169.254, fd55::2

`client` and `second` hold the WireGuard clients. `mid` forwards between them and the server; the
relay of tests/support/relay runs there when a test wants a bad network. There is no way from a client
to the origin except through the tunnel: `mid` has no route to it. `hop` is a router on the far side,
so that there is something to trace and to send errors. The addresses 10.55.0.2, 169.254.169.254 and
fd55::2 can be reached from the server; that the server does not go there is its egress policy.
"""

from . import netns
from .netns import Namespace, link

TUNNEL4, TUNNEL6 = "10.8.0.1", "fd08::1"
SERVER4, SERVER6 = "198.18.10.2", "fd10::2"
SERVER_OUT4, SERVER_OUT6 = "192.0.2.2", "2001:db8:20::2"
HOP4, HOP6 = "192.0.2.1", "2001:db8:20::1"
ORIGIN4, ORIGIN6 = "198.51.100.2", "2001:db8:30::2"
OTHER4, OTHER6 = "198.51.100.3", "2001:db8:30::3"
THIRD4 = "203.0.113.5"
PRIVATE4, PRIVATE6, METADATA = "10.55.0.2", "fd55::2", "169.254.169.254"
RELAY4, RELAY6 = "198.18.1.1", "fdc1::1"


class Topology:
    def __init__(self):
        self.namespaces = []
        self.closers = []  # what tests started inside, ended before the namespaces
        try:
            self._build()
        except BaseException:
            self.close()
            raise

    def _namespace(self, label):
        made = Namespace(label)
        self.namespaces.append(made)
        return made

    def _build(self):
        self.client, self.second, self.mid, self.server, self.hop, self.origin = (
            self._namespace(label) for label in ("client", "second", "mid", "server", "hop", "origin"))
        link(self.client, "outer", self.mid, "client")
        link(self.second, "outer", self.mid, "second")
        link(self.mid, "server", self.server, "outer")
        link(self.server, "wan", self.hop, "near")
        link(self.hop, "far", self.origin, "near")
        for router in (self.mid, self.hop):
            router.sysctl("net.ipv4.ip_forward", 1)
            router.sysctl("net.ipv6.conf.all.forwarding", 1)
            # Not icmp_ratelimit = 0: that empties the bucket which "unreachable" routes draw from too.
            router.sysctl("net.ipv4.icmp_ratemask", 0)
            router.sysctl("net.ipv6.icmp.ratelimit", 0)
        self.server.sysctl("net.ipv4.ping_group_range", self.every_group)
        self._addresses()

    def _addresses(self):
        for number, box in ((1, self.client), (2, self.second)):
            box.ip(f"addr add 198.18.{number}.2/24 dev outer",
                   f"addr add fdc{number}::2/64 dev outer nodad",
                   f"route add 198.18.0.0/16 via 198.18.{number}.1",
                   f"route add fd10::/64 via fdc{number}::1")
        self.mid.ip("addr add 198.18.1.1/24 dev client", "addr add fdc1::1/64 dev client nodad",
                    "addr add 198.18.2.1/24 dev second", "addr add fdc2::1/64 dev second nodad",
                    "addr add 198.18.10.1/24 dev server", "addr add fd10::1/64 dev server nodad")
        self.server.ip("addr add 198.18.10.2/24 dev outer", "addr add fd10::2/64 dev outer nodad",
                       "addr add 192.0.2.2/24 dev wan", "addr add 2001:db8:20::2/64 dev wan nodad",
                       "route add 198.18.0.0/16 via 198.18.10.1", "route add fdc0::/12 via fd10::1",
                       "route add default via 192.0.2.1", "route add default via 2001:db8:20::1",
                       "route add 169.254.169.254 via 192.0.2.1")
        self.hop.ip("addr add 192.0.2.1/24 dev near", "addr add 2001:db8:20::1/64 dev near nodad",
                    "addr add 198.51.100.1/24 dev far", "addr add 2001:db8:30::1/64 dev far nodad",
                    "route add 203.0.113.0/24 via 198.51.100.2", "route add 10.55.0.0/24 via 198.51.100.2",
                    "route add 169.254.169.254 via 198.51.100.2", "route add fd55::/64 via 2001:db8:30::2",
                    "route add unreachable 203.0.113.64/26",
                    "route add unreachable 2001:db8:dead::/48", "route add blackhole 203.0.113.128/26",
                    "route add blackhole 2001:db8:b1ac::/48")
        self.origin.ip(*(f"addr add {address} dev near" for address in
                         ("198.51.100.2/24", "198.51.100.3/24", "203.0.113.5/24", "10.55.0.2/24",
                          "169.254.169.254/32", "2001:db8:30::2/64 nodad", "2001:db8:30::3/64 nodad",
                          "fd55::2/64 nodad")),
                       "route add default via 198.51.100.1", "route add default via 2001:db8:30::1")

    @property
    def every_group(self):
        return "0 0" if netns.maps_one_account() else "0 2147483647"

    def later(self, closer):
        """Calls closer() when the fixture that started things ends; the last ones first."""
        self.closers.append(closer)

    def close_started(self, but_the_first=0):
        while len(self.closers) > but_the_first:
            try:
                self.closers.pop()()
            except Exception as error:  # one that will not end must not keep the others
                print(f"while cleaning up: {error}")

    def close(self):
        self.close_started()
        for namespace in self.namespaces:
            namespace.close()
        self.namespaces = []


__all__ = ["Topology", "netns"]
