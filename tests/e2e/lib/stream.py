"""A download that a test watches, and the question whether any is possible."""

import threading
import time

from .tcp import connected
from .topology import ORIGIN4


class Stream:
    """A stream from the origin to a client, as fast as it goes; `received` and how it ended."""
    open = []

    def __init__(self, world, client):
        Stream.open.append(self)
        self.here, self.there = connected(world, client)
        self.received, self.error, self.ending = 0, None, False
        self.threads = [threading.Thread(target=each) for each in (self._send, self._receive)]
        for thread in self.threads:
            thread.start()

    def _send(self):
        self.there.settimeout(0.2)
        while not self.ending:
            try:
                self.there.send(bytes(1 << 15))
            except TimeoutError:
                pass
            except OSError:
                return

    def _receive(self):
        self.here.settimeout(0.2)
        while not self.ending:
            try:
                data = self.here.recv(1 << 17)
            except TimeoutError:
                continue
            except OSError as error:
                self.error = error
                return
            if not data:
                return
            self.received += len(data)

    def wait_for_end(self, seconds=60):
        self.threads[1].join(seconds)
        assert not self.threads[1].is_alive(), f"goes on after {self.received} bytes"
        return self.close()

    def wait_for(self, count, seconds=60):
        limit = time.monotonic() + seconds
        while self.received < count:
            assert time.monotonic() < limit and self.threads[1].is_alive(), (self.received, self.error)
            time.sleep(0.01)
        return self

    def rate(self, seconds):
        """Bits per second from now on."""
        begin, before = time.monotonic(), self.received
        time.sleep(seconds)
        return (self.received - before) * 8 / (time.monotonic() - begin)

    def close(self):
        Stream.open.remove(self)
        self.ending = True
        for thread in self.threads:
            thread.join()
        self.here.close()
        self.there.close()
        return self


def passes(world, client):
    """True if the client has a connection to the origin."""
    try:
        here, there = connected_soon(world, client)
    except OSError:
        return False
    here.sendall(b"x")
    seen = there.recv(1) == b"x"
    here.close()
    there.close()
    return seen


def connected_soon(world, client):
    listener = world.origin.tcp_listener(ORIGIN4)
    listener.settimeout(10)
    try:
        here = client.namespace.tcp(listener.getsockname()[:2], timeout=10)
        try:
            return here, listener.accept()[0]
        except OSError:
            here.close()
            raise
    finally:
        listener.close()
