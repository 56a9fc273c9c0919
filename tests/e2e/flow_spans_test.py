"""Sampled flows as spans, in the lab: real clients, real servers, and OpenTelemetry's own definitions for what is told."""

import pytest

from configuration import SERVICES
from otlp_receiver import Receiver, install
from processes import eventually
from topology import CLIENT4

KEEPS_UP = 60  # seconds that anything may take on a busy machine


@pytest.fixture(name="receiver")
def receiver_fixture(lab):
    install()
    with lab.gateway.namespace.entered():
        receiver = Receiver()
    with receiver:
        yield receiver


def test_sampled_flows_are_spans_from_their_first_packet_to_the_last(lab, gateway, receiver):
    gateway.call("config.apply", config={**gateway.config, "tracing": {"otlp": receiver.url, "flows": 1}})
    service = next(one for one in SERVICES if one.protocol == "tcp" and not one.is_ipv6 and not one.replies_direct)
    answers = lab.ask(service, 5)
    assert len(answers) == 5
    ports = {answer.source_port for answer in answers}

    def states():
        listed = gateway.call("flow.list", service=service.name, limit=100_000)
        return {flow["state"] for flow in listed if flow["source_port"] in ports}

    eventually(lambda: states() <= {"closing"}, "the last FIN of each has passed")
    assert gateway.stop(60) == 0  # flows that go on end with it, those of earlier tests, too

    def is_ours(span):
        return span.name == "flow" and span.attributes["client.port"] in ports

    flows = receiver.await_spans(is_ours, 5, KEEPS_UP)
    assert sorted(flow.attributes["client.port"] for flow in flows) == sorted(ports)
    for flow in flows:
        told = flow.attributes
        assert (told["client.address"], told["server.address"], told["server.port"]) == (CLIENT4, service.vip, service.port)
        assert (told["sluice.service"], told["sluice.pool"], told["sluice.end"]) == (service.name, service.pool, "fin")
        assert told["sluice.packets_in"] >= 5 and told["sluice.bytes_in"] > 0
        assert told["sluice.packets_out"] >= 4 and told["sluice.bytes_out"] > 0
        assert 0 < told["sluice.handshake"] < flow.end - flow.start + 0.001
        assert flow.parent == "" and told["sluice.backend"].count(":") == 1
