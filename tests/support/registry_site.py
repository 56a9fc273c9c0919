"""A gateway that services register themselves with, and clients of it. The modules that protoc makes of the .proto
have to be on the path: the fixture `generated`."""

import json

import grpc
import pytest

from gateway import Gateway
from namespaces import run
from processes import eventually
from wireless import free_port, wireless_configuration


class RegistrySite:
    """A gateway whose pool `web` is what registers itself as service `web`, and clients of it."""

    def __init__(self, directory, **settings):
        self.http_port, self.grpc_port = free_port(), free_port()
        config = {
            **wireless_configuration("registration"),
            "registry": {"http": f"127.0.0.1:{self.http_port}", "grpc": f"127.0.0.1:{self.grpc_port}", **settings},
            "sources": [{"name": "mesh", "type": "registry"}],
            "pools": [{"name": "web", "discover": {"source": "mesh", "service": "web"}}],
            "services": [
                {"name": "web", "address": "203.0.113.10", "port": 80, "protocol": "tcp", "forward": "dnat",
                 "pool": "web"}
            ],
        }  # fmt: skip
        self.gateway = Gateway(directory, config)
        self.scheme = "https" if "tls" in settings else "http"
        self.credentials = None
        self.curl_options = []

    def url(self, path):
        return f"{self.scheme}://127.0.0.1:{self.http_port}{path}"

    def curl(self, method, path, body=None, *options):
        """Status, JSON and headers."""
        data = ["--data", json.dumps(body)] if body is not None else []
        done = run(
            "curl", "-sS", "-m", "60", "-D", "-", "-X", method, *data, *self.curl_options, *options, self.url(path),
            timeout=90,
        )  # fmt: skip
        head, _, text = done.stdout.replace("\r", "").partition("\n\n")
        headers = dict(line.lower().split(": ", 1) for line in head.splitlines()[1:])
        return int(head.split()[1]), json.loads(text), headers

    def stub(self):
        import sluice_registry_pb2_grpc as services  # pylint: disable=import-outside-toplevel

        address = f"127.0.0.1:{self.grpc_port}"
        options = [("grpc.enable_http_proxy", 0)]
        if self.credentials:
            return services.ServiceDiscoveryStub(grpc.secure_channel(address, self.credentials, options))
        return services.ServiceDiscoveryStub(grpc.insecure_channel(address, options))

    def backends(self):
        rows = self.gateway.call("backend.list", pool="web")
        serving = [row for row in rows if row["state"] != "draining"]
        assert all(row["origin"] == "mesh" for row in rows)
        return sorted((f"{row['address']}:{row['port']}", row["weight"]) for row in serving)

    def until_backends(self, *expected):
        eventually(lambda: self.backends() == sorted(expected), f"backends {expected}, not {self.backends()}", 60)


def instance(name="one", address="198.18.20.11", ttl=60, **fields):
    import sluice_registry_pb2 as messages  # pylint: disable=import-outside-toplevel

    made = messages.ServiceInstance(service="web", instance=name, address=address, port=8080, **fields)
    made.ttl.seconds = ttl
    return made


def refused(call, *arguments, **options):
    with pytest.raises(grpc.RpcError) as caught:
        call(*arguments, timeout=30, **options)
    return caught.value.code(), caught.value.details()
