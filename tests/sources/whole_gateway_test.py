"""A gateway that takes a pool's backends from real registries: what they say is what it has, and what they
do not say any more, because they are gone, takes nobody away."""

import pytest

from gateway import Gateway
from processes import eventually
from registries import LOOPBACK, Etcd, Knot, missing
from wireless import wireless_configuration

TWO = ["198.18.20.11:8080", "198.18.20.12:8080"]
THREE = [*TWO, "198.18.20.13:8080"]


class EtcdPool:
    needs = ("etcd", "etcdctl")
    source = {"type": "etcd", "endpoints": [f"http://{LOOPBACK}:{Etcd.port}"]}
    discover = {"prefix": "services/web/"}

    def __init__(self, network, directory):
        self.server = Etcd(network, directory).start()
        for name in TWO:
            self.add(name)

    def add(self, endpoint):
        self.server.ctl("put", f"services/web/{endpoint}", endpoint)


class DnsPool:
    needs = ("knotd", "knsupdate", "kdig")
    source = {"type": "dns", "servers": [f"{LOOPBACK}:{Knot.port}"], "min_ttl": "1s"}
    discover = {"name": "web.x.test", "record": "address", "port": 8080}

    def __init__(self, network, directory):
        records = "".join(f"web 1 A {name.split(':')[0]}\n" for name in TWO)
        self.server = Knot(network, directory, records).start()

    def add(self, endpoint):
        self.server.update(f"add web.x.test. 1 A {endpoint.split(':')[0]}")


@pytest.mark.parametrize("kind", [EtcdPool, DnsPool], ids=["etcd", "dns"])
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
    with Gateway(tmp_path / "gateway", config, network) as gateway:

        def endpoints():
            rows = gateway.call("backend.list", pool="web")
            assert all(row["origin"] == "registry" for row in rows)
            return sorted(f"{row['address']}:{row['port']}" for row in rows)

        def state():
            return gateway.call("source.list")[0]["state"]

        eventually(lambda: endpoints() == TWO, "the first list is there", 30)
        assert state() == "synced"
        pool.add(THREE[-1])
        eventually(lambda: endpoints() == THREE, "the change is there", 30)
        assert any(change["cause"] == "source" for change in gateway.call("change.list"))
        pool.server.kill()
        eventually(lambda: state() == "stale", "the outage is told", 30)
        assert endpoints() == THREE
        assert gateway.call("source.list")[0]["last_error"]
        pool.server.start()
        eventually(lambda: state() == "synced", "it is back", 60)
