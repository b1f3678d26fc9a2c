"""Starts and steers wgrelay (tests/support/relay), the bad network between client and server."""

import json
import os
import socket
import tempfile
import time

from . import topology
from .netns import end


class Relay:
    """Listens where the client is told the server would be, in `mid`. Options are faults per
    direction, as in relay/fault_line.hpp: up={"loss": 0.1}, down={...}."""

    def __init__(self, world, binary, namespace=None, listen=f"{topology.RELAY4}:51820",
                 upstream=f"{topology.SERVER4}:51820", seed=1, up=None, down=None, **session):
        self.folder = tempfile.TemporaryDirectory(prefix="wgrelay-")
        path = os.path.join(self.folder.name, "control")
        self.endpoint = listen
        box = namespace or world.mid
        self.process = box.start(binary, "--listen", listen, "--upstream", upstream, "--control", path,
                                 "--seed", str(seed))
        if world:
            world.later(self.close)
        self._control = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._control.settimeout(20)
        limit = time.monotonic() + 20
        while self._control.connect_ex(path) != 0:  # there is no file, or nobody listens to it yet
            if self.process.poll() is not None or time.monotonic() > limit:
                raise RuntimeError(f"{binary} does not listen at {path}: {self.process.poll()}")
            time.sleep(0.01)
        self._lines = self._control.makefile("r")
        self.set(up=up, down=down, **session)

    def ask(self, **request):
        self._control.sendall((json.dumps(request) + "\n").encode())
        answer = json.loads(self._lines.readline())
        assert "error" not in answer, answer["error"]
        return answer

    def set(self, up=None, down=None, **session):
        """Changes the named faults and leaves the others. both={...} is for up and down."""
        both = session.pop("both", {})
        change = {**session}
        if up or both:
            change["up"] = {**both, **(up or {})}
        if down or both:
            change["down"] = {**both, **(down or {})}
        return self.ask(set=change)

    def counters(self):
        return self.ask(command="counters")

    def rebind(self):
        """New source ports towards the server, as a NAT that forgot would give."""
        return self.ask(command="rebind")

    def replay(self, direction="up", other_source=False):
        """Sends what was recorded once more; how many datagrams."""
        return self.ask(command="replay", direction=direction, other_source=other_source)["sent"]

    def close(self):
        self._control.close()
        end(self.process)
        self.folder.cleanup()
