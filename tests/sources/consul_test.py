"""Backends from Consul, against a fake with blocking queries."""

import json

import pytest

from fake_registries import FakeConsul
from registries import LOOPBACK

WEB = {"service": "web"}


@pytest.fixture
def consul(network):
    fake = FakeConsul(network)
    yield fake
    fake.close()


def model(port: int = 8500, **more) -> dict:
    return {"type": "consul", "endpoints": [f"http://{LOOPBACK}:{port}"], "resync": 3000, **more}


def test_passing_and_warning_instances_by_their_weights(consul, source):
    consul.register("web", "web-1", "10.20.0.1", 80, Passing=5)
    consul.register("web", "web-2", "", 81, "warning", Passing=5, Warning=2)
    consul.register("web", "web-3", "10.20.0.3", 80, "critical")
    consul.register("web", "web-4", "10.20.0.4", 0)
    consul.register("web", "web-5", "web-5.example.test", 80, tags=["v2"])
    words = source(model(), WEB, {"service": "web", "tag": "v2"}, {"service": "none"})
    serving = [["10.20.0.1", 80, 5, True], ["10.9.9.9", 81, 2, True], ["web-5.example.test", 80]]
    snapshot = words.until_instances(serving)
    assert snapshot["entries"] == ["web-4: no port"]
    words.until_instances(serving[2:], id=2)
    words.until_instances([], id=3)
    consul.register("web", "web-6", "2001:db8::6", 80)
    words.until_instances([*serving, ["2001:db8::6", 80]])
    consul.deregister("web", "web-6")
    words.until_instances(serving)
    consul.change(lambda: consul.services.clear())
    words.until_instances([])
    assert words.losses() == []
    assert all("wait=2647ms" in path for path in consul.requests if "index=" in path)


def test_an_answer_without_a_change_is_a_word_all_the_same(consul, source):
    consul.register("web", "web-1", "10.20.0.1", 80)
    words = source(model(), WEB)
    words.until_instances([["10.20.0.1", 80]])
    mark = words.mark()
    consul.change()  # of something else
    words.until(lambda: words.words[mark:], "a word")
    assert words.words[mark]["word"] == "confirm"


def test_an_index_that_goes_backwards_begins_anew(consul, source):
    consul.change(index=1000)
    words = source(model(), WEB)
    words.until_instances([])
    consul.register("web", "web-1", "10.20.0.1", 80)
    words.until_instances([["10.20.0.1", 80]])
    consul.change(index=5)  # restored from a snapshot
    mark = len(consul.requests)
    words.until(lambda: any("index" not in path for path in consul.requests[mark:]), "a query without an index", 60)
    consul.register("web", "web-2", "10.20.0.2", 80)
    words.until_instances([["10.20.0.1", 80], ["10.20.0.2", 80]])


def test_what_is_no_answer_changes_nothing(consul, source, tmp_path):
    token = tmp_path / "token"
    token.write_text("7c1fa2b8\n")
    consul.token = "7c1fa2b8"
    consul.register("web", "web-1", "10.20.0.1", 80)
    words = source(model(token_file=str(token), datacenter="dc1"), WEB)
    known = words.until_instances([["10.20.0.1", 80]])
    assert all("dc=dc1" in path for path in consul.requests)

    def change(leader=True, status=200, held="7c1fa2b8"):
        consul.leader, consul.status, consul.token = leader, status, held
        consul.change(lambda: consul.services.clear())

    for failing, reason in (
        ({"leader": False}, "no leader"),
        ({"status": 500}, "HTTP status 500"),
        ({"held": "another"}, "HTTP status 403"),
    ):
        mark = words.mark()
        change(**failing)
        words.until_lost(reason, after=mark)
        assert words.snapshot()["instances"] == known["instances"]
        consul.leader, consul.status, consul.token = True, 200, "7c1fa2b8"
        consul.register("web", "web-1", "10.20.0.1", 80)
        words.until_held(after=words.mark())
    # A token that was replaced is read again.
    consul.token = "rotated"
    consul.change()
    words.until_lost("403", after=words.mark())
    token.write_text("rotated")
    words.until_held(after=words.mark())
    assert "7c1fa2b8" not in json.dumps(words.words)


def test_another_agent_is_asked_where_one_is_gone(network, consul, source):
    other = FakeConsul(network, 8510)
    for fake in (consul, other):
        fake.register("web", "web-1", "10.20.0.1", 80)
    words = source(model(endpoints=[f"http://{LOOPBACK}:{port}" for port in (8511, 8510, 8500)]), WEB)
    words.until_instances([["10.20.0.1", 80]])
    other.status = 500
    other.change()
    consul.register("web", "web-2", "10.20.0.2", 80)
    words.until_instances([["10.20.0.1", 80], ["10.20.0.2", 80]])
    other.close()
