"""Fixtures of the end-to-end tests: the lab for packets, a gateway without a wire for everything else."""

import copy

import pytest

from gateway import Gateway
from lab import Lab
from wireless import wireless_configuration


@pytest.fixture(scope="session")
def lab():
    """The lab with its gateway running, shared by every test that needs packets."""
    with Lab() as running:
        yield running


@pytest.fixture
def gateway(lab):
    """The lab's gateway, for tests that change it: afterwards it runs with the lab's configuration again."""
    original = copy.deepcopy(lab.gateway.config)
    yield lab.gateway
    lab.gateway.write(original)
    for backend in lab.backends:
        if backend.nginx.poll() is not None:
            backend.start_nginx()
    # A fresh start forgets what operators and health checks said of backends.
    lab.gateway.stop()
    lab.gateway.start()


@pytest.fixture
def wireless(tmp_path_factory):
    """Makes gateways whose one port never receives; each is stopped after the test."""
    started = []

    def make(**sections):
        directory = tmp_path_factory.mktemp("gateway")
        gateway = Gateway(directory, {**wireless_configuration(directory.name), **sections})
        started.append(gateway)
        return gateway.start()

    yield make
    for gateway in started:
        gateway.stop()
