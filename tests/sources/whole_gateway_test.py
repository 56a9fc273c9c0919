"""A gateway that takes a pool's backends from registries: what they say is what it has, and what they do not say any
more, because they are gone, takes nobody away. The real servers for etcd, ZooKeeper and DNS; fakes for the others."""

import pytest

from ads_server import LISTENER, AdsServer, generate
from fake_registries import FakeConsul, FakeKubernetes
from gateway import Gateway
from processes import eventually
from registries import LOOPBACK, Etcd, Knot, Zookeeper, missing
from wireless import wireless_configuration

TWO = ["198.18.20.11:8080", "198.18.20.12:8080"]
THREE = [*TWO, "198.18.20.13:8080"]
OTHER = ["198.18.20.12:8080", "198.18.20.14:8080"]


class Pool:
    """A registry that has `endpoints` once it is started, each time with new data."""

    needs = ()

    def __init__(self, network, directory):
        self.network, self.directory = network, directory
        self.starts = 0

    def start(self, endpoints):
        self.starts += 1
        self.serve(self.directory / str(self.starts))
        for endpoint in endpoints:
            self.add(endpoint)

    def kill(self):
        self.server.kill()


class EtcdPool(Pool):
    needs = ("etcd", "etcdctl")
    source = {"type": "etcd", "endpoints": [f"http://{LOOPBACK}:{Etcd.port}"]}
    discover = {"prefix": "services/web/"}

    def serve(self, directory):
        self.server = Etcd(self.network, directory).start()

    def add(self, endpoint):
        self.server.ctl("put", f"services/web/{endpoint}", endpoint)


class ZookeeperPool(Pool):
    needs = ("java",)
    source = {"type": "zookeeper", "endpoints": [f"{LOOPBACK}:{Zookeeper.port}"], "session_timeout": "2s"}
    discover = {"path": "/services/web"}

    def serve(self, directory):
        pytest.importorskip("kazoo")
        self.server = Zookeeper(self.network, directory).start()

    def add(self, endpoint):
        self.server.client(f"zk.create('/services/web/{endpoint}', b'{endpoint}', makepath=True)")


class DnsPool(Pool):
    needs = ("knotd", "knsupdate", "kdig")
    source = {"type": "dns", "servers": [f"{LOOPBACK}:{Knot.port}"], "min_ttl": "1s"}
    discover = {"name": "web.x.test", "record": "address", "port": 8080}

    def serve(self, directory):
        self.server = Knot(self.network, directory, "").start()

    def add(self, endpoint):
        self.server.update(f"add web.x.test. 1 A {endpoint.split(':')[0]}")


class ConsulPool(Pool):
    source = {"type": "consul", "endpoints": [f"http://{LOOPBACK}:8500"]}
    discover = {"service": "web"}

    def serve(self, _directory):
        self.server = FakeConsul(self.network)

    def add(self, endpoint):
        self.server.register("web", endpoint, *endpoint.split(":")[:1], 8080)

    def kill(self):
        self.server.close()


class KubernetesPool(Pool):
    source = {"type": "kubernetes", "endpoints": [f"http://{LOOPBACK}:6443"]}
    discover = {"namespace": "prod", "service": "web", "port": "http"}

    def serve(self, _directory):
        self.server = FakeKubernetes(self.network)

    def add(self, endpoint):
        self.server.put(FakeKubernetes.slice(endpoint, FakeKubernetes.endpoint(endpoint.split(":")[0])))

    def kill(self):
        self.server.end_watches()
        self.server.close()


class XdsPool(Pool):
    needs = ("protoc",)
    source = {"type": "xds", "endpoints": [f"{LOOPBACK}:15010"], "node": {"id": "edge-1", "cluster": "edge"}}
    discover = {"cluster": "web"}

    def serve(self, directory):
        directory.mkdir(parents=True)
        self.server = AdsServer(self.network, 15010, generate(directory))
        self.server.cluster("web")
        self.known = []

    def add(self, endpoint):
        self.known.append((endpoint.split(":")[0], 8080, 1, 1))
        self.server.endpoints("web", (0, None, self.known))

    def kill(self):
        self.server.stop()


POOLS = [EtcdPool, ZookeeperPool, DnsPool, ConsulPool, KubernetesPool, XdsPool]


@pytest.mark.parametrize("kind", POOLS, ids=[kind.source["type"] for kind in POOLS])
def test_what_the_registry_says_is_what_the_gateway_has(network, tmp_path, kind):
    if missing(*kind.needs):
        pytest.skip(f"{kind.needs[0]} is not installed")
    pool = kind(network, tmp_path / "registry")
    config = {
        **wireless_configuration("registries"),
        "sources": [{"name": "registry", "resync": "2s", **kind.source}],
        "pools": [{"name": "web", "discover": {"source": "registry", **kind.discover}}],
        "services": [
            {"name": "web", "address": "203.0.113.10", "port": 80, "protocol": "tcp", "forward": "dnat", "pool": "web"}
        ],
    }
    try:
        with Gateway(tmp_path / "gateway", config, network) as gateway:

            def endpoints():
                """Who takes new flows."""
                rows = gateway.call("backend.list", pool="web")
                assert all(row["origin"] == "registry" for row in rows)
                return sorted(f"{row['address']}:{row['port']}" for row in rows if row["state"] == "active")

            def source():
                return gateway.call("source.list")[0]

            # Nobody has answered yet: nothing is served, and the process says so.
            assert gateway.get("/readyz").stdout.startswith("not every source has answered yet")
            assert source()["state"] in ("connecting", "failed") and endpoints() == []
            pool.start(TWO)
            eventually(lambda: endpoints() == TWO, "the first list is there", 60)
            eventually(lambda: gateway.get("/readyz").stdout.startswith("ready"), "it is ready")
            eventually(lambda: source()["state"] == "synced", "it is told")
            pool.add(THREE[-1])
            eventually(lambda: endpoints() == THREE, "the change is there")
            assert any(change["cause"] == "source" for change in gateway.call("change.list"))
            pool.kill()
            eventually(lambda: source()["state"] == "stale", "the outage is told")
            assert endpoints() == THREE
            assert source()["last_error"]
            assert gateway.metrics()['sluice_source_synced{source="registry"}'] == 0
            assert gateway.get("/readyz").stdout.startswith("ready")
            # It comes back without what it knew, and with other data.
            pool.start(OTHER)
            eventually(lambda: endpoints() == OTHER, f"what it says now is there, not {endpoints()}", 90)
            eventually(lambda: source()["state"] == "synced", "it is back", 60)
            row = source()["pools"][0]
            assert (row["pool"], row["instances"], row["held"]) == ("web", 2, False)
            assert gateway.metrics()['sluice_source_instances{source="registry",pool="web"}'] == 2
    finally:
        if pool.starts:
            pool.kill()


def test_localities_and_priorities_of_xds_are_the_shares_of_the_table(network, tmp_path):
    if missing(*XdsPool.needs):
        pytest.skip("protoc is not installed")
    pool = XdsPool(network, tmp_path / "registry")
    pool.start([])
    pool.server.endpoints(
        "web",
        (0, 1, [("198.18.20.11", 8080, 1, 1)]),
        (0, 3, [("198.18.20.12", 8080, 1, 1), ("198.18.20.13", 8080, 2, 1), ("198.18.20.14", 8080, 1, 2)]),
        (1, 1, [("198.18.20.15", 8080, 1, 1)]),
    )
    config = {
        **wireless_configuration("shares"),
        "sources": [{"name": "mesh", **XdsPool.source}],
        "pools": [{"name": "web", "discover": {"source": "mesh", **XdsPool.discover}}],
        "services": [
            {"name": "web", "address": "203.0.113.10", "port": 80, "protocol": "tcp", "forward": "dnat", "pool": "web"}
        ],
    }
    try:
        with Gateway(tmp_path / "gateway", config, network) as gateway:

            def shares():
                return {row["address"]: row["share"] for row in gateway.call("backend.list", pool="web")}

            eventually(lambda: len(shares()) == 5, "all are there")
            # Three of four are healthy, 1.4 times that is all: the second priority has nothing. The second
            # locality's weight is 3 x 1.4 x 2/3 = 2.8.
            expected = {"11": 1 / 3.8, "12": 2.8 / 3.8 / 3, "13": 2.8 / 3.8 * 2 / 3, "14": 0, "15": 0}
            assert shares() == pytest.approx({f"198.18.20.{last}": share for last, share in expected.items()}, abs=0.01)
    finally:
        pool.kill()


def test_services_come_from_listeners_and_change_without_a_gap(network, tmp_path):
    if missing(*XdsPool.needs):
        pytest.skip("protoc is not installed")
    pool = XdsPool(network, tmp_path / "registry")
    pool.start([])
    server = pool.server
    server.endpoints("web", (0, None, [("198.18.20.11", 8080, 1, 1)]))
    server.listener("shop", "203.0.113.20", 443, "web")
    server.listener("file", "203.0.113.21", 80, "web")
    config = {
        **wireless_configuration("offers"),
        "snat": ["198.18.10.1"],
        "sources": [{"name": "mesh", "resync": "2s", **XdsPool.source}],
        "services_from": "mesh",
        "pools": [{"name": "static", "backends": [{"address": "198.18.20.31", "port": 80}]}],
        "services": [{"name": "file", "address": "203.0.113.10", "port": 80, "pool": "static"}],
    }
    try:
        with Gateway(tmp_path / "gateway", config, network) as gateway:

            def services():
                return {row["service"]: row for row in gateway.call("service.list")}

            def backends(name):
                return sorted(row["address"] for row in gateway.call("backend.list", pool=name))

            def pools():
                """Those that the source has instances for, or none yet."""
                return [one["pool"] for one in gateway.call("source.list")[0]["pools"]]

            eventually(lambda: "shop" in services(), "the listener is a service")
            shop = services()["shop"]
            assert (shop["address"], shop["port"], shop["protocol"]) == ("203.0.113.20", "443", "tcp")
            assert (shop["forward"], shop["pools"], shop["origin"]) == ("full-nat", ["web"], "mesh")
            assert backends("web") == ["198.18.20.11"]
            # What the configuration says of a name goes before the source; nothing of it is in the configuration.
            assert services()["file"]["origin"] == "file" and services()["file"]["address"] == "203.0.113.10"
            assert gateway.metrics()['sluice_source_unreadable_total{source="mesh"}'] == 1
            assert [one["name"] for one in gateway.call("config.get")["config"]["services"]] == ["file"]
            generation = gateway.call("config.get")["generation"]
            eventually(lambda: gateway.call("source.list")[0]["state"] == "synced", "it is told")
            assert gateway.call("source.list")[0]["services"] == 2

            server.cluster("canary")
            server.listener("shop", "203.0.113.20", 443, {"web": 3, "canary": 1})
            eventually(lambda: "canary" in pools(), "its cluster is asked for")
            assert services()["shop"]["pools"] == ["web"], "till its endpoints have come, what was there holds"
            server.endpoints("canary", (0, None, [("198.18.20.12", 8080, 1, 1)]))
            eventually(lambda: services()["shop"]["pools"] == ["web", "canary"], "flows are split")
            assert [one["weight"] for one in services()["shop"]["split"]] == [3, 1]
            assert any(change["object"] == "source/mesh" for change in gateway.call("change.list", cause="source"))

            pool.kill()
            eventually(lambda: gateway.call("source.list")[0]["state"] == "stale", "the outage is told")
            assert services()["shop"]["pools"] == ["web", "canary"]
            server.start()
            server.remove(LISTENER, "shop")
            eventually(lambda: "shop" not in services(), "it is gone with its listener", 60)
            eventually(lambda: pools() == [], "and so are its pools")
            assert gateway.call("config.get")["generation"] == generation
    finally:
        pool.kill()
