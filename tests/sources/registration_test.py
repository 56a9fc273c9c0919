"""Services register themselves with a gateway: by gRPC's own Python client and by curl, and whoever is
registered is a backend as long as its lease is renewed, across a restart too."""

import json
import os
import pathlib
import random
import socket
import subprocess
import sys
import time

import grpc
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from gateway import Gateway
from namespaces import run
from processes import eventually, spawn, stop
from registries import certificates, missing
from wireless import free_port, wireless_configuration

ROOT = pathlib.Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "packaging" / "examples" / "registration"

pytestmark = pytest.mark.skipif(bool(missing("protoc", "curl")), reason="protoc or curl is not installed")


@pytest.fixture(scope="session")
def generated(tmp_path_factory):
    """What protoc makes of the .proto, as any client of the registry does."""
    directory = tmp_path_factory.mktemp("generated")
    run(
        "protoc", "-I", ROOT / "packaging" / "proto", f"--python_out={directory}", f"--grpc_python_out={directory}",
        "--plugin=protoc-gen-grpc_python=/usr/bin/grpc_python_plugin", "sluice_registry.proto",
    )  # fmt: skip
    sys.path.insert(0, str(directory))
    yield directory
    sys.path.remove(str(directory))


class Registry:
    """A gateway whose pool `web` is what registers itself as service `web`, and clients of it."""

    def __init__(self, directory, **settings):
        self.http_port, self.grpc_port = free_port(), free_port()
        config = {
            **wireless_configuration("registration"),
            "registry": {"http": f"127.0.0.1:{self.http_port}", "grpc": f"127.0.0.1:{self.grpc_port}", **settings},
            "sources": [{"name": "mesh", "type": "registry"}],
            "pools": [{"name": "web", "discover": {"source": "mesh", "service": "web"}}],
            "services": [
                {"name": "web", "address": "203.0.113.10", "port": 80, "protocol": "tcp", "forward": "dnat",
                 "pool": "web"}
            ],
        }  # fmt: skip
        self.gateway = Gateway(directory, config)
        self.scheme = "https" if "tls" in settings else "http"
        self.credentials = None
        self.curl_options = []

    def url(self, path):
        return f"{self.scheme}://127.0.0.1:{self.http_port}{path}"

    def curl(self, method, path, body=None, *options):
        """Status, JSON and headers."""
        data = ["--data", json.dumps(body)] if body is not None else []
        done = run(
            "curl", "-sS", "-m", "60", "-D", "-", "-X", method, *data, *self.curl_options, *options, self.url(path),
            timeout=90,
        )  # fmt: skip
        head, _, text = done.stdout.replace("\r", "").partition("\n\n")
        headers = dict(line.lower().split(": ", 1) for line in head.splitlines()[1:])
        return int(head.split()[1]), json.loads(text), headers

    def stub(self):
        import sluice_registry_pb2_grpc as services  # pylint: disable=import-outside-toplevel

        address = f"127.0.0.1:{self.grpc_port}"
        options = [("grpc.enable_http_proxy", 0)]
        if self.credentials:
            return services.ServiceDiscoveryStub(grpc.secure_channel(address, self.credentials, options))
        return services.ServiceDiscoveryStub(grpc.insecure_channel(address, options))

    def backends(self):
        rows = self.gateway.call("backend.list", pool="web")
        serving = [row for row in rows if row["state"] != "draining"]
        assert all(row["origin"] == "mesh" for row in rows)
        return sorted((f"{row['address']}:{row['port']}", row["weight"]) for row in serving)

    def until_backends(self, *expected):
        eventually(lambda: self.backends() == sorted(expected), f"backends {expected}, not {self.backends()}", 60)


@pytest.fixture
def registry(tmp_path, generated):
    made = Registry(tmp_path / "gateway")
    with made.gateway:
        yield made


def instance(name="one", address="198.18.20.11", ttl=60, **fields):
    import sluice_registry_pb2 as messages  # pylint: disable=import-outside-toplevel

    made = messages.ServiceInstance(service="web", instance=name, address=address, port=8080, **fields)
    made.ttl.seconds = ttl
    return made


def refused(call, *arguments, **options):
    with pytest.raises(grpc.RpcError) as caught:
        call(*arguments, timeout=30, **options)
    return caught.value.code(), caught.value.details()


def test_a_grpc_client_registers_renews_and_lets_its_lease_end(registry):
    import sluice_registry_pb2 as messages  # pylint: disable=import-outside-toplevel

    stub = registry.stub()
    lease = stub.Register(instance(ttl=4, weight=3, metadata={"zone": "a"}), timeout=30)
    assert lease.id and lease.ttl.seconds == 4
    registry.until_backends(("198.18.20.11:8080", 3))
    listed = stub.List(messages.ListRequest(service="web"), timeout=30)
    assert [(one.instance, one.weight, dict(one.metadata)) for one in listed.instances] == [("one", 3, {"zone": "a"})]
    for _ in range(6):  # longer than the lease without a word would last
        time.sleep(1)
        assert stub.Renew(messages.RenewRequest(id=lease.id), timeout=30).id == lease.id
    assert registry.backends() == [("198.18.20.11:8080", 3)]
    registry.until_backends()
    assert refused(stub.Renew, messages.RenewRequest(id=lease.id))[0] == grpc.StatusCode.NOT_FOUND
    assert registry.gateway.metrics()["sluice_registry_expired_total"] == 1
    again = stub.Register(instance(), timeout=30)
    registry.until_backends(("198.18.20.11:8080", 1))
    stub.Deregister(messages.DeregisterRequest(id=again.id), timeout=30)
    registry.until_backends()
    assert refused(stub.Deregister, messages.DeregisterRequest(id=again.id))[0] == grpc.StatusCode.NOT_FOUND


def test_curl_registers_renews_and_lets_its_lease_end(registry):
    path = "/v1/services/web/instances/two"
    body = {"address": "198.18.20.12", "port": 8080, "ttl": "4s", "weight": 2}
    status, lease, _ = registry.curl("PUT", path, body)
    assert status == 200 and lease["id"] and lease["ttl"] == "4s"
    registry.until_backends(("198.18.20.12:8080", 2))
    for _ in range(6):
        time.sleep(1)
        assert registry.curl("POST", path + "/renew")[:2] == (200, lease)
    assert registry.backends() == [("198.18.20.12:8080", 2)]
    status, listed, headers = registry.curl("GET", "/v1/services/web")
    assert status == 200 and headers["x-sluice-index"] == str(listed["index"])
    assert listed["instances"] == [
        {"service": "web", "instance": "two", "address": "198.18.20.12", "port": 8080, "weight": 2, "metadata": {},
         "ttl": "4s"}
    ]  # fmt: skip
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
    short = registry.stub().Register(instance("short", "198.18.20.13", ttl=6), timeout=30)
    assert registry.curl("PUT", "/v1/services/web/instances/two", {"address": "198.18.20.12", "port": 8080})[0] == 200
    gone = registry.stub().Register(instance("gone", "198.18.20.14"), timeout=30)
    registry.stub().Deregister(messages.DeregisterRequest(id=gone.id), timeout=30)
    index = registry.curl("GET", "/v1/services/web")[1]["index"]
    getattr(registry.gateway.process, how)()
    registry.gateway.process.wait(30)
    registry.gateway.start()
    everybody = [(f"198.18.20.{last}:8080", 1) for last in (11, 12, 13)]
    registry.until_backends(*everybody)  # the short one, too: it has 5 s at least
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
    eventually(lambda: registry.gateway.metrics()["sluice_registry_watchers"] == 0, "they have gone", 30)


def test_a_list_over_http_waits_for_a_change(registry):
    registry.stub().Register(instance(), timeout=30)
    _, listed, _ = registry.curl("GET", "/v1/services/web")
    assert registry.curl("GET", f"/v1/services/web?index={listed['index']}&wait=1s")[1] == listed
    waiting = spawn("curl", "-sS", "-m", "60", registry.url(f"/v1/services/web?index={listed['index']}&wait=50s"),
                    stdout=subprocess.PIPE, text=True)  # fmt: skip
    eventually(lambda: registry.gateway.metrics()["sluice_registry_watchers"] == 1, "somebody waits", 30)
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


def client_certificate(directory, ca):
    """One that the authority `ca` of certificates() has signed."""
    directory.mkdir(exist_ok=True)
    key, request, certificate = (directory / name for name in ("client.key", "client.csr", "client.pem"))
    run("openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", key, "-out", request,
        "-subj", "/CN=web-1")  # fmt: skip
    run("openssl", "x509", "-req", "-in", request, "-CA", ca, "-CAkey", str(ca).replace(".pem", ".key"), "-CAcreateserial",
        "-days", "2", "-out", certificate)  # fmt: skip
    return certificate, key


def test_without_a_client_certificate_nobody_is_let_in(tmp_path, generated):
    files = certificates(tmp_path / "server", "registry.test")
    registry = Registry(
        tmp_path / "gateway",
        tls={"certificate": files["certificate"], "key": f"file:{files['key']}", "client_ca": files["ca"]},
    )
    certificate, key = client_certificate(tmp_path / "client", files["ca"])
    body = {"address": "198.18.20.11", "port": 8080}
    with registry.gateway:
        registry.curl_options = ["--cacert", files["ca"]]
        with pytest.raises(RuntimeError):  # curl has no answer at all
            registry.curl("PUT", "/v1/services/web/instances/one", body)
        ca = pathlib.Path(files["ca"]).read_bytes()
        registry.credentials = grpc.ssl_channel_credentials(ca)
        assert refused(registry.stub().Register, instance())[0] == grpc.StatusCode.UNAVAILABLE
        assert registry.backends() == []
        registry.curl_options += ["--cert", str(certificate), "--key", str(key)]
        assert registry.curl("PUT", "/v1/services/web/instances/one", body)[0] == 200
        registry.credentials = grpc.ssl_channel_credentials(ca, key.read_bytes(), certificate.read_bytes())
        registry.stub().Register(instance("two", "198.18.20.12"), timeout=30)
        registry.until_backends(("198.18.20.11:8080", 1), ("198.18.20.12:8080", 1))
        # A certificate that is replaced is the one that is shown, without a restart.
        fresh = certificates(tmp_path / "fresh", "registry.test")
        for role in ("certificate", "key", "ca"):
            os.replace(fresh[role], files[role])
        registry.curl_options = ["--cacert", files["ca"], "--cert", str(certificate), "--key", str(key)]
        eventually(lambda: "TLS alert" in curl_error(registry), "the old authority is trusted no more", 30)
        assert "PRIVATE" not in registry.gateway.log.read_text()


def curl_error(registry):
    done = run("curl", "-sS", "-m", "10", *registry.curl_options, registry.url("/v1/services"), check=False)
    return "TLS alert" if done.returncode in (35, 56) else done.stderr


KEYS = {
    "RS256": rsa.generate_private_key(public_exponent=65537, key_size=2048),
    "ES256": ec.generate_private_key(ec.SECP256R1()),
    "EdDSA": ed25519.Ed25519PrivateKey.generate(),
}


def key_set():
    def number(value, size):
        return jwt.utils.base64url_encode(value.to_bytes(size, "big")).decode()

    r, e = KEYS["RS256"].public_key().public_numbers(), KEYS["ES256"].public_key().public_numbers()
    okp = json.loads(jwt.algorithms.OKPAlgorithm.to_jwk(KEYS["EdDSA"].public_key()))
    return {
        "keys": [
            {"kty": "RSA", "kid": "RS256", "n": number(r.n, 256), "e": number(r.e, 3)},
            {"kty": "EC", "kid": "ES256", "crv": "P-256", "x": number(e.x, 32), "y": number(e.y, 32)},
            {**okp, "kid": "EdDSA"},
        ]
    }


def token(algorithm="ES256", key=None, kid=None, **claims):
    said = {"iss": "https://id.test", "aud": "sluice", "exp": time.time() + 600, **claims}
    said = {name: value for name, value in said.items() if value is not None}
    return jwt.encode(said, key or KEYS[algorithm], algorithm, headers={"kid": kid or algorithm})


def test_only_a_good_token_is_let_in(tmp_path, generated):
    keys = tmp_path / "keys.json"
    keys.write_text(json.dumps(key_set()))
    registry = Registry(tmp_path / "gateway", jwt={"keys": f"file:{keys}", "issuer": "https://id.test", "audience": "sluice"})
    secret = "a shared secret that is long enough"
    bad = {
        "no token": None,
        "expired": token(exp=time.time() - 120),
        "no exp": token(exp=None),
        "not yet valid": token(nbf=time.time() + 600),
        "issuer": token(iss="https://elsewhere.test"),
        "audience": token(aud="other"),
        "another key": token(key=ec.generate_private_key(ec.SECP256R1())),
        "unknown kid": token(kid="nobody"),
        "kid of another kind": token(kid="RS256"),
        "shared secret": jwt.encode({"exp": time.time() + 600}, secret, "HS256", headers={"kid": "ES256"}),
        "none": jwt.encode({"exp": time.time() + 600}, None, "none", headers={"kid": "ES256"}),
        "cut": token()[:-4],
        "garbage": "a.b.c",
    }
    with registry.gateway:
        for what, text in bad.items():
            options = ["-H", f"Authorization: Bearer {text}"] if text else []
            status, fault, _ = registry.curl("GET", "/v1/services", None, *options)
            assert (status, fault["code"]) == (401, "UNAUTHENTICATED"), what
            metadata = [("authorization", f"Bearer {text}")] if text else None
            assert refused(registry.stub().Register, instance(), metadata=metadata)[0] == grpc.StatusCode.UNAUTHENTICATED
        assert registry.backends() == []
        for at, algorithm in enumerate(KEYS):
            metadata = [("authorization", f"Bearer {token(algorithm)}")]
            registry.stub().Register(instance(algorithm, f"198.18.20.{11 + at}"), metadata=metadata, timeout=30)
        registry.until_backends(*[(f"198.18.20.{11 + at}:8080", 1) for at in range(3)])
        old = token()
        assert registry.curl("GET", "/v1/services", None, "-H", f"Authorization: Bearer {old}")[0] == 200
        keys.write_text(json.dumps({"keys": key_set()["keys"][:1]}))
        eventually(
            lambda: registry.curl("GET", "/v1/services", None, "-H", f"Authorization: Bearer {old}")[0] == 401,
            "a key that is gone is believed no more", 30,
        )  # fmt: skip
        assert old not in registry.gateway.log.read_text()


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
