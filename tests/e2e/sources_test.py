"""Pools whose backends come from files: what a file says is what the gateway has, and what is no file at all
takes nobody away. The files are written as people and tools write them: in place, by rename, cut, deleted."""

import copy
import json
import os
import socket
import threading
import time

import pytest

import maglev
from control import Control
from control_loop_test import times_held
from gateway import HASH_KEY
from processes import eventually

POOL = "web"


def targets(addresses, port=8080, weight=None):
    group = {"targets": [f"{address}:{port}" for address in addresses]}
    if weight is not None:
        group["labels"] = {"weight": str(weight)}
    return [group]


def address(number):
    return f"198.18.{20 + number // 250}.{1 + number % 250}"


class Files:
    """A gateway with one pool that one file feeds."""

    def __init__(self, directory, wireless, **changes):
        self.path = directory / "web.json"
        self.source = {"name": "files", "type": "file", **changes.pop("source", {})}
        self.pool = {
            "name": POOL,
            "discover": {"source": "files", "path": str(self.path), **changes.pop("discover", {})},
            **changes,
        }
        service = {"name": POOL, "address": "203.0.113.10", "port": 80, "protocol": "tcp",
                   "forward": "dnat", "pool": POOL}  # fmt: skip
        self.make = lambda: wireless(sources=[self.source], pools=[self.pool], services=[service])

    def start(self):
        self.gateway = self.make()
        return self

    def replace(self, groups):
        """By rename, as configuration management does it."""
        fresh = self.path.with_suffix(".new")
        fresh.write_text(groups if isinstance(groups, str) else json.dumps(groups))
        os.replace(fresh, self.path)

    def rows(self):
        return {row["address"]: row for row in self.gateway.call("backend.list", pool=POOL)}

    def states(self):
        return {address: row["state"] for address, row in self.rows().items()}

    def source_row(self):
        (row,) = self.gateway.call("source.list")
        return row

    def becomes(self, *addresses, seconds=60):
        eventually(lambda: set(self.states()) == set(addresses), f"the pool has {addresses}", seconds)

    def state_becomes(self, state):
        eventually(lambda: self.source_row()["state"] == state, f"the source is {state}")


@pytest.fixture
def files(tmp_path, wireless):
    return lambda **changes: Files(tmp_path, wireless, **changes)


def test_a_file_is_followed_through_its_life(files):
    site = files().start()
    generation = site.gateway.call("system.info")["generation"]
    site.state_becomes("failed")  # there is none yet
    site.replace(targets([address(1), address(2)], weight=3))
    site.becomes(address(1), address(2))
    row = site.rows()[address(1)]
    assert (row["origin"], row["state"], row["weight"]) == ("files", "active", 3)
    listed = site.source_row()
    assert listed["pools"] == [{"pool": POOL, "instances": 2, "held": False}]
    assert (listed["type"], listed["state"]) == ("file", "synced")
    assert listed["since"] <= listed["last_success"] <= time.time() + 1

    for nonsense in ("", '[{"targets": ["198.18.', "{}", "\x00\xff", "7", "- - -"):
        site.replace(nonsense)
        site.state_becomes("stale")
        assert set(site.states()) == {address(1), address(2)}, nonsense
        site.replace(targets([address(1), address(2)], weight=3))
        site.state_becomes("synced")
    site.path.unlink()
    site.state_becomes("stale")
    assert "No such file" in site.source_row()["last_error"]
    assert set(site.states()) == {address(1), address(2)}

    site.replace(targets([address(2)]))
    site.becomes(address(2))  # whom nobody names any more, and who has no flows, is forgotten
    site.replace([])
    site.becomes()
    assert site.gateway.call("system.info")["generation"] == generation
    assert site.gateway.call("config.history")[0]["generation"] == generation


def test_the_table_is_that_of_the_naive_twin(files):
    site = files(backends=[{"address": address(0), "port": 8080, "weight": 2}])
    site.replace(targets([address(i) for i in range(20)], weight=5))
    site.start().becomes(*(address(i) for i in range(20)))
    backends = [maglev.Backend(address(0), 8080, 2)] + [maglev.Backend(address(i), 8080, 5) for i in range(1, 20)]
    expected = maglev.build_table(HASH_KEY, backends, maglev.TCP)
    table = site.gateway.call("service.table", service=POOL)
    assert table["sha256"] == maglev.table_sha256(expected, maglev.TCP)
    assert site.rows()[address(0)]["origin"] == "file"  # the file beats the source


def test_entries_that_cannot_be_read_are_named_once(files):
    site = files()
    site.replace([{"targets": ["nonsense", "198.18.20.1:0", f"{address(1)}:8080", "[2001:db8::1]:8080"]}])
    site.start().becomes(address(1))
    metrics = site.gateway.metrics()
    # The service is IPv4 and translates: it cannot serve an IPv6 backend.
    assert metrics['sluice_source_unreadable_total{source="files"}'] == 3
    site.replace([{"targets": ["nonsense", "198.18.20.1:0", f"{address(2)}:8080", "[2001:db8::1]:8080"]}])
    site.becomes(address(2))
    assert site.gateway.metrics()['sluice_source_unreadable_total{source="files"}'] == 3
    site.gateway.await_line("2001:db8::1")
    log = site.gateway.log.read_text()
    assert log.count("nonsense") == 1 and log.count("2001:db8::1") == 1


def test_a_guard_holds_until_released(files):
    site = files(discover={"guard": 0.5})
    site.replace(targets([address(i) for i in range(4)]))
    site.start().becomes(*(address(i) for i in range(4)))
    site.replace(targets([address(0)]))
    site.state_becomes("held")
    assert len(site.rows()) == 4
    assert site.gateway.metrics()[f'sluice_source_held{{source="files",pool="{POOL}"}}'] == 1
    assert site.gateway.refusal("source.release", source="nowhere").data["kind"] == "not_found"
    assert site.gateway.call("source.release", source="files", pool=POOL) == {"released": [POOL]}
    site.becomes(address(0))
    site.state_becomes("synced")
    site.replace([])
    site.state_becomes("held")
    site.replace(targets([address(0), address(1)]))  # the next one that is within it ends it
    site.becomes(address(0), address(1))
    site.state_becomes("synced")


def test_operators_and_sources_both_have_a_say(files):
    site = files()
    site.replace(targets([address(1), address(2)], weight=4))
    site.start().becomes(address(1), address(2))
    first = {"pool": POOL, "address": address(1), "port": 8080}
    site.gateway.call("backend.set", **first, state="draining", weight=9)
    row = site.rows()[address(1)]
    assert (row["state"], row["weight"], row["share"]) == ("draining", 9, 0)
    site.replace(targets([address(1), address(2), address(3)], weight=4))
    site.becomes(address(1), address(2), address(3))
    row = site.rows()[address(1)]
    assert (row["state"], row["weight"]) == ("draining", 9)  # an update of others changes nothing
    site.replace(targets([address(1), address(2), address(3)], weight=5))
    eventually(lambda: site.rows()[address(1)]["weight"] == 5, "the source names another weight")
    assert site.rows()[address(1)]["state"] == "draining"


def test_discovered_backends_are_checked(files):
    site = files(health={"type": "tcp", "interval": "100ms", "timeout": "1s", "rise": 1, "fall": 1})
    accuracy = 'sluice_source_accuracy_ratio{source="files"}'
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        site.replace(targets(["127.0.0.1", "127.0.0.2"], port=port))
        site.start()
        # Nobody listens at the second one, which the source offers all the same.
        wanted = {"127.0.0.1": "active", "127.0.0.2": "down"}
        eventually(lambda: site.states() == wanted, "one is up and one is down")
        eventually(lambda: site.gateway.metrics().get(accuracy) == 0.5, "half of what it says is right")
    eventually(lambda: site.states()["127.0.0.1"] == "down", "nobody listens there any more")
    assert site.gateway.call("change.list", cause="health", limit=1)
    site.replace(targets([address(1)], port=port))
    eventually(lambda: "127.0.0.1" not in site.states(), "it is gone, and its check with it")


def test_readiness_waits_for_the_first_answer(files):
    site = files().start()
    assert "source" in site.gateway.get("/readyz").stdout
    site.replace(targets([address(1)]))
    eventually(lambda: site.gateway.get("/readyz").stdout.startswith("ready"), "it is ready")


def test_sources_change_without_a_restart(files, tmp_path):
    site = files()
    site.replace(targets([address(1)]))
    site.start().becomes(address(1))
    other = tmp_path / "other.yaml"
    other.write_text(f"- targets: ['{address(2)}:8080']\n")
    config = copy.deepcopy(site.gateway.config)
    config["sources"].append({"name": "others", "type": "file"})
    config["pools"][0]["discover"] = {"source": "others", "path": str(other)}
    answer = site.gateway.call("config.apply", config=config)
    assert answer["changed"] == ["pool/web", "sources"]
    site.becomes(address(2))
    config["pools"][0].pop("discover")
    config["pools"][0]["backends"] = []
    config["sources"] = []
    site.gateway.call("config.apply", config=config)
    site.becomes()
    assert site.gateway.call("source.list") == []


@pytest.mark.alone
def test_ten_thousand_entries_and_one_among_them(files, capsys):
    site = files()
    all_of_them = [address(i) for i in range(10_000)]
    site.start()
    worst, ends = [0.0], threading.Event()

    def ask():
        while not ends.is_set():
            began = time.monotonic()
            with Control(site.gateway.socket) as control:
                control.call("system.info")
            worst[0] = max(worst[0], time.monotonic() - began)

    whole = []

    def change():
        began = time.monotonic()
        site.replace(targets(all_of_them))
        instances = f'sluice_source_instances{{source="files",pool="{POOL}"}}'
        eventually(lambda: site.source_row()["pools"][0]["instances"] == 10_000, "all are there")
        eventually(lambda: site.gateway.call("change.list", cause="source"), "they are published")
        whole.append(time.monotonic() - began)
        assert site.gateway.metrics()[instances] == 10_000
        site.replace(targets(all_of_them[1:]))
        eventually(lambda: site.source_row()["pools"][0]["instances"] == 9_999, "one is gone")
        assert site.gateway.call("service.table", service=POOL)["size"] == 1048583

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        held = times_held(site.gateway, change)
    finally:
        ends.set()
        asking.join()
    changes = site.gateway.call("change.list", cause="source")
    took = [change["everywhere"] - change["seen"] for change in changes if change["everywhere"]]
    with capsys.disabled():
        print(f"\n    10,000 entries in {whole[0]:.2f} s; from seen to everywhere {took} s; "
              f"slowest answer {worst[0] * 1e3:.0f} ms")  # fmt: skip
    assert held == 0, "a step of the control loop was longer than 50 ms"


def test_changes_are_followed(files):
    site = files()
    site.replace(targets([address(1)]))
    site.start().becomes(address(1))
    site.gateway.call("backend.set", pool=POOL, address=address(1), port=8080, weight=7)
    config = copy.deepcopy(site.gateway.config)
    config["log"] = {"level": "debug"}
    generation = site.gateway.call("config.apply", config=config)["generation"]

    def complete():
        changes = site.gateway.call("change.list")
        return changes if all(change["everywhere"] for change in changes) else None

    changes = eventually(complete, "every worker has every change")
    assert [(change["cause"], change["object"]) for change in changes] == [
        ("config", f"config/{generation}"),
        ("operator", f"backend/{POOL}/{address(1)}:8080"),
        ("source", f"pool/{POOL}"),
    ]
    for change in changes:
        assert change["seen"] <= change["compiled"] <= change["published"] <= change["everywhere"]
        assert change["first_flow"] is None
    assert [change["id"] for change in site.gateway.call("change.list", limit=1)] == [changes[0]["id"]]
    assert site.gateway.metrics()['sluice_change_seconds_count{cause="operator"}'] == 1
    shown = site.gateway.ctl_json("change", "list", "--cause", "source")
    assert [change["object"] for change in shown] == [f"pool/{POOL}"]
    assert site.gateway.ctl_json("source", "list")[0]["name"] == "files"
