"""What the TCP tests share."""

import hashlib
import socket
import threading
import time

from .topology import ORIGIN4


def read_all(connection):
    digest, count = hashlib.sha256(), 0
    while data := connection.recv(65536):
        digest.update(data)
        count += len(data)
    return count, digest.hexdigest()


def connected(world, client, origin=ORIGIN4):
    """(the client's end, the origin's end) of a connection through the tunnel."""
    listener = world.origin.tcp_listener(origin)
    here = client.namespace.tcp(listener.getsockname()[:2])
    there, _ = listener.accept()
    listener.close()
    for end in (here, there):
        end.settimeout(30)
    return here, there


def send_and_close(connection, data):
    connection.sendall(data)
    connection.shutdown(socket.SHUT_WR)


class Download:
    """A stream from the origin to a client; the longest pause in it is what a user would notice."""

    def __init__(self, world, client):
        self.here, self.there = connected(world, client)
        self.bytes, self.longest, self.error = 0, 0.0, None
        self.stop = threading.Event()
        self.threads = [threading.Thread(target=each, daemon=True) for each in (self._send, self._receive)]
        for thread in self.threads:
            thread.start()
        limit = time.monotonic() + 30
        while self.bytes < 1_000_000 and time.monotonic() < limit:
            time.sleep(0.01)

    def _send(self):
        self.there.settimeout(0.5)
        while not self.stop.is_set():
            try:
                self.there.send(bytes(65536))
            except socket.timeout:
                pass
            except OSError as error:
                self.error = self.error or error

    def _receive(self):
        self.here.settimeout(0.5)
        last = time.monotonic()
        while not self.stop.is_set():
            try:
                data = self.here.recv(1 << 18)
            except socket.timeout:
                data = None
            except OSError as error:
                self.error = self.error or error
                return
            now = time.monotonic()
            self.longest = max(self.longest, now - last)
            if data:
                self.bytes += len(data)
                last = now
            elif data is not None:
                self.error = self.error or EOFError()
                return

    def end(self):
        self.stop.set()
        for thread in self.threads:
            thread.join()
        self.here.close()
        self.there.close()
        return self
