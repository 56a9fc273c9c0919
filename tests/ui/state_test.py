"""What the page is made of, over HTTP: `/ui`, `/ui/state`, `/ui/start`."""

import gzip
import json
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import pytest

from ledger_site import ledger_section, submit
from processes import eventually


@pytest.fixture
def gateway(make_gateway, tmp_path):
    pools = [{"name": "web", "backends": [{"address": "198.18.10.11", "port": 80}, {"address": "198.18.10.12", "port": 80}]}]
    services = [{"name": "site", "address": "203.0.113.10", "port": 80, "protocol": "tcp", "policy": "maglev",
                 "forward": "direct", "pool": "web"}]  # fmt: skip
    return make_gateway("state", pools=pools, services=services, ledger=ledger_section(tmp_path))


def get(gateway, path, **headers):
    """Status, headers and body, whatever the status."""
    url = f"http://{gateway.config['http']['listen']}{path}"

    class Kept(urllib.request.HTTPRedirectHandler):
        def redirect_request(self, *_):
            return None

    with gateway.namespace.entered():
        try:
            with urllib.request.build_opener(Kept).open(urllib.request.Request(url, headers=headers), timeout=60) as answer:
                return answer.status, answer.headers, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.headers, error.read()


def state(gateway):
    status, _, body = get(gateway, "/ui/state")
    assert status == 200
    return json.loads(body)


def test_the_page_is_served_with_its_policy(gateway):
    status, headers, plain = get(gateway, "/ui")
    assert status == 200 and headers["Content-Type"] == "text/html; charset=utf-8"
    assert headers["Content-Security-Policy"].startswith("default-src 'none'; script-src 'sha256-")
    assert headers["X-Content-Type-Options"] == "nosniff"
    _, headers, packed = get(gateway, "/ui", **{"Accept-Encoding": "gzip"})
    assert headers["Content-Encoding"] == "gzip" and len(packed) < 150 * 1024
    assert gzip.decompress(packed) == plain
    status, headers, _ = get(gateway, "/ui/")
    assert (status, headers["Location"]) == (308, "../ui")
    assert get(gateway, "/ui/nothing")[0] == 404


def test_the_document_says_what_the_control_socket_says(gateway):
    eventually(lambda: all(change["everywhere"] for change in gateway.call("change.list")), "the workers have begun")
    told = state(gateway)
    assert told["services"]["rows"] == gateway.call("service.list")
    assert told["sources"] == gateway.call("source.list")
    assert told["changes"] == gateway.call("change.list", limit=30)
    assert {drop["reason"]: drop["count"] for drop in told["drops"]} == gateway.call("drops.get")
    info = gateway.call("system.info")
    assert {key: info[key] for key in ("name", "version", "generation", "ports")} == {
        key: told["system"][key] for key in ("name", "version", "generation", "ports")
    }
    (pool,) = told["pools"]["rows"]
    rows = gateway.call("backend.list")
    assert (pool["pool"], pool["listed"], pool["available"], pool["omitted"]) == ("web", 2, 2, 0)
    keys = set(rows[0]) - {"pool"}
    assert [{key: row[key] for key in keys} for row in pool["backends"]] == [{key: row[key] for key in keys} for row in rows]


def test_what_is_wrong_has_its_time(gateway):
    assert state(gateway)["since"] == {}
    gateway.refusal("config.apply", config={})

    def refused():
        return state(gateway)["since"].get("apply_refused")

    since = eventually(refused, "it is seen")
    assert refused() == since  # it goes on
    assert not state(gateway)["system"]["last_apply_successful"]


def test_many_pages_cost_one_document(gateway):
    with ThreadPoolExecutor(32) as pool:
        answers = list(pool.map(lambda _: get(gateway, "/ui/state")[2], range(96)))
    times = {json.loads(answer)["time"] for answer in answers}
    assert len(times) < 48  # each would have one of its own, were it not shared


def test_the_ledger_is_told_with_its_last_block_and_checkpoint(gateway):
    receipt = submit(gateway, b"a")

    def told():
        ledger = state(gateway)["ledger"]
        return ledger if ledger["last_block"] else None

    ledger = eventually(told, "its block is covered by the checkpoint, and told")
    block = gateway.call("ledger.block", number=receipt["block"])
    assert ledger["last_block"] == {
        "number": block["number"], "time": block["time"], "first_index": 0, "transactions": 1, "hash": block["hash"],
    }  # fmt: skip
    note = gateway.call("ledger.checkpoint").splitlines()
    assert ledger["checkpoint"] == {"size": int(note[1]), "root": note[2]}
    assert ledger["tree_size"] == 1 and ledger["transactions"]["stored"] == 1


def test_the_last_minutes_are_kept_for_pages_that_come(gateway):
    def kept():
        start = json.loads(get(gateway, "/ui/start")[2])
        return start if len(start["history"]["received"]) >= 2 else None

    start = eventually(kept, "two seconds are kept")
    history = start["history"]
    assert history["interval"] == 1
    assert len(history["received"]) == len(history["transmitted"]) == len(history["dropped"])
    assert [row["reason"] for row in start["drop_reasons"]] == sorted(
        gateway.call("drops.get"), key=[row["reason"] for row in start["drop_reasons"]].index
    )


