"""Counts what goes over a cable: UDP datagrams that came from the server's WireGuard port."""

import socket
import struct
import time

from .netns import Namespace, deepen


class Sniffer:
    """Sees a link from the side of `namespace`. Use it as a context manager."""

    def __init__(self, namespace: Namespace, interface):
        self._socket = namespace.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        self._socket.bind((interface, 3))
        deepen(self._socket, 32 << 20)
        self._socket.setblocking(False)
        self.drain()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._socket.close()

    def drain(self):
        """All frames since the last call."""
        frames = []
        while True:
            try:
                frames.append(self._socket.recv(65536))
            except BlockingIOError:
                return frames

    def udp(self, settle=0.0):
        """(source address, source port, destination port, payload) of every UDP datagram seen."""
        time.sleep(settle)
        return [seen for frame in self.drain() if (seen := parse(frame))]

    def from_port(self, port, settle=0.0):
        return [seen for seen in self.udp(settle) if seen[1] == port]


def parse(frame):
    kind = struct.unpack_from(">H", frame, 12)[0]
    if kind == 0x0800 and frame[23] == 17:
        if struct.unpack_from(">H", frame, 20)[0] & 0x1FFF:
            return None  # a later fragment has no ports
        source, start = socket.inet_ntop(socket.AF_INET, frame[26:30]), 14 + (frame[14] & 15) * 4
    elif kind == 0x86DD and frame[20] == 17:
        source, start = socket.inet_ntop(socket.AF_INET6, frame[22:38]), 54
    else:
        return None
    here, there, length = struct.unpack_from(">HHH", frame, start)
    return source, here, there, frame[start + 8:start + length]
