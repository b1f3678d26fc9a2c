"""How TCP ends over 100 ms: half-closes and tails.

     client --- relay (50 ms each way) --- server --- hop --- origin
"""

import hashlib
import os
import socket
import threading
import time

import pytest

from lib import topology, wireguard
from lib.relay import Relay
from lib.tcp import connected, read_all, send_and_close
from lib.topology import ORIGIN4, ORIGIN6

TAIL = 10_000_000


@pytest.fixture(scope="module")
def far(world, module_servers, request):
    """A tunnel with a round trip of 100 ms."""
    peer = wireguard.make_peer(4)
    server = module_servers([peer], port=51821)
    Relay(world, request.config.getoption("--relay"), upstream=f"{topology.SERVER4}:51821",
          both={"delay_ms": 50})
    client = wireguard.Client(world, peer, server.public, endpoint=f"{topology.RELAY4}:51820")
    return client.wait_until_up()


@pytest.mark.parametrize("origin", [ORIGIN4, ORIGIN6], ids=["v4", "v6"])
@pytest.mark.parametrize("first", ["client", "origin"])
def test_a_half_close_lets_the_other_direction_finish(world, far, origin, first):
    """One side ends its direction at once, then 10 MB come the other way, and not a byte is lost."""
    here, there = connected(world, far, origin)
    closer, sender = (here, there) if first == "client" else (there, here)
    closer.sendall(b"that is all")
    closer.shutdown(socket.SHUT_WR)
    assert read_all(sender)[0] == len(b"that is all")
    data = os.urandom(TAIL)
    thread = threading.Thread(target=send_and_close, args=(sender, data))
    thread.start()
    assert read_all(closer) == (TAIL, hashlib.sha256(data).hexdigest())
    thread.join()
    here.close()
    there.close()


def test_a_tail_arrives_whole_when_the_origin_closes_at_once(world, far):
    here, there = connected(world, far)
    data = os.urandom(2_000_000)
    thread = threading.Thread(target=lambda: (there.sendall(data), there.close()))
    thread.start()
    time.sleep(0.5)
    assert read_all(here) == (len(data), hashlib.sha256(data).hexdigest())
    thread.join()
    here.close()
