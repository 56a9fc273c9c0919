#!/usr/bin/python3
"""Sluice's traces in a real Jaeger: its API finds the trace of a `config.apply` that was sent with a `traceparent`, with its
spans, and the states of a backend.

`./dev interop jaeger` runs it. Jaeger comes as a Go module, by name, into build-interop/; nothing else is touched.
"""

import json
import os
import pathlib
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests" / "support"), str(ROOT / "tests" / "e2e")]

from gateway import Gateway  # noqa: E402  pylint: disable=wrong-import-position
from processes import eventually, spawn, stop  # noqa: E402  pylint: disable=wrong-import-position
from wireless import free_port, wireless_configuration  # noqa: E402  pylint: disable=wrong-import-position

KEPT = ROOT / "build-interop"
GO_PROGRAM = "github.com/jaegertracing/jaeger/cmd/jaeger"
VERSION = "v1.76.0"
PATIENCE = 60


def install() -> pathlib.Path:
    program = KEPT / "jaeger" / "jaeger"
    if not program.exists():
        program.parent.mkdir(parents=True, exist_ok=True)
        (program.parent / "go.mod").unlink(missing_ok=True)
        go = shutil.which("go") or "/usr/local/go/bin/go"
        for words in (["mod", "init", "sluice.test/jaeger"], ["get", "-tool", f"{GO_PROGRAM}@{VERSION}"],
                      ["build", "-o", program.name, GO_PROGRAM]):  # fmt: skip
            subprocess.run([go, *words], cwd=program.parent, check=True, env={**os.environ, "GOFLAGS": "-mod=mod"})
    return program


class Jaeger:
    """Traces in memory; OTLP over HTTP, and the API of its page, on ports of the loopback."""

    def __init__(self, program: pathlib.Path):
        self.otlp, self.query, grpc = free_port(), free_port(), free_port()
        configuration = {
            "service": {
                "extensions": ["jaeger_storage", "jaeger_query"],
                "pipelines": {"traces": {"receivers": ["otlp"], "exporters": ["jaeger_storage_exporter"]}},
                "telemetry": {"metrics": {"level": "none"}, "logs": {"level": "error"}},
            },
            "extensions": {
                "jaeger_query": {
                    "storage": {"traces": "memory"},
                    "http": {"endpoint": f"127.0.0.1:{self.query}"},
                    "grpc": {"endpoint": f"127.0.0.1:{grpc}"},
                },
                "jaeger_storage": {"backends": {"memory": {"memory": {"max_traces": 10000}}}},
            },
            "receivers": {"otlp": {"protocols": {"http": {"endpoint": f"127.0.0.1:{self.otlp}"}}}},
            "exporters": {"jaeger_storage_exporter": {"trace_storage": "memory"}},
        }
        file = KEPT / "jaeger.json"
        file.write_text(json.dumps(configuration))
        self.process = spawn(program, "--config", f"file:{file}", log=KEPT / "jaeger.log")
        eventually(self._answers, "Jaeger answers", PATIENCE)

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.otlp), 1):
                return self.get("/api/services") is not None
        except OSError:
            return False

    def get(self, path: str):
        """What its API answers; nothing where it knows nothing of that."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.query}{path}", timeout=10) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            if error.code != 404:
                raise
            return None

    def spans_of(self, trace: str) -> list:
        found = self.get(f"/api/traces/{trace}")
        return [span for one in (found or {}).get("data") or [] for span in one["spans"]]


def parent_of(span: dict) -> str:
    return next((one["spanID"] for one in span["references"] if one["refType"] == "CHILD_OF"), "")


def tags_of(span: dict) -> dict:
    return {tag["key"]: tag["value"] for tag in span["tags"]}


def check_change(jaeger: Jaeger, gateway: Gateway) -> str:
    """A change that is sent with a `traceparent` by sluicectl: answers what is wrong with its trace."""
    trace, parent = secrets.token_hex(16), secrets.token_hex(8)
    wanted = json.loads(json.dumps(gateway.config))
    wanted["pools"][0]["backends"][0]["weight"] = 9
    gateway.write(wanted)
    gateway.ctl("config", "apply", gateway.file, env={**os.environ, "TRACEPARENT": f"00-{trace}-{parent}-01"}, check=True)
    workers = len(wanted["gateway"]["workers"])
    steps = sorted(["config.read", "config.compile", "config.publish"] + workers * ["config.worker"])

    def whole() -> bool:
        return "config.apply" in [span["operationName"] for span in jaeger.spans_of(trace)]

    eventually(whole, "Jaeger has the trace of the change", PATIENCE)
    spans = jaeger.spans_of(trace)
    changes = [span for span in spans if span["operationName"] == "config.apply"]
    if len(changes) != 1:
        return f"{len(changes)} spans config.apply"
    if parent_of(changes[0]) != parent:
        return f"config.apply is below {parent_of(changes[0])!r}, not {parent}"
    below = sorted(span["operationName"] for span in spans if parent_of(span) == changes[0]["spanID"])
    if below != steps:
        return f"below config.apply are {below}, not {steps}"
    if tags_of(changes[0]).get("sluice.generation") != 2:
        return f"config.apply has {tags_of(changes[0])}"
    return ""


def check_states(jaeger: Jaeger, listener: socket.socket) -> str:
    """A backend that goes down: its state until then is a span that Jaeger finds by its attributes."""
    port = listener.getsockname()[1]
    listener.close()
    query = "/api/traces?service=sluice&operation=backend.state&limit=100&tags=" + urllib.request.quote(
        json.dumps({"sluice.backend": f"127.0.0.1:{port}", "sluice.state": "active"})
    )
    eventually(lambda: (jaeger.get(query) or {}).get("data"), "Jaeger has the backend's state", PATIENCE)
    return ""


def main() -> int:
    jaeger = Jaeger(install())
    listener = socket.create_server(("127.0.0.1", 0), backlog=64)
    faults = []
    try:
        with tempfile.TemporaryDirectory() as directory:
            configuration = {
                **wireless_configuration("edge-1"),
                "pools": [{
                    "name": "web", "backends": [{"address": "127.0.0.1", "port": listener.getsockname()[1]}],
                    "health": {"type": "tcp", "interval": "100ms", "timeout": "1s", "rise": 1, "fall": 1},
                }],
                "services": [{"name": "web", "address": "203.0.113.10", "port": 80, "protocol": "tcp", "forward": "dnat",
                              "pool": "web"}],
                "tracing": {"otlp": f"http://127.0.0.1:{jaeger.otlp}"},
            }  # fmt: skip
            with Gateway(pathlib.Path(directory) / "gateway", configuration) as gateway:
                eventually(lambda: gateway.call("backend.list")[0]["state"] == "active", "the backend is found")
                faults = [fault for fault in (check_change(jaeger, gateway), check_states(jaeger, listener)) if fault]
                samples = {name: value for name, value in gateway.metrics().items() if "sluice_trace_spans_total" in name}
                lost = [name for name, value in samples.items() if value > 0 and "exported" not in name]
                faults += [f"spans are lost: {samples}"] if lost else []
    finally:
        stop(jaeger.process, 10)
    for fault in faults:
        print(f"jaeger: {fault}", file=sys.stderr)
    print(f"jaeger: Jaeger {VERSION} finds the trace of a change, and the states of a backend: {'NO' if faults else 'yes'}")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
