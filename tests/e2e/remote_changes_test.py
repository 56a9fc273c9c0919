"""`remote` and `audit` are changed while the gateway runs: without a restart, and without locking out who does it."""

import copy
import http.client
import json
import socket
import ssl
import time

import pytest

from credentials import token
from processes import eventually, spawn, stop
from remote_site import ADMIN_ID, RemoteSite
from wireless import free_port


@pytest.fixture
def site(tmp_path):
    made = RemoteSite(tmp_path)
    with made.gateway:
        yield made


def changed(site, **sections):
    return {**copy.deepcopy(site.gateway.config), **sections}


def refused(site, config):
    """What an apply from afar is refused for: field and words."""
    status, answer = site.rpc("config.apply", "admin", config=config)
    assert status == 200, answer
    return [(fault["pointer"], fault["message"]) for fault in answer["error"]["data"]["faults"]]


def test_a_role_that_is_taken_away_counts_on_open_connections_too(site):
    context = ssl.create_default_context(cafile=site.authority.file)
    context.load_cert_chain(*site.who["ops"])
    open_one = http.client.HTTPSConnection("127.0.0.1", site.port, timeout=60, context=context)
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "system.info", "params": {}})

    def status():
        open_one.request("POST", "/rpc", body)
        with open_one.getresponse() as answer:
            answer.read()
            return answer.status

    assert status() == 200 and status() == 200 and open_one.sock is not None, "it is kept"
    fewer = changed(site)
    fewer["remote"]["roles"] = [{"san": ADMIN_ID, "role": "admin"}]
    code, answer = site.rpc("config.apply", "admin", config=fewer)
    assert code == 200 and "remote" in answer["result"]["changed"], "whoever changes it gets the answer"
    eventually(lambda: site.rpc("system.info", "ops")[0] == 403, "new connections go by it")
    with pytest.raises((OSError, http.client.HTTPException)):
        status()
    open_one.close()
    assert site.authentications()["ok"] >= 2, "what was counted before is counted still"


def test_an_address_is_changed_and_streams_end_with_the_old_one(site):
    stream = spawn("curl", "-sS", "-N", "-m", "60", "--cacert", site.authority.file, "-H", f"Authorization: Bearer {token('view')}",
                   site.url + "/events", log=site.directory / "stream.log")  # fmt: skip
    try:
        eventually(lambda: site.authentications().get("ok") == 1, "the stream is open")
        before, after = site.port, free_port()
        moved = changed(site)
        moved["remote"]["listen"] = f"127.0.0.1:{after}"
        assert "result" in site.rpc("config.apply", "admin", config=moved)[1]
        stream.wait(60)
    finally:
        stop(stream)
    site.port = after
    eventually(lambda: site.rpc("system.info", "ops")[0] == 200, "it is at the new address")
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", before), 5)
    # The same port at another address, which overlaps the one that is bound.
    wide = changed(site)
    wide["remote"]["listen"] = f"0.0.0.0:{after}"
    assert "result" in site.rpc("config.apply", "admin", config=wide)[1]
    eventually(lambda: site.rpc("system.info", "ops")[0] == 200, "it is at every address")


def test_it_ends_and_begins_without_a_restart(site):
    without = changed(site)
    remote = without.pop("remote")
    assert "result" in site.rpc("config.apply", "admin", config=without)[1]
    eventually(lambda: site.curl("/healthz")[0] == 0, "nobody is at the address")
    assert not site.authentications()
    site.gateway.call("config.apply", config={**without, "remote": remote})
    eventually(lambda: site.rpc("system.info", "ops")[0] == 200, "it is back")


def test_what_cannot_be_opened_is_refused_by_its_field(site):
    assert site.gateway.call("config.diff", config=changed(site, audit={}))["needs_restart"] is False
    missing = changed(site)
    missing["remote"]["tls"]["key"] = "file:/nowhere/server.key"
    ((field, words),) = refused(site, missing)
    assert field == "/remote/tls" and "/nowhere/server.key" in words
    with socket.create_server(("127.0.0.1", 0)) as taken:
        busy = changed(site)
        busy["remote"]["listen"] = "127.0.0.1:%d" % taken.getsockname()[1]
        ((field, words),) = refused(site, busy)
        assert field == "/remote/listen" and "remote.listen" in words
    ((field, _),) = refused(site, changed(site, audit={"file": "/nowhere/audit.jsonl"}))
    assert field == "/audit/file"
    generation = site.gateway.call("system.info")["generation"]
    time.sleep(1)
    assert generation == 1 and site.rpc("system.info", "ops")[0] == 200


def test_the_audit_log_goes_on_in_another_file(site):
    other = site.directory / "other.jsonl"
    assert "result" in site.rpc("config.apply", "admin", config=changed(site, audit={"file": str(other)}))[1]
    eventually(other.exists, "the file is made")
    assert site.rpc("backend.set", "ops", pool="web", address="198.18.20.11", port=8080, weight=7)[0] == 200
    eventually(lambda: '"backend.set"' in other.read_text(), "it has the next call")
    assert '"backend.set"' not in site.audit.read_text() and '"config.apply"' in site.audit.read_text() + other.read_text()
    assert site.gateway.metrics()["sluice_audit_lost_total"] == 0
