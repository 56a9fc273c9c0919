"""Fixtures of the page's tests: for each file a place and a browser, which end with it, and gateways."""

import pytest

import npm
from browser import FOLDER, Browser
from place import Place
from wireless import wireless_configuration

@pytest.fixture(scope="module")
def place(tmp_path_factory):
    made = Place(tmp_path_factory.mktemp("page"))
    yield made
    made.namespace.remove()


@pytest.fixture(scope="module")
def browser(place):
    npm.install(FOLDER)
    with Browser(place.namespace, place.directory / "browser.log") as running:
        yield running


@pytest.fixture
def make_gateway(place):
    """Makes gateways whose one port never receives; each is stopped after the test."""
    started = []

    def make(name, **sections):
        gateway = place.gateway(name, {**wireless_configuration("edge-1"), **sections})
        started.append(gateway)
        return gateway.start()

    yield make
    for gateway in started:
        gateway.stop()
