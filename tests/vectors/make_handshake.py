#!/usr/bin/env python3
"""A second implementation of WireGuard's handshake, to hold the first one to.

Written from the paper (J. Donenfeld, "WireGuard: Next Generation Kernel Network Tunnel", section
5.4) with hashlib and python3-cryptography, sharing no code with wg/. With fixed keys, indices and
time it plays both roles and makes handshake_vectors.hpp:

    ./make_handshake.py            prints it
    ./make_handshake.py --check    compares it with the file beside this one; 77 if it cannot
"""
import contextlib
import hashlib
import hmac
import io
import ipaddress
import pathlib
import struct
import sys

try:
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
    from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
except ImportError:
    print("python3-cryptography is not installed", file=sys.stderr)
    sys.exit(77)

CONSTRUCTION = b"Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s"
IDENTIFIER = b"WireGuard v1 zx2c4 Jason@zx2c4.com"
INITIATION, RESPONSE, COOKIE, DATA = 1, 2, 3, 4


def h(*parts):
    return hashlib.blake2s(b"".join(parts)).digest()


def mac(key, *parts):
    return hashlib.blake2s(b"".join(parts), key=key, digest_size=16).digest()


def kdf(n, key, data):
    extracted = hmac.new(key, data, hashlib.blake2s).digest()
    outputs, previous = [], b""
    for i in range(1, n + 1):
        previous = hmac.new(extracted, previous + bytes([i]), hashlib.blake2s).digest()
        outputs.append(previous)
    return outputs


def aead(key, counter, plain, additional):
    return ChaCha20Poly1305(key).encrypt(struct.pack("<IQ", 0, counter), plain, additional)


def hchacha20(key, nonce):
    """draft-irtf-cfrg-xchacha-03, section 2.2."""
    state = list(struct.unpack("<4I", b"expand 32-byte k") + struct.unpack("<8I", key)
                 + struct.unpack("<4I", nonce))

    def quarter(a, b, c, d):
        for x, y, z, turn in ((a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)):
            state[x] = (state[x] + state[y]) & 0xFFFFFFFF
            state[z] ^= state[x]
            state[z] = (state[z] << turn | state[z] >> (32 - turn)) & 0xFFFFFFFF

    for _ in range(10):
        for column in range(4):
            quarter(column, column + 4, column + 8, column + 12)
        for i in range(4):
            quarter(i, 4 + (i + 1) % 4, 8 + (i + 2) % 4, 12 + (i + 3) % 4)
    return struct.pack("<8I", *(state[:4] + state[12:]))


def xaead(key, nonce, plain, additional):
    subkey = hchacha20(key, nonce[:16])
    return ChaCha20Poly1305(subkey).encrypt(bytes(4) + nonce[16:], plain, additional)


def clamped(label):
    key = bytearray(hashlib.sha256(b"culvert vector " + label).digest())
    key[0] &= 248
    key[31] = key[31] & 127 | 64
    return bytes(key)


def public(private):
    key = X25519PrivateKey.from_private_bytes(private).public_key()
    return key.public_bytes(Encoding.Raw, PublicFormat.Raw)


def dh(private, peer):
    ours = X25519PrivateKey.from_private_bytes(private)
    return ours.exchange(X25519PublicKey.from_public_bytes(peer))


def tai64n(unix_seconds, nanoseconds):
    return struct.pack(">QI", 0x400000000000000A + unix_seconds, nanoseconds & ~0xFFFFFF)


def inner_packet(size):
    """An IPv4 UDP packet of `size` bytes, header checksum right, zeros inside."""
    header = bytearray(struct.pack(">BBHHHBBH4s4s", 0x45, 0, size, 0x1234, 0, 64, 17, 0,
                                   bytes([10, 0, 0, 2]), bytes([192, 0, 2, 80])))
    total = sum(struct.unpack(">10H", header))
    total = (total & 0xFFFF) + (total >> 16)
    total = (total & 0xFFFF) + (total >> 16)
    header[10:12] = struct.pack(">H", ~total & 0xFFFF)
    return bytes(header) + struct.pack(">HHHH", 40000, 53, size - 20, 0) + bytes(size - 28)


def with_macs(message, receiver_public, cookie=None):
    message += mac(h(b"mac1----", receiver_public), message)
    return message + (mac(cookie, message) if cookie else bytes(16))


def data_message(key, receiver, counter, plain):
    padded = plain + bytes(-len(plain) % 16)
    return struct.pack("<IIQ", DATA, receiver, counter) + aead(key, counter, padded, b"")


def handshake(v):
    si, ei, sr, er = (v[k] for k in ("initiator_private", "initiator_ephemeral",
                                     "responder_private", "responder_ephemeral"))
    c = h(CONSTRUCTION)
    hs = h(c, IDENTIFIER)
    assert c.hex() == "60e26daef327efc02ec335e2a025d2d016eb4206f87277f52d38d1988b78cd36"
    assert hs.hex() == "2211b361081ac566691243db458ad5322d9c6c662293e8b70ee19c65ba079ef3"

    hs = h(hs, public(sr))
    (c,) = kdf(1, c, public(ei))
    hs = h(hs, public(ei))
    assert dh(ei, public(sr)) == dh(sr, public(ei))
    c, k = kdf(2, c, dh(ei, public(sr)))
    static = aead(k, 0, public(si), hs)
    hs = h(hs, static)
    c, k = kdf(2, c, dh(si, public(sr)))
    timestamp = aead(k, 0, v["timestamp"], hs)
    hs = h(hs, timestamp)
    v["initiation_hash"], v["initiation_chaining_key"] = hs, c
    body = struct.pack("<II", INITIATION, v["initiator_index"]) + public(ei) + static + timestamp
    v["initiation"] = with_macs(body, public(sr))
    v["initiation_with_cookie"] = with_macs(body, public(sr), v["cookie"])

    (c,) = kdf(1, c, public(er))
    hs = h(hs, public(er))
    (c,) = kdf(1, c, dh(er, public(ei)))
    (c,) = kdf(1, c, dh(er, public(si)))
    c, tau, k = kdf(3, c, v["preshared_key"])
    hs = h(hs, tau)
    empty = aead(k, 0, b"", hs)
    v["response_hash"], v["response_chaining_key"] = h(hs, empty), c
    body = struct.pack("<III", RESPONSE, v["responder_index"], v["initiator_index"])
    body += public(er) + empty
    v["response"] = with_macs(body, public(si))
    v["response_with_cookie"] = with_macs(body, public(si), v["cookie"])
    v["initiator_to_responder"], v["responder_to_initiator"] = kdf(2, c, b"")


def vector(name, preshared_key):
    source = ("192.0.2.7", 51820)
    v = {
        "name": name,
        "initiator_private": clamped(b"initiator"),
        "responder_private": clamped(b"responder"),
        "initiator_ephemeral": clamped(b"initiator ephemeral " + name.encode()),
        "responder_ephemeral": clamped(b"responder ephemeral " + name.encode()),
        "preshared_key": preshared_key,
        "timestamp": tai64n(1700000000, 123456789),
        "unix_seconds": 1700000000,
        "nanoseconds": 123456789,
        "initiator_index": 0x1A2B3C00,
        "responder_index": 0x5D6E7F01,
        "cookie_secret": hashlib.sha256(b"culvert vector cookie secret").digest(),
        "cookie_source": "%s:%d" % source,
        "cookie_nonce": hashlib.sha256(b"culvert vector cookie nonce").digest()[:24],
    }
    v["initiator_public"] = public(v["initiator_private"])
    v["responder_public"] = public(v["responder_private"])
    v["cookie"] = mac(v["cookie_secret"], ipaddress.ip_address(source[0]).packed,
                      struct.pack(">H", source[1]))
    handshake(v)
    # What a loaded responder answers to `initiation`, whose mac1 is bytes 116 to 132.
    v["cookie_reply"] = (struct.pack("<II", COOKIE, v["initiator_index"]) + v["cookie_nonce"]
                         + xaead(h(b"cookie--", v["responder_public"]), v["cookie_nonce"],
                                 v["cookie"], v["initiation"][116:132]))
    # The inner packet is 85 bytes, so that there are 11 bytes of padding.
    v["inner_packet"] = inner_packet(85)
    v["keepalive_0"] = data_message(v["initiator_to_responder"], v["responder_index"], 0, b"")
    v["data_1"] = data_message(v["initiator_to_responder"], v["responder_index"], 1,
                               v["inner_packet"])
    v["answer_0"] = data_message(v["responder_to_initiator"], v["initiator_index"], 0,
                                 v["inner_packet"])
    sizes = {"initiation": 148, "response": 92, "cookie_reply": 64, "keepalive_0": 32, "data_1": 128}
    assert all(len(v[field]) == size for field, size in sizes.items())
    return v


FIELDS = (
    ("name", ""),
    ("initiator_private", "static keys; all values are hex in the order of the wire"),
    ("initiator_public", ""), ("responder_private", ""), ("responder_public", ""),
    ("initiator_ephemeral", "private halves, clamped"), ("responder_ephemeral", ""),
    ("preshared_key", ""),
    ("timestamp", "TAI64N of the two numbers at the end, its low 24 bits cleared"),
    ("initiation_hash", "H and C after the initiation"), ("initiation_chaining_key", ""),
    ("response_hash", "H and C after the response"), ("response_chaining_key", ""),
    ("initiator_to_responder", "the transport keys"), ("responder_to_initiator", ""),
    ("initiation", "mac2 is zeros"), ("initiation_with_cookie", "same, with mac2 by `cookie`"),
    ("response", "mac2 is zeros"), ("response_with_cookie", "same, with mac2 by `cookie`"),
    ("cookie_secret", "R of the responder"), ("cookie_source", "whose address and port it is for"),
    ("cookie", ""), ("cookie_nonce", ""), ("cookie_reply", "to `initiation`"),
    ("inner_packet", "IPv4, before padding"),
    ("keepalive_0", "data messages; the digit is the counter"), ("data_1", ""),
    ("answer_0", "from the responder, same inner packet"),
    ("initiator_index", ""), ("responder_index", ""), ("unix_seconds", ""), ("nanoseconds", ""),
)
NUMBERS = {"initiator_index": "std::uint32_t", "responder_index": "std::uint32_t",
           "unix_seconds": "std::int64_t", "nanoseconds": "std::int64_t"}


def literal(field, value):
    if field in NUMBERS:
        return "0x%08x" % value if field.endswith("index") else str(value)
    text = value if isinstance(value, str) else value.hex()
    lines = [text[i:i + 80] for i in range(0, len(text), 80)] or [""]
    return "\n".join('        "%s"' % line for line in lines).lstrip()


def write_header():
    print("// Made by make_handshake.py, a second implementation of the handshake; do not edit.")
    print("#pragma once\n\n#include <cstdint>\n#include <string_view>\n")
    print("namespace culvert::vectors {\n\nstruct Handshake {")
    for field, comment in FIELDS:
        line = "  %s %s;" % (NUMBERS.get(field, "std::string_view"), field)
        print(line + ("  // " + comment if comment else ""))
    print("};\n\n// clang-format off\ninline constexpr Handshake handshakes[] = {")
    psk = hashlib.sha256(b"culvert vector preshared key").digest()
    for v in (vector("without a preshared key", bytes(32)), vector("with a preshared key", psk)):
        print("    {")
        for field, _ in FIELDS:
            print("        .%s = %s," % (field, literal(field, v[field])))
        print("    },")
    print("};\n// clang-format on\n\n}  // namespace culvert::vectors")


def main():
    if sys.argv[1:] != ["--check"]:
        write_header()
        return 0
    made = io.StringIO()
    with contextlib.redirect_stdout(made):
        write_header()
    kept = pathlib.Path(__file__).with_name("handshake_vectors.hpp").read_text(encoding="utf-8")
    if kept != made.getvalue():
        print("handshake_vectors.hpp is not what make_handshake.py makes", file=sys.stderr)
        return 1
    return 0


sys.exit(main())
