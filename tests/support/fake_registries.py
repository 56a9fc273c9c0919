"""Consul and Kubernetes, as far as sources speak with them: Debian has neither. Real clients accept these fakes
(kubectl 1.20 and 1.32, python3-kubernetes, python3-consul: see the facts of each handler), and tests make them
fail."""

import json
import threading
import time
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Dict, Optional

from namespaces import Namespace
from registries import LOOPBACK


class _Fake:
    """An HTTP/1.1 server in a namespace whose handlers see `fake`, which is this."""

    handler: type

    def __init__(self, namespace: Namespace, port: int):
        self.port = port
        self.changed = threading.Condition()
        self.token: Optional[str] = None  # what requests have to bear
        self.requests: list = []  # paths with their queries
        fake = self

        class Handler(self.handler):
            pass

        Handler.fake = fake
        with namespace.entered():
            self.server = ThreadingHTTPServer((LOOPBACK, port), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    fake: _Fake

    def log_message(self, *_arguments):
        pass

    def reply(self, status: int, body: object, **fields: object) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", "Content-Length": len(data), **fields}.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()
        self.wfile.write(data)

    def parse(self):
        self.fake.requests.append(self.path)
        url = urllib.parse.urlsplit(self.path)
        return url.path, {key: values[0] for key, values in urllib.parse.parse_qs(url.query).items()}


class _ConsulHandler(_Handler):
    def do_GET(self):
        fake = self.fake
        path, query = self.parse()
        if fake.token and self.headers.get("X-Consul-Token") != fake.token:
            return self.reply(403, "ACL not found")
        if fake.status != 200:
            return self.reply(fake.status, "rpc error")
        service = path.rsplit("/", 1)[1]
        with fake.changed:
            index = int(query.get("index", 0))
            wait = float(query.get("wait", "300000ms").removesuffix("ms")) / 1000
            if index:
                fake.changed.wait_for(lambda: fake.index != index, wait + wait / 16)
            entries = [entry for entry in fake.services.get(service, {}).values()
                       if "tag" not in query or query["tag"] in entry["Service"]["Tags"]]  # fmt: skip
            fields = {"X_Consul_Index": fake.index, "X_Consul_KnownLeader": str(fake.leader).lower(),
                      "X_Consul_LastContact": 0}  # fmt: skip
        return self.reply(200, entries, **fields)


class FakeConsul(_Fake):
    """`/v1/health/service/NAME` with blocking queries."""

    handler = _ConsulHandler

    def __init__(self, namespace, port: int = 8500):
        self.services: Dict[str, Dict[str, dict]] = {}
        self.index = 10
        self.leader = True
        self.status = 200
        super().__init__(namespace, port)

    def register(self, service: str, id: str, address: str, port: int, status: str = "passing", tags=(), **weights):
        entry = {
            "Node": {"Node": "n1", "Address": "10.9.9.9"},
            "Service": {"ID": id, "Service": service, "Address": address, "Port": port, "Tags": list(tags),
                        "Weights": {"Passing": 1, "Warning": 1, **weights}},
            "Checks": [{"CheckID": "serfHealth", "Status": "passing"}, {"CheckID": f"service:{id}", "Status": status}],
        }  # fmt: skip
        self.change(lambda: self.services.setdefault(service, {}).__setitem__(id, entry))

    def deregister(self, service: str, id: str) -> None:
        self.change(lambda: self.services[service].pop(id))

    def change(self, what=lambda: None, index: Optional[int] = None) -> None:
        with self.changed:
            what()
            self.index = self.index + 1 if index is None else index
            self.changed.notify_all()


class _KubernetesHandler(_Handler):
    def do_GET(self):
        fake = self.fake
        path, query = self.parse()
        if fake.token and self.headers.get("Authorization") != f"Bearer {fake.token}":
            return self.status(401, "Unauthorized")
        if not path.endswith("/endpointslices"):
            return self.status(404, "the server could not find the requested resource")
        label, _, value = query.get("labelSelector", "").partition("=")
        wanted = value if label == "kubernetes.io/service-name" else None
        if query.get("watch", "") in ("1", "t", "T", "true", "True", "TRUE"):
            return self.watch(query, wanted)
        return self.list(query, wanted)

    def status(self, code: int, message: str) -> None:
        self.reply(code, {"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": message, "code": code})

    def list(self, query, wanted):
        fake = self.fake
        with fake.changed:
            items = [item for item in fake.slices.values() if fake.matches(item, wanted)]
            version = fake.version
        start = int(query.get("continue", "0"))
        if start and fake.forget_continues > 0:
            fake.forget_continues -= 1
            return self.status(410, "The provided continue parameter is too old")
        end = start + min(int(query.get("limit", "500")), fake.page)
        more = {"continue": str(end)} if end < len(items) else {}
        return self.reply(200, {"kind": "EndpointSliceList", "apiVersion": "discovery.k8s.io/v1",
                                "metadata": {"resourceVersion": str(version), **more}, "items": items[start:end]})  # fmt: skip

    def watch(self, query, wanted):
        fake = self.fake
        version = int(query["resourceVersion"])
        if version < fake.oldest and fake.gone_by_status:
            return self.status(410, "too old resource version")
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        if version < fake.oldest:
            return self.line({"type": "ERROR", "object": {"kind": "Status", "code": 410, "message": "too old"}}, last=True)
        until = time.monotonic() + min(float(query.get("timeoutSeconds", "600")), fake.watch_seconds)
        epoch = fake.epoch
        while True:
            with fake.changed:
                fake.changed.wait_for(
                    lambda: fake.version > version or fake.epoch != epoch or fake.bookmarks, max(0, until - time.monotonic())
                )
                news = [event for event in fake.history if event[0] > version and fake.matches(event[2], wanted)]
                version = fake.version
                bookmark, fake.bookmarks = fake.bookmarks, False
            for _, kind, item in news:
                self.line({"type": kind, "object": item})
            if bookmark:
                self.line({"type": "BOOKMARK", "object": {"kind": "EndpointSlice",
                                                          "metadata": {"resourceVersion": str(version)}}})  # fmt: skip
            if fake.epoch != epoch or time.monotonic() >= until:
                return self.chunk(b"")

    def line(self, value, last: bool = False) -> None:
        self.chunk(json.dumps(value).encode() + b"\n")
        if last:
            self.chunk(b"")

    def chunk(self, data: bytes) -> None:
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        self.wfile.flush()


class FakeKubernetes(_Fake):
    """EndpointSlices of one namespace: list with pages, watch with bookmarks, 410 Gone."""

    handler = _KubernetesHandler

    def __init__(self, namespace, port: int = 6443):
        self.slices: Dict[str, dict] = {}
        self.version = 100
        self.oldest = 0  # watches from before this are gone
        self.history: list = []
        self.page = 500
        self.forget_continues = 0
        self.gone_by_status = True
        self.watch_seconds = 600.0
        self.epoch = 0  # raise it by end_watches()
        self.bookmarks = False
        super().__init__(namespace, port)

    @staticmethod
    def matches(item: dict, wanted: Optional[str]) -> bool:
        return wanted is None or item["metadata"]["labels"].get("kubernetes.io/service-name") == wanted

    @staticmethod
    def slice(name: str, *endpoints: dict, service: str = "web", ports=None, family: str = "IPv4") -> dict:
        return {
            "kind": "EndpointSlice", "apiVersion": "discovery.k8s.io/v1",
            "metadata": {"name": name, "namespace": "prod", "labels": {"kubernetes.io/service-name": service}},
            "addressType": family, "endpoints": list(endpoints),
            "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}] if ports is None else ports,
        }  # fmt: skip

    @staticmethod
    def endpoint(address: str, **conditions: bool) -> dict:
        return {"addresses": [address], "conditions": conditions}

    def _event(self, kind: str, item: dict) -> None:
        with self.changed:
            self.version += 1
            item["metadata"]["resourceVersion"] = str(self.version)
            if kind == "DELETED":
                del self.slices[item["metadata"]["name"]]
            else:
                self.slices[item["metadata"]["name"]] = item
            self.history.append((self.version, kind, item))
            self.changed.notify_all()

    def put(self, item: dict) -> None:
        self._event("MODIFIED" if item["metadata"]["name"] in self.slices else "ADDED", item)

    def delete(self, name: str) -> None:
        self._event("DELETED", json.loads(json.dumps(self.slices[name])))

    def end_watches(self) -> None:
        with self.changed:
            self.epoch += 1
            self.changed.notify_all()

    def forget(self) -> None:
        """As etcd's compaction: what has been is no longer told."""
        with self.changed:
            self.version += 1
            self.oldest = self.version
            self.history.clear()
            self.epoch += 1
            self.changed.notify_all()

    def bookmark(self) -> None:
        with self.changed:
            self.bookmarks = True
            self.changed.notify_all()
