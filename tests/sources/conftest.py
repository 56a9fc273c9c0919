"""Fixtures of the tests of sources: a network namespace, and sources that end with their test."""

import pytest

from namespaces import Namespace, owner_tag
from registries import Server
from source_process import SourceProcess


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
