"""Every source that is reached over TCP, and every way in which a registry can fail: the last good set stays,
the reason is told, and what has changed meanwhile is there once the registry answers again."""

import random
import ssl

import pytest

from ads_server import AdsServer, generate
from fake_registries import FakeConsul, FakeKubernetes
from registries import LOOPBACK, Etcd, Gate, Zookeeper, certificates, missing

GATE = 29000


class OfEtcd:
    def __init__(self, network, directory):
        if missing("etcd", "etcdctl"):
            pytest.skip("etcd is not installed")
        self.server = Etcd(network, directory).start()
        self.port = self.server.port
        self.source = {"type": "etcd"}
        self.discover = {"prefix": "services/web/"}

    def put(self, name: str, address: str) -> None:
        self.server.put(f"services/web/{name}", f"{address}:80")

    def close(self) -> None:
        self.server.kill()


class OfConsul:
    def __init__(self, network, _directory):
        self.server = FakeConsul(network)
        self.port = self.server.port
        self.source = {"type": "consul"}
        self.discover = {"service": "web"}

    def put(self, name: str, address: str) -> None:
        self.server.register("web", name, address, 80)

    def close(self) -> None:
        self.server.close()


class OfKubernetes:
    def __init__(self, network, _directory):
        self.server = FakeKubernetes(network)
        self.port = self.server.port
        self.source = {"type": "kubernetes"}
        self.discover = {"service": "web", "namespace": "prod", "port": "80"}

    def put(self, name: str, address: str) -> None:
        ports = [{"name": "http", "port": 80}]
        self.server.put(FakeKubernetes.slice(name, FakeKubernetes.endpoint(address), ports=ports))

    def close(self) -> None:
        self.server.end_watches()
        self.server.close()


class OfZookeeper:
    def __init__(self, network, directory):
        pytest.importorskip("kazoo")
        if missing("java"):
            pytest.skip("zookeeper is not installed")
        self.server = Zookeeper(network, directory).start()
        self.port = self.server.port
        self.source = {"type": "zookeeper", "session_timeout": 2000}
        self.discover = {"path": "/services/web"}

    def put(self, name: str, address: str) -> None:
        self.server.client(f"zk.create('/services/web/{name}', b'{address}:80', makepath=True)")

    def close(self) -> None:
        self.server.kill()


class OfXds:
    def __init__(self, network, directory):
        if missing("protoc"):
            pytest.skip("protoc is not installed")
        self.server = AdsServer(network, 15010, generate(directory))
        self.port = self.server.port
        self.source = {"type": "xds", "node_id": "edge-1"}
        self.discover = {"cluster": "web"}
        self.endpoints = []
        self.server.cluster("web")

    def put(self, _name: str, address: str) -> None:
        self.endpoints.append((address, 80, 1, 1))
        self.server.endpoints("web", (0, None, self.endpoints))

    def close(self) -> None:
        self.server.stop()


@pytest.fixture(scope="module", params=[OfEtcd, OfConsul, OfKubernetes, OfZookeeper, OfXds])
def registry(request, network, tmp_path_factory):
    made = request.param(network, tmp_path_factory.mktemp("registry"))
    yield made
    made.close()


@pytest.fixture(scope="module")
def known():
    """What has been put so far, by registry."""
    return {}


def put(registry, expected: list) -> None:
    """One more instance."""
    address = f"10.20.0.{len(expected) + 1}"
    registry.put(f"n{len(expected)}", address)
    expected.append([address, 80])


def endpoint_of(registry, port: int) -> str:
    scheme = "" if registry.source["type"] == "zookeeper" else "http://"
    return f"{scheme}{LOOPBACK}:{port}"


# Those that a source notices by waiting are waited for together.
TOGETHER = [("refuse",), ("garbage",), ("half",), ("endless",), ("silent", "drip")]
assert sorted(failure for group in TOGETHER for failure in group) == sorted(Gate.FAILURES)


def gates_for(failures, network, registry) -> dict:
    """A gate before the registry for each failure; none of them fails yet."""
    return {failure: Gate(network, GATE + number, registry.port) for number, failure in enumerate(failures)}


@pytest.mark.parametrize("failures", TOGETHER, ids="-".join)
def test_the_last_good_set_stays_and_then_follows(registry, known, network, source, failures):
    gates = gates_for(failures, network, registry)
    expected = known.setdefault(registry, [])
    put(registry, expected)
    words = {
        failure: source({**registry.source, "endpoints": [endpoint_of(registry, gate.port)], "resync": 1500}, registry.discover)
        for failure, gate in gates.items()
    }
    held = {failure: words[failure].until_instances(expected) for failure in failures}
    marks = {failure: words[failure].mark() for failure in failures}
    for failure, gate in gates.items():
        gate.half = 60
        gate.fail(failure)
    for failure in failures:
        reason = words[failure].until_lost(after=marks[failure])
        assert reason and "\n" not in reason, failure
        marks[failure] = words[failure].mark()
    # More than one attempt, and none of them may take anything away.
    for failure in failures:
        words[failure].until_lost(after=marks[failure])
    put(registry, expected)
    for failure in failures:
        assert words[failure].snapshot() == held[failure], failure
        assert words[failure].memory() < 200 << 20, failure
        gates[failure].let_pass()
    for failure in failures:
        words[failure].until_instances(expected)
        gates[failure].close()


@pytest.mark.parametrize("failures", TOGETHER, ids="-".join)
def test_a_source_that_never_answered_is_told_of_and_ends_well(registry, network, source, failures):
    gates = gates_for(failures, network, registry)
    words = {}
    for failure, gate in gates.items():
        gate.fail(failure)
        words[failure] = source({**registry.source, "endpoints": [f"{LOOPBACK}:{gate.port}"], "resync": 1500}, registry.discover)
    for failure in failures:
        words[failure].until_lost()
        assert words[failure].snapshot() is None, failure
        words[failure].send("unsubscribe 1")
        assert words[failure].close() == 0, failure
        gates[failure].close()


CUTS = 10


def test_cut_at_any_byte_of_an_answer_it_ends_up_with_what_is_there(registry, known, network, source):
    chance = random.Random(12)
    gate = Gate(network, GATE + 2, registry.port)
    expected = known.setdefault(registry, [])
    put(registry, expected)
    words = source({**registry.source, "endpoints": [endpoint_of(registry, GATE + 2)], "resync": 1500}, registry.discover)
    words.until_instances(expected)
    for number in range(CUTS):
        before = words.instances()
        mark = words.mark()
        gate.half = chance.choice([chance.randint(1, 60), chance.randint(60, 400), chance.randint(400, 2000)])
        gate.fail("half")
        if number % 3 == 0:
            put(registry, expected)
        words.until(lambda: len(words.words) > mark, "a word of the cut")
        after = [[address, port, 1, True] for address, port in expected]
        assert words.instances() in (before, sorted(after)), gate.half
        gate.let_pass()
        words.until_instances(expected)
    gate.close()


def test_a_certificate_that_is_not_right_takes_nothing_away(registry, known, network, source, tmp_path):
    files, others = certificates(tmp_path / "pki", "registry.test"), certificates(tmp_path / "other", "registry.test")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files["certificate"], files["key"])
    context.set_alpn_protocols(["h2", "http/1.1"])
    gate = Gate(network, GATE + 3, registry.port, context)
    expected = known.setdefault(registry, [])
    put(registry, expected)
    endpoint = endpoint_of(registry, GATE + 3).replace("http:", "https:")
    model = {**registry.source, "endpoints": [endpoint], "resync": 1500, "tls": True, "ca": files["ca"]}
    words = source(model, registry.discover)
    words.until_instances(expected)
    held = words.snapshot()
    context.load_cert_chain(others["certificate"], others["key"])
    mark = words.mark()
    gate.cut()
    words.until_lost("certificate: ", after=mark)
    put(registry, expected)
    assert words.snapshot() == held
    never = source(model, registry.discover)
    never.until_lost("certificate: ")
    assert never.snapshot() is None
    context.load_cert_chain(files["certificate"], files["key"])
    gate.cut()
    words.until_instances(expected)
    gate.close()
