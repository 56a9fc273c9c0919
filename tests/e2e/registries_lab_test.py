"""Real registries and real traffic: backends come and go by the registries' own clients while wrk runs, the registry is
killed, and comes back with other data. No request fails, and in the end the pool is what its client lists."""

import copy
import signal

import pytest

from changes_test import FULL_NAT, answered_by, pool_of
from processes import eventually
from registries import LOOPBACK, Etcd, Knot, Zookeeper, missing

pytestmark = pytest.mark.alone

PORT = 8080
PATIENCE = 60
# So many connections that each backend has some; few enough new ones a second that nobody runs out of ports.
CONNECTIONS = 24
KEPT = "function delay() return 50 end\n"
FRESH = f'wrk.headers["Connection"] = "close"\n{KEPT}'


class EtcdRegistry:
    needs = ("etcd", "etcdctl")
    source = {"type": "etcd", "endpoints": [f"http://{LOOPBACK}:{Etcd.port}"]}
    discover = {"prefix": "web/"}

    def __init__(self, network, directory):
        self.server = Etcd(network, directory).start()

    def add(self, address):
        self.server.put(f"web/{address}", f"{address}:{PORT}")

    def remove(self, address):
        self.server.ctl("del", f"web/{address}")

    def listed(self):
        lines = self.server.ctl("get", "--prefix", "--print-value-only", "web/").stdout.split()
        return {line.removesuffix(f":{PORT}") for line in lines}


class ZookeeperRegistry:
    needs = ("java",)
    source = {"type": "zookeeper", "endpoints": [f"{LOOPBACK}:{Zookeeper.port}"], "session_timeout": "2s"}
    discover = {"path": "/web"}

    def __init__(self, network, directory):
        pytest.importorskip("kazoo")
        self.server = Zookeeper(network, directory).start()

    def add(self, address):
        self.server.client(f"zk.create('/web/{address}', b'{address}:{PORT}', makepath=True)")

    def remove(self, address):
        self.server.client(f"zk.delete('/web/{address}')")

    def listed(self):
        return set(self.server.client("print(*zk.get_children('/web'))").split())


class DnsRegistry:
    needs = ("knotd", "knsupdate", "kdig")
    source = {"type": "dns", "servers": [f"{LOOPBACK}:{Knot.port}"], "min_ttl": "1s"}
    discover = {"name": "web.x.test", "record": "address", "port": PORT}

    def __init__(self, network, directory):
        directory.mkdir(parents=True)
        self.network = network
        self.server = Knot(network, directory, "").start()

    def add(self, address):
        self.server.update(f"add web.x.test. 1 A {address}")

    def remove(self, address):
        self.server.update(f"del web.x.test. A {address}")

    def listed(self):
        return set(self.network.run("kdig", f"@{LOOPBACK}", "-p", Knot.port, "web.x.test", "A", "+short").stdout.split())


@pytest.fixture
def traffic(lab, tmp_path):
    """wrk, with connections that are kept and with one for each request; afterwards no request has failed."""
    lab.client.sysctl("net.ipv4.ip_local_port_range=1024 65535", "net.ipv4.tcp_tw_reuse=1")
    running = []

    def start():
        for name, script in (("kept", KEPT), ("fresh", FRESH)):
            file, log = tmp_path / f"{name}.lua", tmp_path / f"{name}.log"
            file.write_text(script)
            words = ("wrk", "-t", "1", "-c", CONNECTIONS, "-d", "300s", "--timeout", "20s", "-s", file, lab.url(FULL_NAT))
            running.append((lab.client.spawn(*words, log=log), log))

    yield start
    assert running
    for process, log in running:
        process.send_signal(signal.SIGINT)
        process.wait(20)
        said = log.read_text()
        assert "requests in" in said and " 0 requests in" not in said, said
        assert "Socket errors" not in said and "Non-2xx" not in said, said


@pytest.mark.parametrize("kind", [EtcdRegistry, ZookeeperRegistry, DnsRegistry], ids=lambda kind: kind.source["type"])
def test_backends_come_and_go_without_a_failed_request(lab, gateway, tmp_path, traffic, kind):
    if missing(*kind.needs):
        pytest.skip(f"{kind.needs[0]} is not installed")
    first, second, third = (backend.address4 for backend in lab.backends)
    registry = kind(lab.topology.gateway, tmp_path / "registry")
    try:
        registry.add(first)
        registry.add(second)
        config = copy.deepcopy(gateway.config)
        # A registry that has lost everything is filled again one by one.
        config["sources"] = [{"name": "registry", "resync": "2s", "on_empty": "hold", **kind.source}]
        pool = pool_of(config, FULL_NAT.pool)
        pool["backends"] = []
        pool["discover"] = {"source": "registry", **kind.discover}
        gateway.call("config.apply", config=config)

        def states():
            return {row["address"]: row["state"] for row in gateway.call("backend.list", pool=FULL_NAT.pool)}

        def source():
            return gateway.call("source.list")[0]["state"]

        def becomes(*active, draining=()):
            wanted = {**dict.fromkeys(active, "active"), **dict.fromkeys(draining, "draining")}
            eventually(lambda: states() == wanted, f"the pool is {wanted}, not {states()}", PATIENCE)

        becomes(first, second)
        traffic()
        registry.add(third)
        becomes(first, second, third)
        assert answered_by(lab, FULL_NAT) == {"b1", "b2", "b3"}
        registry.remove(first)
        becomes(second, third, draining=[first])  # connections that are kept are still there
        assert answered_by(lab, FULL_NAT) == {"b2", "b3"}
        registry.add(first)
        becomes(first, second, third)
        registry.server.kill()
        eventually(lambda: source() == "stale", "the outage is told", PATIENCE)
        assert answered_by(lab, FULL_NAT) == {"b1", "b2", "b3"}
        assert set(states()) == {first, second, third}

        registry = kind(lab.topology.gateway, tmp_path / "another")
        registry.add(second)
        registry.add(third)
        becomes(second, third, draining=[first])
        eventually(lambda: source() == "synced", "it is back", PATIENCE)
        assert registry.listed() == {address for address, state in states().items() if state == "active"}
        assert answered_by(lab, FULL_NAT) == {"b2", "b3"}
    finally:
        registry.server.kill()
