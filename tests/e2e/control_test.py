"""The control socket in the hands of those who do not mean well."""

import json
import os
import pwd
import socket
import time

import pytest

from control import Control, Refused
from namespaces import run
from processes import SLUICECTL

MEBIBYTE = 1 << 20


@pytest.fixture
def gateway(wireless):
    running = wireless()
    yield running
    assert running.call("system.info"), "the gateway still answers"


def raw(gateway, data, timeout=30):
    """Sends bytes and returns the first answer, or None where the connection is closed."""
    with Control(gateway.socket, timeout) as control:
        try:
            control.send(data)
        except (BrokenPipeError, ConnectionResetError):
            pass
        return control.receive()


@pytest.mark.parametrize(
    "data, code",
    [
        (b"{nonsense}\n", -32700),
        (b'{"jsonrpc":"2.0","id":1,"method":"system.info"\n}}\n', -32700),
        (b'"a string"\n', -32600),
        (b"[]\n", -32600),
        (b'{"id":1}\n', -32600),
        (b'{"jsonrpc":"2.0","id":1,"method":7}\n', -32600),
        (b'{"jsonrpc":"2.0","id":1,"method":"no.such"}\n', -32601),
        (b'{"jsonrpc":"2.0","id":1,"method":"service.table","params":{}}\n', -32602),
        (b'{"jsonrpc":"2.0","id":1,"method":"flow.list","params":{"limit":"many"}}\n', -32602),
        (b'{"jsonrpc":"2.0","id":1,"method":"system.info","params":{"unknown":1}}\n', -32602),
        (b'{"jsonrpc":"2.0","id":1,"method":"\xff\xfe"}\n', -32700),
    ],
)
def test_protocol_errors_have_their_codes(gateway, data, code):
    answer = raw(gateway, data)
    if data.count(b"\n") == 2:
        answer = answer if "error" in answer else None
    assert answer is None or answer["error"]["code"] == code


def test_concatenated_requests_and_batches_are_answered(gateway):
    one = {"jsonrpc": "2.0", "method": "system.info"}
    with Control(gateway.socket) as control:
        control.send(json.dumps({**one, "id": 1}).encode() + json.dumps({**one, "id": 2}).encode() + b"\n")
        assert [control.receive()["id"] for _ in range(2)] == [1, 2]
        control.send(json.dumps([{**one, "id": 3}, one, {**one, "id": "four"}]).encode() + b"\n")
        assert sorted(str(answer["id"]) for answer in control.receive()) == ["3", "four"]


def test_a_request_in_single_bytes_is_answered(gateway):
    with Control(gateway.socket) as control:
        for byte in b'{"jsonrpc":"2.0","id":5,"method":"system.info"}\n':
            control.send(bytes([byte]))
        assert control.receive()["id"] == 5


def test_a_request_of_more_than_four_mebibytes_is_refused(gateway):
    padding = "x" * (5 * MEBIBYTE)
    request = {"jsonrpc": "2.0", "id": 1, "method": "service.table", "params": {"service": padding}}
    answer = raw(gateway, json.dumps(request).encode() + b"\n")
    assert answer is None or "error" in answer


def test_an_endless_request_costs_its_connection(gateway):
    with Control(gateway.socket) as control:
        control.send(b'{"jsonrpc":"2.0","id":1,"method":"system.info","params":{"a":"')
        with pytest.raises(OSError):
            for _ in range(200):  # more than any limit
                control.send(b"x" * MEBIBYTE)


@pytest.mark.parametrize("levels", [33, 1000, 1_000_000])
def test_a_deep_request_is_refused(gateway, levels):
    params = "[" * levels + "]" * levels
    request = f'{{"jsonrpc":"2.0","id":1,"method":"system.info","params":{params}}}\n'
    answer = raw(gateway, request.encode())
    assert answer is None or "error" in answer


def test_a_client_that_does_not_read_is_dropped(gateway):
    request = b'{"jsonrpc":"2.0","id":1,"method":"system.methods"}\n' * 64
    with Control(gateway.socket) as control:
        control.socket.setblocking(False)
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            try:
                control.socket.send(request)
            except BlockingIOError:
                time.sleep(0.1)
                assert gateway.call("system.info")
            except (BrokenPipeError, ConnectionResetError):
                return
    pytest.fail("a client that does not read was kept for 60 s")


def test_256_connections_stand_open_and_each_is_served(gateway):
    connections = [Control(gateway.socket) for _ in range(256)]
    try:
        for connection in connections:
            assert connection.call("system.info")
    finally:
        for connection in connections:
            connection.socket.close()


def test_connections_that_vanish_do_no_harm(gateway):
    for data in (b"", b"{", b'{"jsonrpc":"2.0","id":1,"method":"system.info"}\n'):
        for _ in range(300):
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
                sock.connect(str(gateway.socket))
                sock.sendall(data)


def test_a_refused_apply_names_every_field_and_changes_nothing(gateway):
    before = gateway.call("config.get")
    service = {"address": "203.0.113.1", "port": 80, "protocol": "tcp", "pool": "none", "forward": "dnat"}
    wrong = {"name": "b", "port": 99999, "protocol": "sctp"}
    config = {**gateway.config, "prots": [], "services": [{"name": "a", **service}, {**service, **wrong}]}
    faults = gateway.refusal("config.apply", config=config).data["faults"]
    assert {"/prots", "/services/1/port", "/services/1/protocol"} <= {fault["pointer"] for fault in faults}
    assert all(fault["message"] for fault in faults)
    assert gateway.call("config.get") == before


def test_a_stale_generation_is_a_conflict(gateway):
    generation = gateway.call("config.get")["generation"]
    refused = gateway.refusal("config.apply", config=gateway.config, if_generation=generation + 7)
    assert refused.code <= -32000
    assert gateway.call("config.apply", config=gateway.config, if_generation=generation)["generation"]


def test_strangers_may_look_but_not_touch(gateway, tmp_path):
    """Peer credentials decide, not the file's mode: here everybody may connect."""
    os.chmod(gateway.socket, 0o666)
    for parent in gateway.socket.parents[:-1]:
        if not parent.stat().st_mode & 0o001:
            os.chmod(parent, parent.stat().st_mode | 0o011)
    nobody = pwd.getpwnam("nobody")
    as_nobody = ["setpriv", f"--reuid={nobody.pw_uid}", f"--regid={nobody.pw_gid}", "--clear-groups"]
    ctl = [*as_nobody, SLUICECTL, "--socket", gateway.socket]
    assert run(*ctl, "stats", check=False).returncode == 0
    assert run(*ctl, "config", "apply", gateway.file, check=False).returncode == 5


def test_methods_list_themselves(gateway):
    methods = {m["name"] if isinstance(m, dict) else m for m in gateway.call("system.methods")}
    assert {
        "system.info", "system.methods", "config.get", "config.validate", "config.diff", "config.apply",
        "config.history", "config.rollback", "service.list", "service.table", "backend.list", "backend.set",
        "flow.list", "flow.flush", "trace.explain", "stats.get", "drops.get", "neighbor.list",
    } <= methods  # fmt: skip


def test_every_drop_reason_is_there(gateway):
    assert set(gateway.call("drops.get")) == set(
        "malformed_l2 wrong_vlan malformed_l3 malformed_l4 ip_options fragment ttl_expired too_big "
        "no_service no_backend no_route neighbor_unresolved bad_checksum port_exhausted no_headroom ring_full tx_full "
        "rate_limited denied inspected".split()
    )


def test_an_unknown_service_is_a_domain_error(gateway):
    with pytest.raises(Refused) as refused:
        gateway.call("service.table", service="nobody")
    assert refused.value.code <= -32000 and refused.value.data["kind"]
