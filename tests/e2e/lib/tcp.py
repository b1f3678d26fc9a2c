"""What the TCP tests share."""

import hashlib
import socket

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
