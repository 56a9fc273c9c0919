"""What a source says, and what becomes of real flows: those of a backend that stays, and of one that goes."""

import copy
import json
import os
import threading

import pytest

from changes_test import FULL_NAT, KeptConnection, answered_by, pool_of
from processes import eventually

HTTP_PORT_OF_BACKENDS = 8080


@pytest.fixture
def discovered(gateway, tmp_path):
    """The lab's gateway, whose pool of full-nat comes from a file; a function that writes it."""
    path = tmp_path / "targets.json"

    def write(backends, withdraw="drain"):
        fresh = path.with_suffix(".new")
        fresh.write_text(json.dumps([{"targets": [f"{b.address4}:{HTTP_PORT_OF_BACKENDS}" for b in backends]}]))
        os.replace(fresh, path)
        config = copy.deepcopy(gateway.config)
        config["sources"] = [{"name": "files", "type": "file"}]
        pool = pool_of(config, FULL_NAT.pool)
        pool["backends"] = []
        pool["discover"] = {"source": "files", "path": str(path), "withdraw": withdraw}
        gateway.call("config.apply", config=config)

    return write


def rows(gateway):
    return {row["address"]: row for row in gateway.call("backend.list", pool=FULL_NAT.pool)}


def quiet(gateway, address, **more):
    return gateway.call(
        "backend.quiet", pool=FULL_NAT.pool, address=address, port=HTTP_PORT_OF_BACKENDS, **more
    )


def test_a_withdrawn_backend_keeps_its_flows_until_they_end(lab, gateway, discovered):
    discovered(lab.backends)
    eventually(lambda: len(rows(gateway)) == 3, "the file's backends are there")
    assert answered_by(lab, FULL_NAT) == {"b1", "b2", "b3"}
    kept = [KeptConnection(lab) for _ in range(30)]  # of which one of three has none in 200,000 runs
    homes = [connection.backend() for connection in kept]
    assert "b1" in homes
    gone = lab.backends[0].address4
    assert quiet(gateway, gone, timeout="0s")["quiet"] is False

    waiting = {}
    preparing = threading.Thread(target=lambda: waiting.update(quiet(gateway, gone, timeout="30s")))
    preparing.start()
    discovered(lab.backends[1:])
    eventually(lambda: rows(gateway)[gone]["state"] == "draining", "it drains")
    preparing.join()
    assert waiting["quiet"] is True and waiting["gone"] is False and waiting["active_flows"] > 0
    assert answered_by(lab, FULL_NAT) == {"b2", "b3"}
    assert [connection.backend() for connection in kept] == homes
    assert "withdrawn" in rows(gateway)[gone]["reason"]

    discovered(lab.backends)  # it has never been away
    eventually(lambda: rows(gateway)[gone]["state"] == "active", "it is back")
    assert [connection.backend() for connection in kept] == homes
    assert answered_by(lab, FULL_NAT) == {"b1", "b2", "b3"}

    discovered(lab.backends[1:])
    for connection, home in zip(kept, homes):
        if home == "b1":
            connection.connection.close()
    eventually(lambda: gone not in rows(gateway), "its last flow has ended", 120)
    assert quiet(gateway, gone, until="gone")["gone"] is True
    assert [connection.backend() for connection, home in zip(kept, homes) if home != "b1"] == [
        home for home in homes if home != "b1"
    ]
    page = gateway.get(f"/backend/{FULL_NAT.pool}/{gone}/{HTTP_PORT_OF_BACKENDS}/quiet?until=gone")
    assert json.loads(page.stdout)["gone"] is True
    assert gateway.get(f"/backend/{FULL_NAT.pool}/198.18.99.99/1/quiet").stdout.startswith("there is no")
    first = gateway.call("change.list", cause="source")
    assert first and all(change["everywhere"] for change in first)


def test_an_added_backend_has_its_first_flow_on_record(lab, gateway, discovered):
    discovered(lab.backends[:1])
    eventually(lambda: len(rows(gateway)) == 1, "one is there")
    discovered(lab.backends)
    eventually(lambda: len(rows(gateway)) == 3, "all are there")
    answered_by(lab, FULL_NAT)

    def newest():
        change = gateway.call("change.list", cause="source", limit=1)[0]
        return change if change["first_flow"] else None

    change = eventually(newest, "its first flow is on record")
    assert change["object"] == f"pool/{FULL_NAT.pool}"
    assert change["seen"] <= change["published"] <= change["first_flow"]


def test_remove_moves_flows_at_once(lab, gateway, discovered):
    discovered(lab.backends, withdraw="remove")
    eventually(lambda: len(rows(gateway)) == 3, "the file's backends are there")
    discovered(lab.backends[1:], withdraw="remove")
    eventually(lambda: len(rows(gateway)) == 2, "it is gone at once")
    assert answered_by(lab, FULL_NAT) == {"b2", "b3"}
