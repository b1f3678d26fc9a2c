#!/usr/bin/env python3
"""Writes the seeds of fuzz_dns_inspection: answers as servers send them, and wrong ones.

Each file is one octet of flags (1 DO, 2 authenticated, 4 little room) and a message.
"""
import pathlib
import struct

import dns.flags
import dns.message
import dns.rrset

here = pathlib.Path(__file__).parent / "corpus" / "dns_inspection"


def answer(name, kind, answers=(), authority=(), rcode=0):
    query = dns.message.make_query(name, kind, want_dnssec=True)
    reply = dns.message.make_response(query, recursion_available=True)
    reply.id = 0
    reply.set_rcode(rcode)
    reply.answer = [dns.rrset.from_text(*each) for each in answers]
    reply.authority = [dns.rrset.from_text(*each) for each in authority]
    return reply.to_wire()


def put(name, message, flags=1):
    (here / name).write_bytes(bytes([flags]) + message)


here.mkdir(parents=True, exist_ok=True)
www = "www.example.com."
soa = ("example.com.", 300, "IN", "SOA", "ns.example.com. mail.example.com. 1 2 3 4 60")
signature = "A 13 3 300 20300101000000 20200101000000 1 example.com. AAAA"
put("address", answer(www, "A", [(www, 60, "IN", "A", "192.0.2.1", "10.0.0.1")]))
chain = [(www, 60, "IN", "CNAME", "a.example.net."), ("a.example.net.", 60, "IN", "CNAME", "x.tracker.example."),
         ("x.tracker.example.", 60, "IN", "AAAA", "2001:db8::1", "fd00::1")]
put("chain", answer(www, "AAAA", chain), 0)
put("loop", answer(www, "A", [(www, 60, "IN", "CNAME", "a.example."), ("a.example.", 60, "IN", "CNAME", www)]))
put("dname", answer("x.old.example.", "A", [("old.example.", 60, "IN", "DNAME", "new.example."),
                                            ("x.new.example.", 60, "IN", "A", "192.0.2.1")]))
put("nxdomain", answer(www, "A", [], [soa, ("a.example.com.", 300, "IN", "NSEC", "z.example.com. A RRSIG NSEC")], 3))
put("signed", answer(www, "A", [(www, 60, "IN", "A", "192.0.2.1"), (www, 60, "IN", "RRSIG", signature)]), 3)
https = '1 . mandatory="alpn,ech" alpn="h2,h3" ipv4hint="192.0.2.1" ech="AAAA" ipv6hint="2001:db8::1"'
put("https", answer(www, "HTTPS", [(www, 60, "IN", "HTTPS", https, "0 svc.example.net.")]))
put("mail", answer("example.com.", "MX", [("example.com.", 60, "IN", "MX", "10 mail.example.com.", "20 b.example.")]))
put("little_room", answer(www, "TXT", [(www, 60, "IN", "TXT", '"' + "x" * 250 + '"', '"' + "y" * 250 + '"')]), 5)
plain = answer(www, "A", [(www, 60, "IN", "A", "192.0.2.1")])
put("cut", plain[:-20])
put("trailing", plain + b"x")
put("pointer_to_itself", plain[:12] + b"\x03www\xc0\x0c" + struct.pack("!HH", 1, 1))
