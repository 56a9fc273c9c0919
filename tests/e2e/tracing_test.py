"""Traces by OTLP over HTTP, to a receiver that decodes them by OpenTelemetry's own definitions."""

import copy
import hashlib
import json
import os
import subprocess
import time

import pytest

from control import Control
from events_test import Listener, configuration
from gateway import Gateway
from ledger_site import WIRE4, LedgerSite
from otlp_receiver import Receiver, install
from processes import eventually
from remote_site import RemoteSite
from wireless import free_port

KEEPS_UP = 60  # seconds that anything may take on a busy machine
STEPS = {"config.read", "config.compile", "config.publish", "config.worker"}
TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
SERVER = 2  # SpanKind


@pytest.fixture(name="receiver")
def receiver_fixture():
    with Receiver() as receiver:
        yield receiver


@pytest.fixture(name="backend")
def backend_fixture():
    listener = Listener()
    yield listener
    listener.close()


@pytest.fixture(name="gateway")
def gateway_fixture(tmp_path, backend, receiver):
    config = {**configuration("edge.1", backend), "tracing": {"otlp": receiver.url}}
    cpu = min(os.sched_getaffinity(0))
    config["gateway"] = {**config["gateway"], "workers": [cpu, cpu]}
    config["ports"][0]["device"] = "net_null0,no-rx=1"
    with Gateway(tmp_path / "gateway", config) as gateway:
        eventually(lambda: gateway.call("backend.list")[0]["state"] == "active", "the backend is found")
        yield gateway


def weighed(gateway, weight: int) -> dict:
    config = copy.deepcopy(gateway.config)
    config["pools"][0]["backends"][0]["weight"] = weight
    return config


def sent_with(traceparent, method: str, **params) -> dict:
    request = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
    return request if traceparent is None else {**request, "traceparent": traceparent}


def ask(gateway, request: dict) -> dict:
    with Control(gateway.socket, timeout=KEEPS_UP) as control:
        control.send(json.dumps(request).encode() + b"\n")
        return control.receive()


def change_with_its_steps(receiver, is_it, workers: int) -> list:
    """The spans of one change, the first that it can be, of which it is checked how they hang together."""
    change = min(receiver.await_spans(is_it), key=lambda span: span.start)
    of_it = receiver.await_spans(lambda span: span.parent == change.id, 3 + workers)
    assert {span.name for span in of_it} == STEPS
    assert {span.attributes["sluice.worker"] for span in of_it if span.name == "config.worker"} == set(range(workers))
    for span in of_it:
        assert span.trace == change.trace
        assert change.start <= span.start <= span.end <= change.end
    by_name = {span.name: span for span in of_it}
    assert by_name["config.read"].end <= by_name["config.compile"].start
    assert by_name["config.compile"].end <= by_name["config.publish"].start
    assert by_name["config.publish"].end <= by_name["config.worker"].start
    return [change, *of_it]


def of_generation(number: int):
    return lambda span: span.name == "config.apply" and span.attributes.get("sluice.generation") == number


def test_each_change_of_configuration_is_a_trace(gateway, receiver):
    began = time.time()
    start, *_ = change_with_its_steps(receiver, of_generation(1), 2)
    assert start.parent == "" and start.attributes["sluice.author"] == "file" and abs(start.start - began) < 300
    resource = start.resource
    assert (resource["service.name"], resource["service.instance.id"]) == ("sluice", "edge.1")
    assert resource["service.version"] == gateway.call("system.info")["version"]
    generation = gateway.call("config.apply", config=weighed(gateway, 3))["generation"]
    applied, *_ = change_with_its_steps(receiver, of_generation(generation), 2)
    assert applied.parent == "" and applied.trace != start.trace and applied.attributes["rpc.method"] == "config.apply"
    gateway.write(weighed(gateway, 4))
    gateway.reload()
    change_with_its_steps(receiver, of_generation(generation + 1), 2)
    gateway.call("config.rollback", generation=generation)
    change_with_its_steps(receiver, of_generation(generation + 2), 2)
    exported = 'sluice_trace_spans_total{result="exported"}'
    eventually(lambda: gateway.metrics()[exported] >= 24, "they are counted", KEEPS_UP)
    metrics = gateway.metrics()
    assert metrics['sluice_trace_spans_total{result="dropped"}'] == 0
    assert metrics['sluice_trace_spans_total{result="failed"}'] == 0


def test_a_change_goes_on_with_the_trace_of_who_asks(gateway, receiver):
    answer = ask(gateway, sent_with(f"00-{TRACE}-{PARENT}-01", "config.apply", config=weighed(gateway, 3)))
    change, *_ = change_with_its_steps(receiver, of_generation(answer["result"]["generation"]), 2)
    assert (change.trace, change.parent, change.kind) == (TRACE, PARENT, SERVER)
    ask(gateway, sent_with(f"00-{TRACE}-{PARENT}-01", "backend.list"))
    receiver.await_spans(lambda span: span.name == "backend.list" and (span.trace, span.parent) == (TRACE, PARENT))


def test_an_invalid_traceparent_begins_a_new_trace_and_the_request_goes_on(gateway, receiver):
    for weight, wrong in ((3, f"00-{TRACE}-{PARENT}-1"), (4, f"ff-{TRACE}-{PARENT}-01"), (5, 7), (6, None), (7, "")):
        answer = ask(gateway, sent_with(wrong, "config.apply", config=weighed(gateway, weight)))
        change, *_ = change_with_its_steps(receiver, of_generation(answer["result"]["generation"]), 2)
        assert change.trace != TRACE and change.parent == ""


def test_of_what_is_not_sampled_there_are_no_spans(gateway, receiver):
    answer = ask(gateway, sent_with(f"00-{TRACE}-{PARENT}-00", "config.apply", config=weighed(gateway, 3)))
    generation = answer["result"]["generation"]
    gateway.call("config.apply", config=weighed(gateway, 4))
    change_with_its_steps(receiver, of_generation(generation + 1), 2)
    assert receiver.of_trace(TRACE) == []
    assert not [span for span in receiver.spans if of_generation(generation)(span)]


def test_a_change_that_is_refused_says_why(gateway, receiver):
    refused = gateway.refusal("config.apply", config={**gateway.config, "pools": 1})
    (change,) = receiver.await_spans(lambda span: span.name == "config.apply" and span.has_failed)
    assert change.failure == refused.message and change.attributes["error.type"] == "invalid"
    (read,) = receiver.await_spans(lambda span: span.parent == change.id)
    assert read.name == "config.read" and read.has_failed
    gateway.file.write_text("pools: [")
    gateway.reload()
    (change,) = receiver.await_spans(lambda span: span.name == "config.apply" and "sluice.yaml:1" in span.failure)
    assert change.attributes["sluice.author"] == "file"


def test_a_backend_s_states_are_spans_as_long_as_they_last(gateway, receiver, backend):
    backend.close()
    label = f"127.0.0.1:{backend.port}"

    def states(state: str):
        return lambda span: (
            span.name == "backend.state" and span.attributes["sluice.state"] == state
            and (span.attributes["sluice.pool"], span.attributes["sluice.backend"]) == ("web", label)
        )  # fmt: skip

    (active,) = receiver.await_spans(states("active"))
    backend.open_again()
    down = receiver.await_spans(lambda span: states("down")(span) and span.start >= active.start)[-1]
    assert down.start >= active.end - 1 and "refused" in down.attributes["sluice.reason"]
    assert gateway.stop() == 0  # and the last one ends with the gateway
    assert len(receiver.await_spans(states("active"), 2)) == 2


def test_updates_of_sources_are_traces(tmp_path, receiver):
    targets = tmp_path / "web.json"
    targets.write_text(json.dumps([{"targets": ["198.18.20.11:80"]}]))
    listener = Listener()
    config = {
        **configuration("edge-1", listener),
        "sources": [{"name": "files", "type": "file"}],
        "tracing": {"otlp": receiver.url},
    }
    listener.close()
    config["pools"] = [{"name": "web", "discover": {"source": "files", "path": str(targets)}}]
    with Gateway(tmp_path / "gateway", config):
        first, *_ = change_with_its_steps(receiver, lambda span: span.name == "source.update", 1)
        assert (first.attributes["sluice.source"], first.attributes["sluice.pool"]) == ("files", "web")
        assert first.parent == ""
        fresh = targets.with_suffix(".fresh")
        fresh.write_text(json.dumps([{"targets": ["198.18.20.12:80"]}]))
        fresh.rename(targets)
        change_with_its_steps(receiver, lambda span: span.name == "source.update" and span.trace != first.trace, 1)


def test_requests_from_afar_are_spans(tmp_path, receiver):
    site = RemoteSite(tmp_path / "site")
    config = {**site.gateway.config, "tracing": {"otlp": receiver.url}}
    site.gateway.write(config)
    with site.gateway as gateway:
        field = ("-H", f"traceparent: 00-{TRACE}-{PARENT}-01")
        wanted = copy.deepcopy(gateway.config)
        wanted["pools"][0]["backends"][0]["weight"] = 7
        request = tmp_path / "request"
        request.write_text(json.dumps(sent_with(None, "config.apply", config=wanted)))
        status, body = site.curl("/rpc", *field, "--data-binary", f"@{request}", who="admin")
        assert status == 200
        generation = json.loads(body)["result"]["generation"]
        change, *_ = change_with_its_steps(receiver, of_generation(generation), 1)
        assert (change.trace, change.parent, change.kind) == (TRACE, PARENT, SERVER)
        assert change.attributes["client.address"] == "127.0.0.1" and change.attributes["client.port"] > 0
        assert site.curl("/metrics", *field, who="ops")[0] == 200
        (page,) = receiver.await_spans(lambda span: span.name == "GET /metrics")
        assert (page.trace, page.parent, page.kind) == (TRACE, PARENT, SERVER)
        assert page.attributes["http.response.status_code"] == 200
        # Two are none that is valid; whoever is not let in leaves no trace.
        assert site.curl("/version", *field, *field, who="ops")[0] == 200
        assert site.curl("/readyz", *field)[0] == 401
        (page,) = receiver.await_spans(lambda span: span.name == "GET /version")
        assert page.trace != TRACE and page.parent == ""
        request.write_text(json.dumps(sent_with(None, "config.apply", config=wanted)))
        assert site.curl("/rpc", "--data-binary", f"@{request}", who="ops")[0] == 200
        receiver.await_spans(lambda span: span.attributes.get("error.type") == "forbidden")
        assert not [span for span in receiver.spans if span.name == "GET /readyz"]


def test_what_waits_is_sent_once_a_receiver_is_back_and_none_keeps_changes_waiting(tmp_path, backend):
    port = free_port()
    config = {**configuration("edge-1", backend), "tracing": {"otlp": f"http://127.0.0.1:{port}"}}
    with Gateway(tmp_path / "gateway", config) as gateway:
        for weight in range(2, 22):
            gateway.call("config.apply", config=weighed(gateway, weight))
        gateway.await_line("tracing: 127.0.0.1:" + str(port), KEEPS_UP)
        with Receiver(port) as receiver:
            receiver.await_spans(lambda span: span.name == "config.apply", 21, KEEPS_UP)
            gateway.await_line("again", KEEPS_UP)
            metrics = gateway.metrics()
            assert metrics['sluice_trace_spans_total{result="dropped"}'] == 0
            assert metrics['sluice_trace_spans_total{result="failed"}'] == 0


def test_a_receiver_is_configured_at_run_time_and_its_headers_are_secret(tmp_path, backend, receiver):
    token = tmp_path / "token"
    token.write_text("Bearer from-a-file\n")
    token.chmod(0o600)
    with Gateway(tmp_path / "gateway", configuration("edge-1", backend)) as gateway:
        gateway.call("config.apply", config=weighed(gateway, 2))
        traced = weighed(gateway, 3)
        traced["tracing"] = {
            "otlp": receiver.url,
            "headers": {"authorization": f"file:{token}", "x-key": "in-plain-text"},
            "resource": {"deployment.environment.name": "lab"},
        }
        answer = gateway.call("config.apply", config=traced)
        assert answer["changed"] == ["pool/web", "tracing"]
        change, *_ = change_with_its_steps(receiver, of_generation(answer["generation"]), 1)  # the very change
        assert change.resource["deployment.environment.name"] == "lab"
        fields = {name.lower(): value for name, value in receiver.requests[0].items()}
        assert (fields["authorization"], fields["x-key"]) == ("Bearer from-a-file", "in-plain-text")
        token.write_text("Bearer the-second-of-it\n")
        gateway.call("config.apply", config={**traced, "pools": weighed(gateway, 4)["pools"]})
        receiver.await_spans(of_generation(answer["generation"] + 1))
        assert "Bearer the-second-of-it" in [fields["authorization"] for fields in receiver.requests]
        bundle = tmp_path / "bundle.tar.gz"
        assert gateway.ctl("support-bundle", str(bundle)).returncode == 0
        unpacked = subprocess.run(["tar", "-xzOf", bundle], check=True, capture_output=True).stdout
        for secret in (b"from-a-file", b"the-second-of-it", b"in-plain-text"):
            assert secret not in unpacked and secret not in gateway.log.read_bytes()
        config = gateway.call("config.get")["config"]
        assert config["tracing"]["headers"]["authorization"] == f"file:{token}"  # as it was applied
        without = copy.deepcopy(config)
        del without["tracing"]
        last = gateway.call("config.apply", config=without)["generation"]
        gateway.call("config.apply", config=weighed(gateway, 9))
        time.sleep(0.5)
        assert not [span for span in receiver.spans if span.attributes.get("sluice.generation", 0) >= last]


def test_sampled_transactions_are_traces_with_their_stages(tmp_path):
    install()
    with LedgerSite(tmp_path) as site:
        with site.gateway.namespace.entered():
            receiver = Receiver()
        with receiver:
            payload = os.urandom(200)
            tracing = {"otlp": receiver.url, "transactions": 1}
            began = time.time()
            site.gateway.call("config.apply", config={**site.gateway.config, "tracing": tracing})
            receipt = site.store(payload)
            (transaction,) = receiver.await_spans(lambda span: span.name == "transaction")
            assert transaction.attributes["sluice.txid"] == hashlib.sha256(payload).hexdigest() == receipt.txid.hex()
            assert transaction.attributes["client.address"] == WIRE4 + "100" and transaction.attributes["client.port"] > 0
            assert transaction.attributes["sluice.end"] == "stored"
            assert began - 1 <= transaction.start <= transaction.end <= time.time() + 1
            stages = receiver.await_spans(lambda span: span.parent == transaction.id, 5)
            stages.sort(key=lambda span: ["received", "hashed", "sealed", "durable", "answered"].index(span.name))
            assert len({span.name for span in stages}) == 5
            for before, after in zip(stages, stages[1:]):
                assert before.trace == after.trace == transaction.trace and before.end == after.start
            assert (stages[0].start, stages[-1].end) == (transaction.start, transaction.end)
            site.gateway.call("config.apply", config={**site.gateway.config, "tracing": {**tracing, "transactions": 0}})
            site.store(os.urandom(200))
            assert site.gateway.stop() == 0
            assert len([span for span in receiver.spans if span.name == "transaction"]) == 1
