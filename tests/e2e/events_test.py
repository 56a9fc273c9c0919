"""Events by every way: the control socket, GET /events, sluicectl, and a real NATS server."""

import contextlib
import json
import queue
import signal
import socket
import subprocess
import threading
import time

import pytest

from control import Control
from gateway import Gateway
from nats_server import NatsServer, NatsSubscriber, apply_nats
from processes import SLUICECTL, eventually, spawn, stop
from wireless import free_port, wireless_configuration

KEEPS_UP = 60  # seconds that anything may take on a busy machine


class Listener:
    """A TCP port of the loopback that health checks find open until it is closed. Nobody takes their connections from
    the kernel, which keeps as many as there are checks in some minutes."""

    def __init__(self):
        self.port = 0  # any
        self.open_again()

    def open_again(self) -> None:
        self.socket = socket.create_server(("127.0.0.1", self.port), backlog=4096)
        self.port = self.socket.getsockname()[1]

    def close(self) -> None:
        self.socket.close()


def configuration(name: str, backend: Listener) -> dict:
    return {
        **wireless_configuration(name),
        "pools": [
            {
                "name": "web",
                "backends": [{"address": "127.0.0.1", "port": backend.port}],
                "health": {"type": "tcp", "interval": "100ms", "timeout": "1s", "rise": 1, "fall": 1},
            }
        ],
        "services": [
            {"name": "web", "address": "203.0.113.10", "port": 80, "protocol": "tcp", "forward": "dnat", "pool": "web"}
        ],
    }


@pytest.fixture(name="backend")
def backend_fixture():
    listener = Listener()
    yield listener
    listener.close()


@pytest.fixture(name="gateway")
def gateway_fixture(tmp_path, backend):
    config = configuration("edge.1", backend)
    with Gateway(tmp_path / "gateway", config) as gateway:
        eventually(lambda: state_of(gateway) == "active", "the backend is found")
        yield gateway


def state_of(gateway) -> str:
    return gateway.call("backend.list")[0]["state"]


def weighed(gateway, weight: int) -> dict:
    config = json.loads(json.dumps(gateway.config))
    config["pools"][0]["backends"][0]["weight"] = weight
    return config


def is_of_backend(event: dict, backend: Listener, state: str) -> None:
    assert event["kind"] == "backend_state" and event["state"] == state
    assert (event["pool"], event["address"], event["port"]) == ("web", "127.0.0.1", backend.port)
    assert abs(event["time"] - time.time()) < 300
    assert isinstance(event["reason"], str)


def test_a_connection_becomes_a_stream_of_what_happens(gateway, backend):
    with Control(gateway.socket, timeout=KEEPS_UP) as control, Control(gateway.socket, timeout=KEEPS_UP) as all_kinds:
        assert control.call("events.subscribe", kinds=["backend_state"]) == {"kinds": ["backend_state"]}
        assert len(all_kinds.call("events.subscribe")["kinds"]) == 10
        generation = gateway.call("config.apply", config=weighed(gateway, 3))["generation"]
        gateway.refusal("config.apply", config={**gateway.config, "pools": 1})
        backend.close()
        told = control.receive()
        assert told["jsonrpc"] == "2.0" and told["method"] == "event" and "id" not in told
        is_of_backend(told["params"], backend, "down")
        backend.open_again()
        is_of_backend(control.receive()["params"], backend, "active")
        events = [all_kinds.receive()["params"] for _ in range(4)]
        assert [event["kind"] for event in events] == [
            "config_applied", "config_refused", "backend_state", "backend_state",
        ]  # fmt: skip
        assert events[0]["generation"] == generation
        assert "/pools" in [fault["pointer"] for fault in events[1]["faults"]]
        gateway.call("backend.set", pool="web", address="127.0.0.1", port=backend.port, state="draining")
        is_of_backend(control.receive()["params"], backend, "draining")


def test_what_cannot_be_followed_is_refused(gateway):
    refused = gateway.refusal("events.subscribe", kinds=["backend_state", "rumours"])
    assert refused.code == -32602 and "/kinds" in [fault["pointer"] for fault in refused.data["faults"]]
    assert gateway.ctl("events", "--kind", "rumours").returncode == 2
    assert gateway.get("/events?kinds=rumours").stdout.startswith("the query may have")


def test_a_file_that_is_refused_is_told(gateway):
    with Control(gateway.socket, timeout=KEEPS_UP) as control:
        control.call("events.subscribe", kinds=["config_refused", "config_applied"])
        gateway.file.write_text("pools: [")
        gateway.reload()
        event = control.receive()["params"]
        assert event["kind"] == "config_refused" and "sluice.yaml:1" in event["faults"][0]["message"]
        gateway.write(weighed(gateway, 4))
        gateway.reload()
        assert control.receive()["params"]["kind"] == "config_applied"


def test_captures_are_told(gateway):
    with Control(gateway.socket, timeout=KEEPS_UP) as control, Control(gateway.socket, timeout=KEEPS_UP) as capture:
        control.call("events.subscribe", kinds=["capture"])
        number = capture.call("capture.start", at="rx", seconds=60)["capture"]
        begun = control.receive()["params"]
        assert (begun["capture"], begun["state"]) == (number, "running")
        gateway.call("capture.stop", capture=number)
        assert control.receive()["params"]["state"] == "ended"


class EventSource:
    """What curl reads of GET /events, cut into events as the standard has it (WHATWG HTML, 9.2.6)."""

    def __init__(self, gateway, query: str = ""):
        url = f"http://{gateway.config['http']['listen']}/events{query}"
        self.process = spawn("curl", "-sS", "-N", "-m", "120", url, stdout=subprocess.PIPE)
        self.events: "queue.Queue" = queue.Queue()
        self.begun = threading.Event()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        kind, data = "", []
        for raw in self.process.stdout:
            line = raw.decode().rstrip("\n")
            self.begun.set()
            if line.startswith("event: "):
                kind = line[7:]
            elif line.startswith("data: "):
                data.append(line[6:])
            elif not line and data:
                self.events.put((kind, json.loads("\n".join(data))))
                kind, data = "", []

    def __enter__(self) -> "EventSource":
        assert self.begun.wait(KEEPS_UP)
        return self

    def __exit__(self, *_: object) -> None:
        stop(self.process)

    def next(self):
        return self.events.get(timeout=KEEPS_UP)


def test_pages_follow_by_server_sent_events(gateway, backend):
    with EventSource(gateway) as everything, EventSource(gateway, "?kinds=backend_state") as states:
        gateway.call("config.apply", config=weighed(gateway, 5))
        backend.close()
        kind, event = everything.next()
        assert kind == event["kind"] == "config_applied"
        kind, event = everything.next()
        assert kind == "backend_state"
        is_of_backend(event, backend, "down")
        assert states.next() == (kind, event)


def test_sluicectl_shows_a_line_for_each(gateway, backend):
    command = spawn(
        SLUICECTL, "--socket", gateway.socket, "-o", "json", "events", "--kind", "backend_state", "config_applied",
        stdout=subprocess.PIPE,
    )  # fmt: skip
    limited = spawn(SLUICECTL, "--socket", gateway.socket, "events", "-c", 1, stdout=subprocess.PIPE)
    lines: "queue.Queue" = queue.Queue()
    threading.Thread(target=lambda: [lines.put(line) for line in command.stdout], daemon=True).start()
    weights = iter(range(6, 1000))

    def has_begun() -> bool:
        gateway.call("config.apply", config=weighed(gateway, next(weights)))
        return limited.poll() is not None and not lines.empty()

    eventually(has_begun, "both have an event", KEEPS_UP)
    assert limited.returncode == 0
    (line,) = limited.stdout.read().decode().splitlines()
    assert " config_applied " in line and "generation=" in line
    backend.close()
    while (event := json.loads(lines.get(timeout=KEEPS_UP)))["kind"] != "backend_state":
        assert event["kind"] == "config_applied"
    is_of_backend(event, backend, "down")
    command.send_signal(signal.SIGINT)
    assert command.wait(KEEPS_UP) == 0


def test_who_does_not_read_is_closed_and_counted(gateway):
    """One whose events are more than the gateway keeps for it; the others hear all."""
    large = {**gateway.config, "pools": [{"name": "x" * 100, "nothing": 1}] * 3000}
    sleeper = Control(gateway.socket, timeout=KEEPS_UP)
    sleeper.call("events.subscribe")
    with contextlib.closing(sleeper.socket), Control(gateway.socket, timeout=KEEPS_UP) as awake:
        awake.call("events.subscribe")
        dropped = 'sluice_events_dropped_total{sink="socket"}'
        assert gateway.metrics()[dropped] == 0
        for _ in range(200):
            gateway.refusal("config.apply", config=large)
            assert awake.receive()["params"]["kind"] == "config_refused"
            if gateway.metrics()[dropped] > 0 or "does not read; dropped" in gateway.log.read_text():
                break
        gateway.await_line("; dropped", KEEPS_UP)
        while sleeper.receive() is not None:
            pass


@pytest.fixture(name="nats")
def nats_fixture(tmp_path):
    server = NatsServer(tmp_path).start()
    yield server
    server.stop()


def test_a_nats_server_hears_of_a_killed_backend(gateway, backend, nats):
    subscriber = NatsSubscriber(nats, "sluice.>")
    apply_nats(gateway, [f"nats://127.0.0.1:{free_port()}", nats.url])  # the first is nobody's
    gateway.await_line("events.nats: events go to 127.0.0.1", KEEPS_UP)
    backend.close()
    while (heard := subscriber.next())[1]["kind"] != "backend_state":
        pass
    assert heard[0] == "sluice.edge_1.backend_state"
    is_of_backend(heard[1], backend, "down")
    subscriber.close()


def test_a_nats_server_that_was_away_gets_what_happens_after(gateway, nats):
    """It loses nothing but events, and those that fit are kept for it."""
    apply_nats(gateway, [nats.url], subject="fleet.{kind}")
    gateway.await_line("events.nats: events go to", KEEPS_UP)
    nats.stop()
    gateway.await_line("events.nats: no server takes events", KEEPS_UP)
    generation = gateway.call("config.apply", config=weighed(gateway, 9))["generation"]
    read = len(gateway.log.read_text())
    nats.start()
    subscriber = NatsSubscriber(nats, "fleet.*")
    gateway.await_line("events.nats: events go to", KEEPS_UP, after=read)
    later = gateway.call("config.apply", config=weighed(gateway, 10))["generation"]
    heard = [subscriber.next()]
    while heard[-1][1]["generation"] != later:
        heard.append(subscriber.next())
    assert all(subject == "fleet.config_applied" for subject, _ in heard)
    # What named the server may itself be told of after it is named.
    generations = [event["generation"] for _, event in heard]
    assert generations == sorted(generations) and set(generations) <= {generation - 1, generation, later}
    assert gateway.metrics()['sluice_events_dropped_total{sink="nats"}'] in (0, 1)
    subscriber.close()


def test_nats_is_changed_without_a_restart(gateway, nats, tmp_path):
    apply_nats(gateway, [nats.url])
    gateway.await_line(f"events.nats: events go to 127.0.0.1:{nats.port}", KEEPS_UP)
    other = NatsServer(tmp_path).start()
    try:
        apply_nats(gateway, [other.url])
        gateway.await_line(f"events.nats: events go to 127.0.0.1:{other.port}", KEEPS_UP)
        without = {key: value for key, value in gateway.config.items() if key != "events"}
        assert gateway.call("config.apply", config=without)["changed"] == ["events"]
        assert "events" not in gateway.call("config.get")["config"]
    finally:
        other.stop()
