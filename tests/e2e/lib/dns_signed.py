"""A zone signed with a key of the test, and the trust anchor that delv checks it by."""

import base64
import time

import dns.dnssec
import dns.rdata
import dns.rdatatype
import dns.rrset
import dns.zone
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils

HOUR = 3600


class SignedZone:
    """`text` for a name server, with NSEC and RRSIG; `anchor` for delv. The key is ECDSA P-256."""

    def __init__(self, origin, text):
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._public = dns.dnssec.make_dnskey(self._key.public_key(),
                                              dns.dnssec.Algorithm.ECDSAP256SHA256, flags=257)
        zone = dns.zone.from_text(text, origin=origin, relativize=False)
        self._origin = zone.origin
        zone.find_rdataset(self._origin, "DNSKEY", create=True).add(self._public, 300)
        self._add_nsec(zone)
        lines = []
        for owner, node in zone.nodes.items():
            for rdataset in node.rdatasets:
                rrset = dns.rrset.from_rdata_list(owner, rdataset.ttl, list(rdataset))
                signature = dns.rrset.from_rdata_list(owner, rdataset.ttl, [self._sign(rrset)])
                lines += [rrset.to_text(), signature.to_text()]
        self.text = "\n".join(lines) + "\n"
        key = base64.b64encode(self._public.key).decode()
        self.anchor = f'trust-anchors {{ "{self._origin}" static-key 257 3 13 "{key}"; }};\n'

    @staticmethod
    def _add_nsec(zone):
        names = sorted(zone.nodes)
        for owner, following in zip(names, names[1:] + names[:1]):
            types = {each.rdtype for each in zone.nodes[owner].rdatasets}
            types |= {dns.rdatatype.RRSIG, dns.rdatatype.NSEC}
            written = " ".join(dns.rdatatype.to_text(each) for each in sorted(types))
            nsec = dns.rdata.from_text("IN", "NSEC", f"{following} {written}")
            zone.find_rdataset(owner, "NSEC", create=True).add(nsec, 60)

    def _sign(self, rrset):
        now = int(time.time())
        made = dns.dnssec.sign(rrset, self._key, self._origin, self._public, inception=now - HOUR,
                               expiration=now + 240 * HOUR)
        if not rrset.name.is_wild():
            return made
        # The "*" does not count (RFC 4034 section 3.1.3), which dnspython 2.3 does not know.
        made = made.replace(labels=len(rrset.name) - 2, signature=b"")
        data = dns.dnssec._make_rrsig_signature_data(rrset, made)
        halves = utils.decode_dss_signature(self._key.sign(data, ec.ECDSA(hashes.SHA256())))
        return made.replace(signature=b"".join(half.to_bytes(32, "big") for half in halves))
