"""Rules and dashboards on a real Prometheus that scrapes the lab's gateway: each expression has a result."""

import contextlib
import copy
import json
import time
import urllib.parse

import pytest
import yaml

import promql
from configuration import SERVICES
from lab import Lab, faults
from lab_ledger import LedgerRound
from processes import eventually, stop
from remote_site import RemoteSite
from sites import tunnel
from topology import EDGE4
from wireless import free_port

SCRAPE = 1  # seconds
WINDOW = "5s"  # of rates: Grafana's $__rate_interval is at least four scrapes


class Prometheus:
    """One that scrapes `gateway`, in its namespace."""

    def __init__(self, gateway, directory):
        self.namespace = gateway.namespace
        self.address = f"127.0.0.1:{free_port()}"
        directory.mkdir()
        configuration = yaml.safe_load((promql.PROMETHEUS / "prometheus.example.yaml").read_text())
        configuration["global"] = {"scrape_interval": f"{SCRAPE}s", "evaluation_interval": f"{SCRAPE}s"}
        configuration["rule_files"] = [str(file) for file in promql.RULES]
        assert configuration["scrape_configs"][0]["static_configs"][0]["targets"] == [gateway.config["http"]["listen"]]
        file = directory / "prometheus.yaml"
        file.write_text(yaml.dump(configuration))
        self.log = directory / "log"
        self.process = self.namespace.spawn(
            "prometheus", f"--config.file={file}", f"--storage.tsdb.path={directory / 'data'}",
            f"--web.listen-address={self.address}", log=self.log)  # fmt: skip

    def get(self, path, **parameters):
        """What the API answers; nothing until it does."""
        url = f"http://{self.address}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
        done = self.namespace.run("curl", "-sS", "-m", "20", url, check=False)
        assert self.process.poll() is None, self.log.read_text()
        answer = json.loads(done.stdout) if done.returncode == 0 and done.stdout.startswith("{") else {}
        assert answer.get("status", "success") == "success", f"{parameters}: {answer['error']}"
        return answer.get("data")

    def query(self, expression):
        """The result of an instant query, a list of samples."""
        data = self.get("query", query=expression)
        return data["result"] if data else []


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    return tmp_path_factory.mktemp("monitoring")


@pytest.fixture(scope="module")
def far(work):
    """Who controls it from afar."""
    return RemoteSite(work / "far")


@pytest.fixture(scope="module")
def watched(work, far):
    """A gateway that has everything: a ledger, a source, a registry, a tunnel, a set, health checks, remote control."""
    lab = Lab(has_ledger=True, name="watched")
    config = lab.gateway.config
    # What the source names passes its checks: the backends' own HTTP servers.
    tcp4 = next(pool for pool in config["pools"] if pool["name"] == "tcp4")
    targets = work / "targets.json"
    targets.write_text(json.dumps([{"targets": [f"{each['address']}:{each['port']}" for each in tcp4["backends"]]}]))
    config["sources"] = [{"name": "files", "type": "file"}]
    found = {"name": "found", "discover": {"source": "files", "path": str(targets)}}
    config["pools"].append({**found, "fail_open": True,
                            "health": {"type": "tcp", "interval": "1s", "timeout": "1s"}})  # fmt: skip
    config["registry"] = {"http": "127.0.0.1:9466"}
    config["tunnels"] = [tunnel(work, "dc2", EDGE4 + "1", EDGE4 + "99", "10.99.0.0/16", 4097, 4098, "11" * 20, "22" * 20)]
    config["tunnel_state"] = str(work / "tunnels")
    config["sets"] = [{"name": "bots", "addresses": ["192.0.2.0/24"]}]
    config.update({name: far.configuration()[name] for name in ("remote", "audit")})
    with lab as running:
        yield running


def change(gateway):
    """A change that is none of the traffic's: one more neighbor each time."""
    config = copy.deepcopy(gateway.call("config.get")["config"])
    number = len(config.setdefault("neighbors", [])) + 1
    config["neighbors"].append({"address": f"198.18.20.{200 + number}", "mac": f"02:00:00:00:09:{number:02x}"})
    gateway.call("config.apply", config=config)


@pytest.fixture(scope="module")
def prometheus(watched, work, far):
    """It has scraped before, during and after a minute of the lab's life, which is a few seconds here."""
    running = Prometheus(watched.gateway, work / "prometheus")
    ledger = LedgerRound(watched.client, watched.gateway, watched.work)
    started = time.monotonic()
    eventually(lambda: running.query("up == 1"), "the first scrape", 60)
    while time.monotonic() < started + 8 or not running.query("rate(sluice_ledger_blocks_total[5s]) > 0"):
        assert time.monotonic() < started + 120
        for service in SERVICES[:4]:
            assert not faults(service, watched.ask(service, 2), 2)
        ledger.rows()
        change(watched.gateway)
        certificate, key = far.who["ops"][:2]
        watched.gateway.namespace.run("curl", "-sS", "--fail", "--cacert", far.authority.file, "--cert", certificate,
                                      "--key", key, f"{far.url}/version")  # fmt: skip
        time.sleep(SCRAPE)
    yield running
    stop(running.process)


def has_number(samples):
    return any(sample["value"][1] != "NaN" for sample in samples)


def faulty(prometheus, expressions):
    """Where those are that have no result, however often they are asked: a rate has none for a while after a machine
    that stalled has scraped nothing."""
    left = list(expressions)

    def have_results():
        left[:] = [each for each in left if not prometheus.query(promql.filled_in(each.text, WINDOW))]
        return not left

    with contextlib.suppress(TimeoutError):
        eventually(have_results, "every expression has a result")
    return [each.where for each in left]


@pytest.mark.parametrize("file", promql.DASHBOARDS, ids=lambda file: file.stem)
def test_every_expression_of_a_dashboard_has_a_result(prometheus, file):
    assert not faulty(prometheus, promql.expressions(file))


@pytest.mark.parametrize("file", promql.DASHBOARDS, ids=lambda file: file.stem)
def test_every_variable_of_a_dashboard_has_values(prometheus, file):
    def values(variable):
        series, _, label = variable.text.removeprefix("label_values(").removesuffix(")").rpartition(", ")
        return variable._replace(text=f"count by ({label}) ({series})")

    assert not faulty(prometheus, map(values, promql.variables(file)))


def test_what_moves_has_numbers(prometheus):
    for expression in (
        "sum(rate(sluice_service_packets_total[10m])) > 0",
        "histogram_quantile(0.99, sum by (le) (rate(sluice_ledger_ack_seconds_bucket[10m])))",
        'histogram_quantile(0.99, sum by (le) (rate(sluice_change_seconds_bucket{cause="config"}[10m])))',
    ):
        assert has_number(prometheus.query(expression)), expression


def test_prometheus_evaluates_every_rule(prometheus):
    def evaluated():
        groups = prometheus.get("rules")["groups"]
        rules = [rule for group in groups for rule in group["rules"]]
        return rules if all(rule["health"] != "unknown" for rule in rules) else None

    rules = eventually(evaluated, "every rule has been evaluated", 60)
    assert not [(rule["name"], rule["lastError"]) for rule in rules if rule["health"] != "ok"]
    assert {rule["name"] for rule in rules} == {rule.get("alert", rule.get("record")) for rule in promql.rules()}


def test_recorded_figures_are_those_of_this_gateway(prometheus, watched):
    def figure(name, seconds=90):
        return float(eventually(lambda: prometheus.query(name), name, seconds)[0]["value"][1])

    # The traffic is over, for longer than a rate looks back where the tests before took long.
    assert figure("max_over_time(sluice:throughput:rate[10m])") > 0
    assert figure("max_over_time(sluice:transmission:rate[10m])") > 0
    assert figure("sluice:discovery_accuracy:ratio == 1")
    assert figure("sluice:authentication_success:ratio == 1")
    assert 0 < figure('max_over_time(sluice:resource_utilisation:ratio{resource="flow_table"}[10m])') < 0.1
    assert 0 < figure('sluice:resource_utilisation:ratio{resource="file_descriptors"}') < 1
    assert figure('sluice:pool_available:ratio{pool="tcp4"} == 1')


def test_nothing_is_alarming_about_a_lab_that_is_well(prometheus):
    firing = [alert["labels"]["alertname"] for alert in prometheus.get("alerts")["alerts"] if alert["state"] == "firing"]
    assert not firing


def test_a_backend_that_is_drained_shows(prometheus, watched):
    backend = watched.gateway.call("backend.list", pool="udp4")[0]
    series = f'sluice_backend_state{{pool="udp4", backend="{backend["address"]}:{backend["port"]}", state="draining"}} == 1'
    watched.gateway.ctl("backend", "drain", "udp4", backend["address"], backend["port"], check=True)
    eventually(lambda: prometheus.query(series), "the scrape after it has it", 60)
