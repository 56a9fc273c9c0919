"""A namespace with backends in it: where the gateways of the page's tests run, and the browser beside them."""

import sys

from gateway import Gateway
from namespaces import Namespace, owner_tag
from processes import eventually

BACKENDS = ("198.18.20.11", "198.18.20.12", "198.18.20.13")
PORT = 8080


class Place:
    """The namespace, and web servers at the backends' addresses."""

    def __init__(self, directory):
        self.directory = directory
        self.namespace = Namespace("page", owner_tag())
        for address in BACKENDS:
            self.namespace.ip("address", "add", f"{address}/32", "dev", "lo")
        self.servers = {}

    def serve(self, address):
        """A web server at a backend's address, if it has none."""
        if address in self.servers and self.servers[address].poll() is None:
            return
        command = [sys.executable, "-m", "http.server", "--bind", address, "--directory", self.directory, PORT]
        self.servers[address] = self.namespace.spawn(*command, log=self.directory / "server.log")
        eventually(lambda: f"{address}:{PORT} " in self.namespace.run("ss", "-Hltn").stdout, "the server listens")

    def kill(self, address):
        self.servers[address].kill()
        self.servers[address].wait()

    def gateway(self, name, config):
        return Gateway(self.directory / name, config, self.namespace)
