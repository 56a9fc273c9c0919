"""A receiver of traces: HTTP in Python, and OpenTelemetry's own definitions (tests/support/otlp) for what comes."""

import base64
import http.server
import json
import pathlib
import subprocess
import threading
import time
from typing import Callable, Dict, List, Optional

import npm

FOLDER = pathlib.Path(__file__).resolve().parent / "otlp"


def install() -> None:
    """What decodes traces, unless it is there already."""
    npm.install(FOLDER, "--ignore-scripts")


def _value(any_value: dict):
    """Of an AnyValue, as Python has it."""
    ((kind, value),) = any_value.items()
    return int(value) if kind == "intValue" else value


def _attributes(pairs: Optional[list]) -> dict:
    found = {pair["key"]: _value(pair["value"]) for pair in pairs or []}
    assert len(found) == len(pairs or []), "keys are unique"
    return found


class Span:
    """One span: ids in hexadecimal, times in seconds."""

    def __init__(self, raw: dict, resource: dict):
        self.trace = base64.b64decode(raw["traceId"]).hex()
        self.id = base64.b64decode(raw["spanId"]).hex()
        self.parent = base64.b64decode(raw.get("parentSpanId", "")).hex()
        assert len(self.trace) == 32 and len(self.id) == 16 and len(self.parent) in (0, 16)
        self.name = raw["name"]
        self.kind = raw["kind"]
        self.start, self.end = (int(raw[f"{end}TimeUnixNano"]) / 1e9 for end in ("start", "end"))
        assert self.start <= self.end
        self.attributes = _attributes(raw.get("attributes"))
        self.has_failed = raw.get("status", {}).get("code") in (2, "STATUS_CODE_ERROR")
        self.failure = raw.get("status", {}).get("message", "")
        self.resource = resource

    def __repr__(self) -> str:
        return f"{self.name} {self.id} below {self.parent or 'nothing'} of {self.trace}: {self.attributes}"


class Receiver:
    """Takes POST /v1/traces. `answer` says for each request what is answered: a status, or (status, fields, body)."""

    def __init__(self, port: int = 0) -> None:
        install()
        self.spans: List[Span] = []
        self.requests: List[Dict[str, str]] = []
        self.faults: List[str] = []
        self.answer: Callable = lambda: 200
        self._lock = threading.Condition()
        self._decoder = subprocess.Popen(
            ["node", "decode.cjs"], cwd=FOLDER, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: object) -> None:  # pylint: disable=arguments-differ
                pass

            def do_POST(self) -> None:  # pylint: disable=invalid-name
                body = self.rfile.read(int(self.headers["Content-Length"]))
                answer = receiver.answer()
                status, fields, reply = answer if isinstance(answer, tuple) else (answer, {}, b"")
                receiver.take(self.path, dict(self.headers), body, status == 200)
                self.send_response(status)
                for name, value in {**fields, "Content-Length": str(len(reply))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(reply)

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> "Receiver":
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._decoder.stdin.close()
        self._decoder.wait(20)
        assert not self.faults

    def take(self, path: str, fields: Dict[str, str], body: bytes, is_kept: bool) -> None:
        with self._lock:
            self.requests.append(fields)
            if path != "/v1/traces" or fields.get("Content-Type") != "application/x-protobuf":
                self.faults.append(f"POST {path} as {fields.get('Content-Type')}")
            self._decoder.stdin.write(base64.b64encode(body).decode() + "\n")
            self._decoder.stdin.flush()
            message = json.loads(self._decoder.stdout.readline())
            if "fault" in message:
                self.faults.append(message["fault"])
            elif is_kept:
                for of_resource in message["resourceSpans"]:
                    resource = _attributes(of_resource["resource"]["attributes"])
                    for scope in of_resource["scopeSpans"]:
                        self.spans += [Span(raw, resource) for raw in scope["spans"]]
            self._lock.notify_all()

    def await_spans(self, fits: Callable[[Span], bool], count: int = 1, patience: float = 60) -> List[Span]:
        """Those that fit, once there are so many."""
        deadline = time.monotonic() + patience
        with self._lock:
            while len(found := [span for span in self.spans if fits(span)]) < count:
                assert not self.faults, self.faults
                assert time.monotonic() < deadline, f"{len(found)} of {count} spans among {self.spans}"
                self._lock.wait(0.2)
            return found

    def of_trace(self, trace: str) -> List[Span]:
        with self._lock:
            return [span for span in self.spans if span.trace == trace]
