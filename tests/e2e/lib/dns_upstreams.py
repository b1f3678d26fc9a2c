"""Upstreams of DNS for tests: nsd with a whole small tree of names, unbound before it over UDP, TCP, TLS
and HTTPS, and one that a test plays itself."""

import base64
import contextlib
import datetime
import hashlib
import ipaddress
import os
import select
import shutil
import socket
import struct
import subprocess
import tempfile
import threading
import time

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.query
import dns.rcode
import dns.rrset
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from .netns import connect, end

RESOLVER = "resolver.example.org"  # the name in unbound's certificate

# One zone is the whole tree, so that aliases lead anywhere and what is missing does not exist.
ZONE = """\
$TTL 300
. SOA ns.example.org. host.example.org. 1 3600 600 86400 60
. NS ns.example.org.
ns.example.org. A 198.51.100.3
resolver.example.org. A 198.51.100.2
www.example.org. A 192.0.2.80
www.example.org. AAAA 2001:db8:80::1
*.example.org. A 192.0.2.1
*.example.org. AAAA 2001:db8:1::1
*.example.org. MX 10 mail.example.org.
nothing.example.org. TXT "no address"
alias.example.org. CNAME step.example.org.
step.example.org. CNAME tracker.example.net.
tracker.example.net. A 192.0.2.67
site.example.net. A 192.0.2.68
site.example.net. AAAA 2001:db8:68::1
svc.example.org. HTTPS 1 . alpn=h2,h3 ipv4hint=192.0.2.80 ech=AEX+DQBBtgAgACBl ipv6hint=2001:db8:80::1
svcalias.example.org. HTTPS 0 tracker.example.net.
hint.example.org. HTTPS 1 . alpn=h2 ipv4hint=192.0.2.99
home.example.org. A 192.168.1.10
home.example.org. AAAA fd00::10
mixed.example.org. A 192.0.2.81
mixed.example.org. A 10.1.2.3
bad.example.org. A 192.0.2.99
bad.example.org. AAAA 2001:db8:bad::5
google.com. A 192.0.2.200
www.google.com. A 192.0.2.200
www.google.com. AAAA 2001:db8:200::1
forcesafesearch.google.com. A 192.0.2.201
forcesafesearch.google.com. AAAA 2001:db8:201::1
www.youtube.com. A 192.0.2.202
restrict.youtube.com. A 192.0.2.203
dns.google. A 8.8.8.8
use-application-dns.net. A 192.0.2.204
mask.icloud.com. A 192.0.2.205
mail.example.net. MX 10 mail.example.net.
""" + "".join(f'big.example.net. TXT "{number:03}{"x" * 200}"\n' for number in range(30))


class Program:
    """A resolver in a namespace; its folder and output are its own."""

    def __init__(self, world, command, files, namespace, probe):
        program = shutil.which(command[0], path=f"{os.environ['PATH']}:/usr/sbin")
        if not program:
            pytest.skip(f"{command[0]} is not installed")
        self.folder = tempfile.mkdtemp(prefix="culvert-dns-")
        for name, text in files.items():
            with open(os.path.join(self.folder, name), "w") as file:
                file.write(text.replace("FOLDER", self.folder))
        self.command = [program] + [part.replace("FOLDER", self.folder) for part in command[1:]]
        self.namespace, self.probe = namespace, probe
        self.start()
        world.later(self.close)

    def start(self):
        self._output = open(os.path.join(self.folder, "output"), "ab")
        self.process = self.namespace.start(*self.command, stdout=self._output, stderr=subprocess.STDOUT)
        address, name = self.probe
        limit = time.monotonic() + 60
        while time.monotonic() < limit and self.process.poll() is None:
            with contextlib.suppress(OSError, dns.exception.DNSException), self.namespace.entered():
                answer = dns.query.udp(dns.message.make_query(name, "A"), address, timeout=0.5)
                if answer.answer:
                    return
            time.sleep(0.05)
        with open(os.path.join(self.folder, "output")) as file:
            raise AssertionError(f"{self.command[0]} does not answer: {file.read()[-2000:]}")

    def stop(self):
        end(self.process)
        self._output.close()

    def close(self):
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


def nsd(world, address, origin=".", zone=ZONE, probe="www.example.org"):
    config = f"""\
server:
  ip-address: {address}@53
  username: ""
  chroot: ""
  zonesdir: "FOLDER"
  database: ""
  pidfile: "FOLDER/nsd.pid"
  xfrdfile: "FOLDER/xfrd.state"
  zonelistfile: "FOLDER/zone.list"
  xfrdir: "FOLDER"
  server-count: 1
  rrl-ratelimit: 0
remote-control:
  control-enable: no
zone:
  name: "{origin}"
  zonefile: "zone"
"""
    return Program(world, ["nsd", "-d", "-c", "FOLDER/nsd.conf"], {"nsd.conf": config, "zone": zone},
                   world.origin, (address, probe))


def unbound(world, address, authority, certificate):
    """A recursive resolver whose root is `authority`: ports 53, 853 and 443."""
    config = f"""\
server:
  interface: {address}@53
  interface: {address}@853
  interface: {address}@443
  tls-port: 853
  https-port: 443
  http-endpoint: "/dns-query"
  tls-service-key: "FOLDER/key.pem"
  tls-service-pem: "FOLDER/certificate.pem"
  access-control: 0.0.0.0/0 allow
  module-config: "iterator"
  num-threads: 1
  do-daemonize: no
  use-syslog: no
  chroot: ""
  username: ""
  directory: "FOLDER"
  pidfile: ""
  qname-minimisation: no
  do-ip6: no
  rrset-roundrobin: no
  minimal-responses: yes
remote-control:
  control-enable: no
stub-zone:
  name: "."
  stub-addr: {authority}
  stub-prime: no
"""
    files = {"unbound.conf": config, "key.pem": certificate.key, "certificate.pem": certificate.text}
    return Program(world, ["unbound", "-d", "-c", "FOLDER/unbound.conf"], files, world.origin,
                   (address, "www.example.org"))


class Certificate:
    """An authority of the test, and what it signed for a resolver."""

    def __init__(self, name, address):
        now = datetime.datetime(2020, 1, 1)
        until = datetime.datetime(2049, 1, 1)
        root_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
        root_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Authority of the test")])

        def builder(subject, public):
            return (x509.CertificateBuilder().subject_name(subject).issuer_name(root_name).public_key(public)
                    .serial_number(x509.random_serial_number()).not_valid_before(now).not_valid_after(until))

        root = (builder(root_name, root_key.public_key())
                .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
                .sign(root_key, hashes.SHA256()))
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        names = [x509.DNSName(name), x509.IPAddress(ipaddress.ip_address(address))]
        made = (builder(subject, key.public_key())
                .add_extension(x509.SubjectAlternativeName(names), critical=False)
                .sign(root_key, hashes.SHA256()))
        pem = serialization.Encoding.PEM
        self.authority = root.public_bytes(pem).decode()
        self.text = made.public_bytes(pem).decode()
        self.key = key.private_bytes(pem, serialization.PrivateFormat.PKCS8,
                                     serialization.NoEncryption()).decode()
        public = key.public_key().public_bytes(serialization.Encoding.DER,
                                               serialization.PublicFormat.SubjectPublicKeyInfo)
        self.pin = base64.b64encode(hashlib.sha256(public).digest()).decode()


class Played:
    """An upstream in the origin's namespace that answers as `answer(query)` says: a message, octets or
    None. `asked` has (name as it was written, type, transport) of every question, `queries` the messages."""

    def __init__(self, world, address, answer, port=53):
        self.answer, self.asked, self.queries, self.stopped = answer, [], [], False
        self.port, self.at = port, f"{address}:{port}"
        self.udp = world.origin.udp(address, port)
        self.tcp = world.origin.tcp_listener(address, port)
        self.threads = [threading.Thread(target=run, daemon=True) for run in (self._serve_udp, self._serve_tcp)]
        for thread in self.threads:
            thread.start()
        world.later(self.close)

    def names(self):
        return [name.lower() for name, _, _ in self.asked]

    def _reply(self, wire, transport):
        try:
            query = dns.message.from_wire(wire)
        except dns.exception.DNSException:
            return None
        question = query.question[0]
        self.queries.append(query)
        self.asked.append((question.name.to_text(), dns.rdatatype.to_text(question.rdtype), transport))
        made = self.answer(query)
        if made is None or isinstance(made, bytes):
            return made
        try:
            return made.to_wire(max_size=65535 if transport == "tcp" else 1232)
        except dns.exception.TooBig:
            short = dns.message.make_response(query, recursion_available=True)
            short.flags |= dns.flags.TC
            return short.to_wire()

    def _serve_udp(self):
        while not self.stopped:
            if select.select([self.udp], [], [], 0.1)[0]:
                wire, source = self.udp.recvfrom(4096)
                reply = self._reply(wire, "udp")
                if reply is not None:
                    with contextlib.suppress(OSError):
                        self.udp.sendto(reply, source)

    def _serve_tcp(self):
        while not self.stopped:
            if select.select([self.tcp], [], [], 0.1)[0]:
                connection, _ = self.tcp.accept()
                threading.Thread(target=self._serve_connection, args=(connection,), daemon=True).start()

    def _serve_connection(self, connection):
        connection.settimeout(5)
        with contextlib.suppress(OSError, struct.error), connection, connection.makefile("rb") as stream:
            while head := stream.read(2):
                reply = self._reply(stream.read(struct.unpack("!H", head)[0]), "tcp")
                if reply is not None:
                    connection.sendall(struct.pack("!H", len(reply)) + reply)

    def close(self):
        if self.stopped:
            return
        self.stopped = True
        for thread in self.threads:
            thread.join(2)
        self.udp.close()
        self.tcp.close()


def records(query, *texts, ttl=300):
    """An answer with records of the type asked for; without any: NODATA."""
    response = dns.message.make_response(query, recursion_available=True)
    question = query.question[0]
    if texts:
        response.answer.append(dns.rrset.from_text(question.name, ttl, "IN", question.rdtype, *texts))
    return response


def refusal(namespace, kind, target, patience=10):
    """(the class of the error that a client gets, or None; seconds until then)."""
    family = socket.AF_INET6 if ":" in target[0] else socket.AF_INET
    with namespace.socket(family, kind) as made:
        made.settimeout(patience)
        begin = time.monotonic()
        try:
            connect(made, target, patience)
            if kind == socket.SOCK_DGRAM:
                made.send(b"hello")
                made.recv(100)
            return None, time.monotonic() - begin
        except OSError as error:
            return type(error), time.monotonic() - begin
