"""A gateway's namespace and a backend's, for the tests of health checks, and what they ask of the gateway."""

import sys

from gateway import Gateway
from namespaces import Namespace, owner_tag
from processes import eventually
from wireless import wireless_configuration

OWN4, BACKEND4, NOBODY4 = "198.18.30.2", "198.18.30.11", "198.18.30.99"
OWN6, BACKEND6, NOBODY6 = "2001:db8:30::2", "2001:db8:30::11", "2001:db8:30::99"
PORT = 8080
QUICK = {"interval": "100ms", "timeout": "1s", "rise": 1, "fall": 1}


class HealthSite:
    """A gateway's namespace and a backend's, with one wire between them that only checks use."""

    def __init__(self, directory):
        self.directory = directory
        self.gateway, self.backend = (Namespace(role, owner_tag()) for role in ("checker", "checked"))
        self.gateway.ip("link", "add", "health0", "type", "veth",
                        "peer", "name", "eth0", "netns", self.backend.name)  # fmt: skip
        self.plug()
        for address in (BACKEND4 + "/24", BACKEND6 + "/64"):
            self.backend.ip("address", "add", address, "dev", "eth0")
        self.backend.ip("link", "set", "eth0", "up")

    def plug(self):
        self.gateway.ip("link", "set", "health0", "up")
        for address in (OWN4 + "/24", OWN6 + "/64"):
            self.gateway.ip("address", "replace", address, "dev", "health0")

    def unplug(self):
        """No interface, so no route: to IPv6 neither."""
        self.gateway.ip("address", "flush", "dev", "health0")
        self.gateway.ip("link", "set", "health0", "down")

    def serve(self, *command):
        """A server in the backend's namespace."""
        return self.backend.spawn(*command, log=self.directory / "server.log")

    def serve_http(self, address):
        server = self.serve(sys.executable, "-m", "http.server", "--bind", address, PORT)
        eventually(lambda: f":{PORT} " in self.backend.run("ss", "-Hltn").stdout, "the server listens")
        return server

    def start(self, health, *addresses, name="checked", **sections):
        """A gateway with one pool whose backends have these addresses."""
        config = {
            **wireless_configuration(self.directory.name),
            "pools": [
                {
                    "name": "web",
                    "backends": [{"address": address, "port": PORT} for address in addresses],
                    "health": {**QUICK, **health},
                }
            ],
            **sections,
        }
        self.sluiced = Gateway(self.directory / name, config, self.gateway)
        return self.sluiced.start()

    def remove(self):
        for namespace in (self.gateway, self.backend):
            namespace.remove()


def states(control):
    """State and reason of each backend, in the order of the list."""
    return [(row["state"], row["reason"]) for row in control.call("backend.list")]


def await_row(control, state, reason, what, seconds=60):
    """Waits until every backend is in that state for a reason that begins so."""

    def all_are():
        rows = states(control)
        return rows and all(found == state and why.startswith(reason) for found, why in rows)

    try:
        eventually(all_are, what, seconds)
    except TimeoutError as error:
        raise TimeoutError(f"{error}: {states(control)}") from None
