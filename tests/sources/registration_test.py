"""Services register themselves with a gateway: by gRPC's own Python client and by curl, and whoever is
registered is a backend as long as its lease is renewed, across a restart too."""

import json
import os
import pathlib
import random
import socket
import subprocess
import time

import grpc
import pytest

from namespaces import run
from processes import eventually, spawn, stop
from registries import missing
from registry_site import RegistrySite, instance, refused

ROOT = pathlib.Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "packaging" / "examples" / "registration"

pytestmark = pytest.mark.skipif(bool(missing("protoc", "curl")), reason="protoc or curl is not installed")


@pytest.fixture
def registry(tmp_path, generated):
    made = RegistrySite(tmp_path / "gateway")
    with made.gateway:
        yield made


def kept(register, renew, is_right):
    """A lease of four seconds that was renewed each second for longer than it would last, and until all is right; and
    how many ended before, since the machine stalled between two renewals."""
    for ended in range(5):
        begun = renewed = time.monotonic()
        lease = register()
        while time.monotonic() < begun + 6 or not is_right():
            assert time.monotonic() < begun + 60, "what is registered is not there"
            time.sleep(1)
            asked = time.monotonic()
            if not renew(lease):
                assert time.monotonic() - renewed > 3.5, "it ended though it was renewed"
                break
            renewed = asked
        else:
            return lease, ended
    raise AssertionError("the machine stalls again and again")


def test_a_grpc_client_registers_renews_and_lets_its_lease_end(registry):
    import sluice_registry_pb2 as messages  # pylint: disable=import-outside-toplevel

    stub = registry.stub()

    def register():
        lease = stub.Register(instance(ttl=4, weight=3, metadata={"zone": "a"}), timeout=30)
        assert lease.id and lease.ttl.seconds == 4
        return lease

    def renew(lease):
        try:
            return stub.Renew(messages.RenewRequest(id=lease.id), timeout=30).id == lease.id
        except grpc.RpcError as error:
            assert error.code() == grpc.StatusCode.NOT_FOUND
            return False

    def is_right():
        listed = stub.List(messages.ListRequest(service="web"), timeout=30)
        told = [(one.instance, one.weight, dict(one.metadata)) for one in listed.instances]
        return told == [("one", 3, {"zone": "a"})] and registry.backends() == [("198.18.20.11:8080", 3)]

    lease, ended = kept(register, renew, is_right)
    registry.until_backends()
    assert refused(stub.Renew, messages.RenewRequest(id=lease.id))[0] == grpc.StatusCode.NOT_FOUND
    assert registry.gateway.metrics()["sluice_registry_expired_total"] == ended + 1
    again = stub.Register(instance(), timeout=30)
    registry.until_backends(("198.18.20.11:8080", 1))
    stub.Deregister(messages.DeregisterRequest(id=again.id), timeout=30)
    registry.until_backends()
    assert refused(stub.Deregister, messages.DeregisterRequest(id=again.id))[0] == grpc.StatusCode.NOT_FOUND


def test_curl_registers_renews_and_lets_its_lease_end(registry):
    path = "/v1/services/web/instances/two"
    body = {"address": "198.18.20.12", "port": 8080, "ttl": "4s", "weight": 2}
    shown = {"service": "web", "instance": "two", "address": "198.18.20.12", "port": 8080, "weight": 2, "metadata": {},
             "ttl": "4s"}  # fmt: skip

    def register():
        status, lease, _ = registry.curl("PUT", path, body)
        assert status == 200 and lease["id"] and lease["ttl"] == "4s"
        return lease

    def renew(lease):
        status, answer, _ = registry.curl("POST", path + "/renew")
        assert (status, answer) == (200, lease) or (status, answer["code"]) == (404, "NOT_FOUND")
        return status == 200

    def is_right():
        status, listed, headers = registry.curl("GET", "/v1/services/web")
        assert status == 200 and headers["x-sluice-index"] == str(listed["index"])
        return listed["instances"] == [shown] and registry.backends() == [("198.18.20.12:8080", 2)]

    kept(register, renew, is_right)
    registry.until_backends()
    status, fault, _ = registry.curl("POST", path + "/renew")
    assert (status, fault["code"]) == (404, "NOT_FOUND")
    assert registry.curl("PUT", path, body)[0] == 200
    registry.until_backends(("198.18.20.12:8080", 2))
    assert registry.curl("DELETE", path)[0] == 200
    registry.until_backends()
    assert registry.curl("DELETE", path)[0] == 404


@pytest.mark.parametrize("how", ["kill", "terminate"])
def test_a_restart_forgets_nobody(registry, how):
    import sluice_registry_pb2 as messages  # pylint: disable=import-outside-toplevel

    lease = registry.stub().Register(instance(), timeout=30)
    short = registry.stub().Register(instance("short", "198.18.20.13", ttl=15), timeout=30)
    assert registry.curl("PUT", "/v1/services/web/instances/two", {"address": "198.18.20.12", "port": 8080})[0] == 200
    gone = registry.stub().Register(instance("gone", "198.18.20.14"), timeout=30)
    registry.stub().Deregister(messages.DeregisterRequest(id=gone.id), timeout=30)
    index = registry.curl("GET", "/v1/services/web")[1]["index"]
    getattr(registry.gateway.process, how)()
    registry.gateway.process.wait(30)
    registry.gateway.start()
    everybody = [(f"198.18.20.{last}:8080", 1) for last in (11, 12, 13)]
    registry.until_backends(*everybody)  # the short one, too
    assert registry.curl("GET", "/v1/services/web")[1]["index"] > index
    assert registry.stub().Renew(messages.RenewRequest(id=lease.id), timeout=30).id == lease.id
    registry.until_backends(*everybody[:2])
    assert refused(registry.stub().Renew, messages.RenewRequest(id=short.id))[0] == grpc.StatusCode.NOT_FOUND


def test_who_watches_is_told_the_whole_and_then_every_change(registry):
    import sluice_registry_pb2 as messages  # pylint: disable=import-outside-toplevel

    stub = registry.stub()
    lease = stub.Register(instance(), timeout=30)
    known = {}

    def take(update):
        if update.whole:
            known.clear()
        known.update({one.instance: one.address for one in update.instances})
        for one in update.gone:
            del known[one.instance]

    watch = stub.Watch(messages.WatchRequest(service="web"), timeout=120)
    first = next(watch)
    assert first.whole and not first.more
    take(first)
    assert known == {"one": "198.18.20.11"}
    stub.Register(instance("two", "198.18.20.12"), timeout=30)
    stub.Register(messages.ServiceInstance(service="other", instance="x", address="198.18.20.99", port=1), timeout=30)
    take(next(watch))
    assert known == {"one": "198.18.20.11", "two": "198.18.20.12"}
    stub.Deregister(messages.DeregisterRequest(id=lease.id), timeout=30)
    take(next(watch))
    assert known == {"two": "198.18.20.12"}
    # More at once than goes into one message, to one who begins to watch, and to one who watches.
    for number in range(600):
        stub.Register(instance(f"many-{number}", f"198.18.30.{number % 250 + 1}", 600), timeout=30)
    other = stub.Watch(messages.WatchRequest(service="web"), timeout=120)
    seen = set()
    while True:
        update = next(other)
        seen |= {one.instance for one in update.instances}
        if not update.more:
            break
    assert seen == {"two"} | {f"many-{number}" for number in range(600)}
    while len(known) < 601:
        take(next(watch))
    assert set(known) == seen
    assert registry.gateway.metrics()["sluice_registry_watchers"] == 2
    other.cancel()
    watch.cancel()
    eventually(lambda: registry.gateway.metrics()["sluice_registry_watchers"] == 0, "they have gone")


def test_a_list_over_http_waits_for_a_change(registry):
    registry.stub().Register(instance(), timeout=30)
    _, listed, _ = registry.curl("GET", "/v1/services/web")
    assert registry.curl("GET", f"/v1/services/web?index={listed['index']}&wait=1s")[1] == listed
    waiting = spawn("curl", "-sS", "-m", "60", registry.url(f"/v1/services/web?index={listed['index']}&wait=50s"),
                    stdout=subprocess.PIPE, text=True)  # fmt: skip
    eventually(lambda: registry.gateway.metrics()["sluice_registry_watchers"] == 1, "somebody waits")
    registry.curl("PUT", "/v1/services/web/instances/two", {"address": "198.18.20.12", "port": 8080})
    answer = json.loads(waiting.communicate(timeout=60)[0])
    assert [one["instance"] for one in answer["instances"]] == ["one", "two"]
    assert answer["index"] > listed["index"]


BAD = [
    ({"address": "198.18.20.300", "port": 80}, "address"),
    ({"address": "", "port": 80}, "address"),
    ({"address": "198.18.20.1", "port": 0}, "port"),
    ({"address": "198.18.20.1", "port": 65536}, "port"),
    ({"address": "198.18.20.1", "port": 80, "weight": 65536}, "weight"),
    ({"address": "198.18.20.1", "port": 80, "ttl": "500ms"}, "ttl"),
    ({"address": "198.18.20.1", "port": 80, "metadata": {"k": "x" * 9000}}, "metadata"),
]


@pytest.mark.parametrize("body, field", BAD, ids=[f"{field}-{at}" for at, (_, field) in enumerate(BAD)])
def test_bad_input_names_its_field(registry, body, field):
    import sluice_registry_pb2 as messages  # pylint: disable=import-outside-toplevel

    status, fault, _ = registry.curl("PUT", "/v1/services/web/instances/x", body)
    assert (status, fault["code"]) == (400, "INVALID_ARGUMENT") and fault["message"].startswith(field + ":")
    message = messages.ServiceInstance(service="web", instance="x", **{**body, "ttl": None})
    if "ttl" in body:
        message.ttl.nanos = 500_000_000
    code, details = refused(registry.stub().Register, message)
    assert code == grpc.StatusCode.INVALID_ARGUMENT and details.startswith(field + ":")
    assert registry.backends() == []


def test_what_is_no_request_is_refused_and_the_next_one_answered(registry):
    path = "/v1/services/web/instances/x"
    assert registry.curl("PUT", path, {"address": "198.18.20.1", "port": 80, "wieght": 1})[0] == 400
    assert registry.curl("PUT", path, ["no object"])[0] == 400
    assert registry.curl("PUT", path, {"address": "x" * 70000})[0] == 413
    assert registry.curl("PUT", "/v1/services/web%20x/instances/y", {})[0] == 400
    assert registry.curl("GET", "/v1/services/web?index=x")[0] == 400
    assert registry.curl("PATCH", path, {})[0] == 405
    assert registry.curl("GET", "/v2/services")[0] == 404
    unknown = grpc.insecure_channel(f"127.0.0.1:{registry.grpc_port}", [("grpc.enable_http_proxy", 0)]).unary_unary(
        "/sluice.registry.v1.ServiceDiscovery/Nothing"
    )
    assert refused(unknown, b"")[0] == grpc.StatusCode.UNIMPLEMENTED
    register = grpc.insecure_channel(f"127.0.0.1:{registry.grpc_port}", [("grpc.enable_http_proxy", 0)]).unary_unary(
        "/sluice.registry.v1.ServiceDiscovery/Register"
    )
    assert refused(register, b"\xff\xff")[0] == grpc.StatusCode.INVALID_ARGUMENT
    assert refused(register, b"x" * 100_000)[0] == grpc.StatusCode.RESOURCE_EXHAUSTED
    registry.stub().Register(instance(), timeout=30)
    registry.until_backends(("198.18.20.11:8080", 1))


def test_strangers_keep_nobody_out(registry):
    chance = random.Random(1)
    preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
    opened = []
    for number in range(600):  # more than may be open
        for port in (registry.http_port, registry.grpc_port):
            opened.append(socket.create_connection(("127.0.0.1", port)))
            sends = (b"", chance.randbytes(300), preface + chance.randbytes(300), b"PUT /v1/services/web HTTP/1.1\r\nContent-")
            try:
                opened[-1].sendall(sends[number % len(sends)])
            except OSError:
                pass  # it has been ended already
    registry.stub().Register(instance(ttl=600), timeout=30)
    body = {"address": "198.18.20.12", "port": 8080, "ttl": "600s"}
    assert registry.curl("PUT", "/v1/services/web/instances/two", body)[0] == 200
    registry.until_backends(("198.18.20.11:8080", 1), ("198.18.20.12:8080", 1))
    # Watching without ever reading costs the others nothing either.
    flood = grpc.insecure_channel(f"127.0.0.1:{registry.grpc_port}", [("grpc.enable_http_proxy", 0)])
    watch = flood.unary_stream("/sluice.registry.v1.ServiceDiscovery/Watch")
    idle = [watch(b"", timeout=60) for _ in range(50)]
    for number in range(300):
        registry.stub().Register(instance(f"n{number}", f"198.18.30.{number % 250 + 1}", 600, metadata={"k": "x" * 4000}), timeout=30)
    assert len(registry.curl("GET", "/v1/services/web")[1]["instances"]) == 302
    for one in idle:
        one.cancel()
    for one in opened:
        one.close()
    assert registry.gateway.process.poll() is None


def test_the_how_to_works_as_it_is_typed(registry):
    page = (ROOT / "docs" / "how-to" / "register-a-service.md").read_text(encoding="utf-8")
    typed = page.split("```sh\n")[1].split("```")[0]
    assert typed.count("curl") == 3
    done = run("sh", "-e", input=typed.replace("http://127.0.0.1:9466", registry.url("")))
    registered, renewed, gone = [json.loads(line) for line in done.stdout.splitlines()]
    assert registered == renewed and registered["ttl"] == "30s" and gone == {}
    registry.until_backends()


@pytest.mark.parametrize("language", ["python", "shell"])
def test_the_example_clients_keep_an_instance_registered(registry, generated, language):
    if language == "python":
        command = [EXAMPLES / "register.py", "--gateway", f"127.0.0.1:{registry.grpc_port}", "--ttl", "6", "--leave"]
    else:
        command = [EXAMPLES / "register.sh", registry.url("")]
    command += ["web", "one", "198.18.20.11", "8080"] + (["6"] if language == "shell" else [])
    environment = {**os.environ, "PYTHONPATH": str(generated), "no_proxy": "*"}
    client = spawn(*command, env=environment)
    try:
        registry.until_backends(("198.18.20.11:8080", 1))
        registry.gateway.process.kill()
        registry.gateway.process.wait(30)
        registry.gateway.start()
        time.sleep(8)  # longer than a lease lasts without a word
        registry.until_backends(("198.18.20.11:8080", 1))
        assert client.poll() is None
    finally:
        status = stop(client, 30)
    assert status == 0
    registry.until_backends()
