"""What the scripts beside this file share: culvert, the resolver behind it and its clients on one machine,
over loopback, and the figures of what was asked."""

import json
import math
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
RULES = 100_000


def read(path):
    try:
        return path.read_text()
    except OSError:  # it has ended
        return ""


class Place:
    """Who runs where, and how much it may be disturbed."""

    def __init__(self, plain):
        self.worker_cpu, self.other_cpu = "0", str(min(1, os.cpu_count() - 1))
        self.special = not plain and os.geteuid() == 0

    def fifo(self, priority):
        return ["taskset", "-c", self.other_cpu, *(["chrt", "-f", str(priority)] if self.special else [])]

    def eager(self):
        return ["taskset", "-c", self.other_cpu, *(["nice", "-n", "-20"] if self.special else [])]

    def packet_threads(self):
        """The kernel's threads that bring packets over loopback where there are many."""
        comms = ((path.parent.name, path) for path in pathlib.Path("/proc").glob("[0-9]*/comm"))
        return [pid for pid, path in comms if self.special and read(path).startswith("ksoftirqd/")]

    def favour_packets(self, yes):
        for pid in self.packet_threads():
            subprocess.run(["chrt", *(("-f", "-p", "1") if yes else ("-o", "-p", "0")), pid], check=False)

    def settle(self, worker):
        subprocess.run(["taskset", "-a", "-c", "-p", self.worker_cpu, str(worker)], check=True,
                       stdout=subprocess.DEVNULL)
        if self.special:
            subprocess.run(["chrt", "-a", "-f", "-p", "1", str(worker)], check=True)


class World:
    """culvert with two peers and a list, and the resolver behind it."""

    def __init__(self, options, folder, rules=RULES):
        self.options, self.folder, self.place = options, folder, Place(options.plain)
        self.processes = []
        self.server_key, *self.keys = (self.make_key() for _ in range(3))
        self.write_list(rules)
        (folder / "culvert.toml").write_text(self.configuration())
        (folder / "culvert.toml").chmod(0o600)
        self.log = open(folder / "server.log", "w")
        self.rules = rules

    def start(self):
        self.run([*self.place.fifo(2), self.options.client, "upstream", "15353"])
        self.server = self.run([self.options.culvert, "run", "--config", "culvert.toml"])
        self.wait_until_ready(self.rules)
        self.place.settle(self.worker())
        self.place.favour_packets(True)

    def run(self, command):
        self.processes.append(subprocess.Popen(command, cwd=self.folder, stdout=self.log, stderr=subprocess.STDOUT))
        return self.processes[-1]

    def make_key(self):
        private = subprocess.run([self.options.culvert, "genkey"], capture_output=True, text=True, check=True).stdout
        public = subprocess.run([self.options.culvert, "pubkey"], input=private, capture_output=True, text=True,
                                check=True).stdout
        return private.strip(), public.strip()

    def write_list(self, rules, more=()):
        text = "".join(f"n{number:09}.ads.example\n" for number in range(rules))
        (self.folder / "list.txt").write_text(text + "".join(f"{name}\n" for name in more))

    def configuration(self):
        peers = "".join(f'[[peer]]\nname = "client{n}"\npublic_key = "{public}"\nallowed_ips = ["10.8.0.{n}/32"]\n'
                        for n, (_, public) in enumerate(self.keys, 2))
        return f"""[server]
private_key = "{self.server_key[0]}"
listen = ["127.0.0.1:15820"]
address = ["10.8.0.1/24"]
workers = 1
state_dir = "state"
control_socket = "control.sock"
uapi_dir = "uapi"
http = ""
[dns]
upstream = ["127.0.0.1:15353"]
lists = ["ads"]
[[dns.list]]
name = "ads"
path = "list.txt"
format = "domains"
match = "suffix"
{peers}"""

    def command(self, *arguments):
        return subprocess.run([self.options.culvert, *arguments, "--config", "culvert.toml"], cwd=self.folder,
                              capture_output=True, text=True, check=False).stdout

    def wait_until_ready(self, rules, seconds=120):
        limit = time.monotonic() + seconds
        while time.monotonic() < limit and self.server.poll() is None:
            told = self.command("dns", "lists", "--json")
            if told and json.loads(told)["rules"] >= rules:
                return
            time.sleep(0.2)
        raise RuntimeError((self.folder / "server.log").read_text())

    def worker(self):
        pid = self.server.pid
        for child in open(f"/proc/{pid}/task/{pid}/children").read().split():
            if re.fullmatch(r"culvert-\d+\n", open(f"/proc/{child}/comm").read()):
                return int(child)
        raise RuntimeError("no worker runs")

    def cpu(self):
        fields = open(f"/proc/{self.worker()}/stat").read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def waited(self):
        """Seconds that the worker was ready to run and another process had its CPU."""
        return int(open(f"/proc/{self.worker()}/schedstat").read().split()[1]) / 1e9

    def client(self, number, mode, *arguments):
        return [self.options.client, mode, self.keys[number][0], self.server_key[1], "127.0.0.1:15820",
                f"10.8.0.{2 + number}", *map(str, arguments)]

    def start_asking(self, seconds, rate):
        """Everything it asked is in the file when it has ended."""
        with open(self.folder / "asked", "w") as out:
            return subprocess.Popen([*self.place.fifo(3), *self.client(0, "ask", seconds, rate)], stdout=out)

    def asked(self):
        return [(kind, int(at), int(took), int(rcode))
                for kind, at, took, rcode in map(str.split, open(self.folder / "asked"))]

    def close(self):
        self.place.favour_packets(False)
        for process in reversed(self.processes):
            process.terminate()
            process.wait(10)
        self.log.close()


def percentile(values, part):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, math.ceil(len(ordered) * part) - 1)] / 1e6 if ordered else float("nan")


def figures(asked):
    took = [each[2] for each in asked if each[2] >= 0]
    wrong = sum(each[3] not in (0, -1) for each in asked)
    return {"asked": len(asked), "lost": len(asked) - len(took), "wrong": wrong, "p50": percentile(took, 0.5),
            "p99": percentile(took, 0.99), "most": percentile(took, 1)}


def told(label, part):
    return (f"{label} p50 {part['p50']:.3f} p99 {part['p99']:.3f} most {part['most']:.3f} ms "
            f"({part['asked']} asked, {part['lost']} lost, {part['wrong']} failed)")


def add_arguments(parser):
    parser.add_argument("--culvert", default=str(ROOT / "build/bin/culvert"))
    parser.add_argument("--client", default=str(ROOT / "build/bin/bench_dns_client"))
    parser.add_argument("--plain", action="store_true", help="ordinary processes, but pinned")
    parser.add_argument("--ask", type=float, default=300, help="questions a second of the measured client")
    parser.add_argument("--json", help="also writes the figures there")


def run(options, measure, rules=RULES):
    """`measure(world)` in a world of its own, which is gone afterwards; its result also as JSON."""
    for name in ("culvert", "client"):
        setattr(options, name, str(pathlib.Path(getattr(options, name)).resolve()))
    print(f"load {os.getloadavg()[0]:.1f}, {os.cpu_count()} CPUs", flush=True)
    folder = pathlib.Path(tempfile.mkdtemp(prefix="bench-dns-"))
    world = World(options, folder, rules)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended"))
    try:
        world.start()
        result = measure(world)
    finally:
        world.close()
        shutil.rmtree(folder, ignore_errors=True)
    print(f"load {os.getloadavg()[0]:.1f}")
    if options.json:
        pathlib.Path(options.json).write_text(json.dumps(result, indent=1))
