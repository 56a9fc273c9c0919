"""Fixtures of the tests of sources: a network namespace, and sources that end with their test."""

import pathlib
import sys

import pytest

from namespaces import Namespace, owner_tag, run
from registries import Server
from source_process import SourceProcess

PROTO = pathlib.Path(__file__).resolve().parents[2] / "packaging" / "proto"


@pytest.fixture(scope="module")
def network(request):
    """A network namespace with nothing but a loopback."""
    namespace = Namespace(request.module.__name__.rsplit("_", 1)[0], owner_tag())
    yield namespace
    namespace.remove()


@pytest.fixture(autouse=True)
def servers_end():
    """Servers that a test has started end with it."""
    before = list(Server.running)
    yield
    for server in [one for one in Server.running if one not in before]:
        server.kill()


@pytest.fixture
def source(network):
    """Starts sources: source(model, discover...)."""
    started = []

    def start(model: dict, *discovers: dict) -> SourceProcess:
        started.append(SourceProcess(network, {"min_ttl": 300, **model}, *discovers))
        return started[-1]

    yield start
    for one in started:
        one.process.kill()
        one.process.wait()


@pytest.fixture(scope="session")
def generated(tmp_path_factory):
    """What protoc makes of the .proto, as any client of the registry does."""
    directory = tmp_path_factory.mktemp("generated")
    run(
        "protoc", "-I", PROTO, f"--python_out={directory}", f"--grpc_python_out={directory}",
        "--plugin=protoc-gen-grpc_python=/usr/bin/grpc_python_plugin", "sluice_registry.proto",
    )  # fmt: skip
    sys.path.insert(0, str(directory))
    yield directory
    sys.path.remove(str(directory))
