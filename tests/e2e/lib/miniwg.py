"""A WireGuard initiator in a hundred lines, for what a real client does not do: a hundred clients in
one process, forged and replayed messages, inner packets of one's own making."""

import hashlib
import hmac
import ipaddress
import os
import socket
import struct
import time

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from .wireguard import raw_public

CONSTRUCTION = b"Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s"
IDENTIFIER = b"WireGuard v1 zx2c4 Jason@zx2c4.com"
INITIATION, RESPONSE, COOKIE, DATA = 1, 2, 3, 4


def digest(*parts):
    return hashlib.blake2s(b"".join(parts)).digest()


def mac(key, data):
    return hashlib.blake2s(data, key=key, digest_size=16).digest()


def kdf(count, key, data):
    secret = hmac.new(key, data, hashlib.blake2s).digest()
    out, last = [], b""
    for number in range(1, count + 1):
        last = hmac.new(secret, last + bytes([number]), hashlib.blake2s).digest()
        out.append(last)
    return out


def dh(private, public):
    return private.exchange(X25519PublicKey.from_public_bytes(public))


def nonce(counter):
    return bytes(4) + struct.pack("<Q", counter)


class MiniClient:
    """One client. `sock` is a UDP socket of its namespace, `server` an (address, port)."""

    def __init__(self, sock, server, key, server_public, psk=bytes(32)):
        self.sock, self.server, self.psk = sock, server, psk
        self.private = X25519PrivateKey.from_private_bytes(key.raw)
        self.public, self.server_public = key.public_raw, server_public
        self.sender = struct.unpack("<I", os.urandom(4))[0]
        self.counter = 0

    def initiation(self, stamp=None):
        self.ephemeral = X25519PrivateKey.generate()
        mine = raw_public(self.ephemeral)
        chain = digest(CONSTRUCTION)
        seen = digest(digest(chain, IDENTIFIER), self.server_public)
        chain, = kdf(1, chain, mine)
        seen = digest(seen, mine)
        chain, key = kdf(2, chain, dh(self.ephemeral, self.server_public))
        static = ChaCha20Poly1305(key).encrypt(nonce(0), self.public, seen)
        seen = digest(seen, static)
        chain, key = kdf(2, chain, dh(self.private, self.server_public))
        now = time.time() if stamp is None else stamp
        stamp_bytes = struct.pack(">QI", 0x400000000000000A + int(now), int(now % 1 * 1e9))
        stamp_box = ChaCha20Poly1305(key).encrypt(nonce(0), stamp_bytes, seen)
        self.chain, self.seen = chain, digest(seen, stamp_box)
        message = struct.pack("<II", INITIATION, self.sender) + mine + static + stamp_box
        message += mac(digest(b"mac1----", self.server_public), message)
        return message + bytes(16)

    def accept(self, response):
        """Derives the session of a type 2 message; raises if it is not a good one."""
        kind, self.receiver, mine = struct.unpack_from("<III", response)
        assert kind == RESPONSE and mine == self.sender and len(response) == 92
        theirs, box = response[12:44], response[44:60]
        chain, = kdf(1, self.chain, theirs)
        seen = digest(self.seen, theirs)
        chain, = kdf(1, chain, dh(self.ephemeral, theirs))
        chain, = kdf(1, chain, dh(self.private, theirs))
        chain, tau, key = kdf(3, chain, self.psk)
        ChaCha20Poly1305(key).decrypt(nonce(0), box, digest(seen, tau))
        self.send_key, self.receive_key = (ChaCha20Poly1305(key) for key in kdf(2, chain, b""))
        self.counter = 0

    def handshake(self, seconds=20):
        self.sock.sendto(self.initiation(), self.server)
        self.sock.settimeout(seconds)
        self.accept(self.sock.recv(2000))
        self.send(b"")  # the first data confirms the session
        return self

    def seal(self, inner):
        padded = inner + bytes(-len(inner) % 16)
        message = struct.pack("<IIQ", DATA, self.receiver, self.counter) + \
            self.send_key.encrypt(nonce(self.counter), padded, b"")
        self.counter += 1
        return message

    def send(self, inner):
        self.sock.sendto(self.seal(inner), self.server)

    def receive(self, seconds=20):
        """The next inner packet, keepalives left out; None when the time is over."""
        limit = time.monotonic() + seconds
        while (left := limit - time.monotonic()) > 0:
            self.sock.settimeout(left)
            try:
                message = self.sock.recv(65536)
            except TimeoutError:
                return None
            kind, mine, counter = struct.unpack_from("<IIQ", message)
            if kind != DATA or mine != self.sender:
                continue
            inner = self.receive_key.decrypt(nonce(counter), message[16:], b"")
            if inner:
                return inner
        return None

    def receive_udp(self, seconds=20):
        """The payload of the next IPv4 UDP packet; None when the time is over."""
        while (inner := self.receive(seconds)) is not None:
            if inner[0] == 0x45 and inner[9] == socket.IPPROTO_UDP:
                return inner[28:20 + struct.unpack_from(">H", inner, 24)[0]]
        return None


def checksum(data):
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def ip_packet(source, target, protocol, payload, ttl=64):
    """IPv4 or IPv6, by the addresses."""
    source, target = ipaddress.ip_address(source), ipaddress.ip_address(target)
    if source.version == 6:
        return struct.pack(">IHBB", 6 << 28, len(payload), protocol, ttl) + source.packed + \
            target.packed + payload
    header = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(payload), 1, 0, ttl, protocol, 0,
                         source.packed, target.packed)
    return header[:10] + struct.pack(">H", checksum(header)) + header[12:] + payload


def pseudo(source, target, protocol, length):
    source, target = ipaddress.ip_address(source), ipaddress.ip_address(target)
    if source.version == 6:
        return source.packed + target.packed + struct.pack(">II", length, protocol)
    return source.packed + target.packed + struct.pack(">BBH", 0, protocol, length)


def with_checksum(source, target, protocol, segment, at):
    total = checksum(pseudo(source, target, protocol, len(segment)) + segment)
    return ip_packet(source, target, protocol, segment[:at] + struct.pack(">H", total) + segment[at + 2:])


def udp_packet(source, target, data):
    """source and target are (address, port)."""
    segment = struct.pack(">HHHH", source[1], target[1], 8 + len(data), 0) + data
    return with_checksum(source[0], target[0], socket.IPPROTO_UDP, segment, 6)


def syn_packet(source, target, sequence=1000):
    segment = struct.pack(">HHIIBBHHH", source[1], target[1], sequence, 0, 0x50, 2, 65535, 0, 0)
    return with_checksum(source[0], target[0], socket.IPPROTO_TCP, segment, 16)


def echo_packet(source, target, data=b"hello"):
    body = struct.pack(">BBHHH", 8, 0, 0, 7, 1) + data
    return ip_packet(source, target, 1, body[:2] + struct.pack(">H", checksum(body)) + body[4:])
