#!/usr/bin/env python3
"""Writes the seed corpora of wg_datagram and wg_session next to this file.

    python3 tests/fuzz/make_wg_seeds.py
"""
import pathlib
import struct

corpus = pathlib.Path(__file__).parent / "corpus"


def write(target, name, data):
    folder = corpus / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(bytes(data))


def record(action, data=b""):
    data = bytes(data)
    if len(data) > 200:  # a length byte above 200 counts in steps of 28
        steps = -(-len(data) // 28)
        return bytes([action, 200 + steps]) + data.ljust(steps * 28, b"\0")
    return bytes([action, len(data)]) + data


def ipv4(source, payload=8, total=None, version=0x45):
    total = 20 + payload if total is None else total
    header = struct.pack(">BBHHHBBH4s4s", version, 0, total, 0, 0, 64, 17, 0,
                         bytes(source), bytes([1, 1, 1, 1]))
    return header + bytes(payload)


RAW, SIGNED, INITIATION, RESPONSE, DATA, INNER, WAIT = range(7)
client = (10, 8, 0, 2)
sizes = {1: 148, 2: 92, 3: 64, 4: 32}

write("wg_datagram", "types",
      b"".join(record(RAW, struct.pack("<I", t).ljust(n, b"\x11")) for t, n in sizes.items()))
write("wg_datagram", "lengths",
      b"".join(record(RAW, struct.pack("<I", t).ljust(n + d, b"\0"))
               for t, n in sizes.items() for d in (-1, 1)))
write("wg_datagram", "signed",
      record(SIGNED, struct.pack("<I", 1).ljust(148, b"\x22")) * 3 +
      record(SIGNED, struct.pack("<I", 2).ljust(92, b"\x22")))
write("wg_datagram", "real", record(INITIATION) + record(RESPONSE) + record(DATA) +
      record(INNER, ipv4(client)) + record(WAIT, [130]) + record(DATA))
for name, at in (("sender", 4), ("ephemeral", 8), ("static", 40), ("timestamp", 88), ("mac2", 132)):
    write("wg_datagram", "bent_initiation_" + name, record(INITIATION, [at, 1]) + record(INITIATION))
write("wg_datagram", "bent_response", record(RESPONSE, [12, 128]) + record(RESPONSE, [0, 0, 1]))
write("wg_datagram", "bent_data", b"".join(record(DATA, [at, 1]) for at in (0, 4, 8, 15, 16, 40)))
write("wg_datagram", "inner",
      record(INNER, ipv4(client)) + record(INNER, ipv4((10, 8, 0, 3))) +
      record(INNER, ipv4(client, total=19)) + record(INNER, ipv4(client, total=2000)) +
      record(INNER, b"\x60" + bytes(39)) + record(INNER, b"\x45") + record(INNER, ipv4(client, 1300)))


def op(number, argument=0):
    return number * 16 + argument


UP, DOWN, TIME, LOSE, LATE, DOUBLE, REPLAY, MOVE, CLOCK, FULL, FORGET_CLIENT, FORGET_SERVER, DIAL, \
    RESET, BURST = range(15)
write("wg_session", "plain", [op(UP), op(TIME, 3), op(DOWN), op(TIME, 3)])
write("wg_session", "rekey", [op(UP), op(TIME, 11), op(UP), op(TIME, 3), op(TIME, 12), op(DOWN),
                              op(TIME, 4)])
write("wg_session", "loss", [op(LOSE, 1), op(UP), op(TIME, 5), op(LOSE), op(TIME, 6), op(UP)])
write("wg_session", "late_and_double", [op(LATE, 3), op(DOUBLE, 5), op(UP), op(TIME, 3), op(DOWN),
                                        op(TIME, 4)])
write("wg_session", "replay", [op(UP), op(TIME, 3), op(DOWN), op(TIME, 2), op(REPLAY), op(REPLAY, 1),
                               op(TIME, 6)])
write("wg_session", "roam", [op(UP), op(TIME, 2), op(MOVE, 5), op(DOWN), op(TIME, 7), op(UP),
                             op(MOVE, 6), op(UP)])
write("wg_session", "clock", [op(CLOCK, 9), op(UP), op(TIME, 15), op(CLOCK, 8), op(UP), op(TIME, 14)])
write("wg_session", "forget", [op(UP), op(TIME, 3), op(FORGET_CLIENT), op(UP), op(TIME, 6),
                               op(FORGET_SERVER), op(UP), op(TIME, 3)])
write("wg_session", "crossing", [op(UP), op(TIME, 5), op(DIAL), op(FORGET_SERVER), op(UP),
                                 op(TIME, 1), op(TIME, 11), op(DIAL), op(UP), op(TIME, 3)])
write("wg_session", "full", [op(FULL, 3), op(UP), op(TIME, 9), op(FULL), op(UP), op(TIME, 15)])
write("wg_session", "burst", [op(BURST, 15), op(TIME, 2), op(LOSE, 9), op(BURST, 9), op(TIME, 12),
                              op(RESET), op(BURST, 3)])
