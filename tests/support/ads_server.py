"""A control plane for tests: aggregated discovery over gRPC's own server, state of the world and incremental. It holds
clients to the protocol as go-control-plane does: who asks for some endpoints and not for all gets no answer."""

import concurrent.futures
import pathlib
import queue
import sys
import threading
from typing import Dict, List, Optional

import grpc

from namespaces import Namespace, run

CLUSTER = "type.googleapis.com/envoy.config.cluster.v3.Cluster"
ASSIGNMENT = "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment"
LISTENER = "type.googleapis.com/envoy.config.listener.v3.Listener"
TCP_PROXY = "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy"
TYPES = (CLUSTER, ASSIGNMENT, LISTENER)
STATIC, STRICT_DNS, LOGICAL_DNS, EDS = range(4)


def generate(directory: pathlib.Path):
    """The messages of xds.proto, by protoc."""
    here = pathlib.Path(__file__).parent
    run("protoc", "-I", here, f"--python_out={directory}", "xds.proto")
    sys.path.insert(0, str(directory))
    try:
        import xds_pb2  # pylint: disable=import-outside-toplevel
    finally:
        sys.path.remove(str(directory))
    return xds_pb2


class AdsServer:
    """Resources by type and name; `put` and `remove` change them and tell every stream."""

    def __init__(self, namespace: Namespace, port: int, messages, credentials: Optional[grpc.ServerCredentials] = None):
        self.messages = messages
        self.port = port
        self.credentials = credentials
        self.resources: Dict[str, Dict[str, object]] = {kind: {} for kind in TYPES}
        self.versions: Dict[str, Dict[str, int]] = {kind: {} for kind in TYPES}
        self.version = 0
        self.requests: List[object] = []
        self.refusals: List[str] = []
        self.sent_bytes = 0
        self.is_mute = False  # changes are told to nobody
        self._lock = threading.Lock()
        self._streams: List[queue.Queue] = []
        self._namespace = namespace
        self._server: Optional[grpc.Server] = None
        self.start()

    def start(self) -> None:
        self._server = grpc.server(concurrent.futures.ThreadPoolExecutor(16), options=[("grpc.so_reuseport", 0)])
        handlers = {}
        for name, serve, request in (
            ("StreamAggregatedResources", self._state_of_the_world, self.messages.DiscoveryRequest),
            ("DeltaAggregatedResources", self._delta, self.messages.DeltaDiscoveryRequest),
        ):
            handlers[name] = grpc.stream_stream_rpc_method_handler(
                serve, request_deserializer=request.FromString, response_serializer=self._counted
            )
        self._server.add_generic_rpc_handlers(
            [grpc.method_handlers_generic_handler("envoy.service.discovery.v3.AggregatedDiscoveryService", handlers)]
        )
        address = f"127.0.0.1:{self.port}"
        with self._namespace.entered():
            if self.credentials:
                assert self._server.add_secure_port(address, self.credentials) == self.port
            else:
                assert self._server.add_insecure_port(address) == self.port
            self._server.start()

    def stop(self) -> None:
        for stream in list(self._streams):
            stream.put(None)
        self._server.stop(0).wait(10)

    def _counted(self, message) -> bytes:
        content = message.SerializeToString()
        self.sent_bytes += len(content)
        return content

    # What it knows.

    def put(self, kind: str, name: str, resource) -> None:
        with self._lock:
            self.version += 1
            self.resources[kind][name] = resource
            self.versions[kind][name] = self.version
        self._tell()

    def remove(self, kind: str, name: str) -> None:
        with self._lock:
            self.version += 1
            del self.resources[kind][name]
        self._tell()

    def _tell(self) -> None:
        if not self.is_mute:
            for stream in list(self._streams):
                stream.put("changed")

    def cluster(self, name: str, service: str = "", kind: int = EDS, **fields) -> None:
        made = self.messages.Cluster(name=name, type=kind, **fields)
        made.eds_cluster_config.service_name = service
        self.put(CLUSTER, name, made)

    def assignment(self, name: str, *localities, factor: int = 0):
        """Each locality: (priority, weight or None, [(address, port, weight, health), ...])."""
        made = self.messages.ClusterLoadAssignment(cluster_name=name)
        if factor:
            made.policy.overprovisioning_factor.value = factor
        for priority, weight, endpoints in localities:
            locality = made.endpoints.add(priority=priority)
            if weight is not None:
                locality.load_balancing_weight.value = weight
            for address, port, share, health in endpoints:
                endpoint = locality.lb_endpoints.add(health_status=health)
                endpoint.endpoint.address.socket_address.address = address
                endpoint.endpoint.address.socket_address.port_value = port
                endpoint.load_balancing_weight.value = share
        return made

    def endpoints(self, name: str, *localities, factor: int = 0) -> None:
        self.put(ASSIGNMENT, name, self.assignment(name, *localities, factor=factor))

    def made_listener(self, name: str, address: str, port: int, clusters):
        """A listener with tcp_proxy: `clusters` is the name of one, or weights by name."""
        made = self.messages.Listener(name=name)
        made.address.socket_address.address = address
        made.address.socket_address.port_value = port
        proxy = self.messages.TcpProxy(stat_prefix=name)
        if isinstance(clusters, str):
            proxy.cluster = clusters
        else:
            for cluster, weight in clusters.items():
                proxy.weighted_clusters.clusters.add(name=cluster, weight=weight)
        chain = made.filter_chains.add()
        self._packed(TCP_PROXY, proxy, chain.filters.add(name="envoy.filters.network.tcp_proxy").typed_config)
        return made

    def listener(self, name: str, address: str, port: int, clusters) -> None:
        self.put(LISTENER, name, self.made_listener(name, address, port, clusters))

    # The two protocols.

    def _events(self, requests, context) -> queue.Queue:
        events: queue.Queue = queue.Queue()
        self._streams.append(events)

        def read():
            try:
                for request in requests:
                    self.requests.append(request)
                    if request.error_detail.code:
                        self.refusals.append(request.error_detail.message)
                    events.put(request)
            except grpc.RpcError:
                pass
            events.put(None)

        threading.Thread(target=read, daemon=True).start()
        context.add_callback(lambda: events.put(None))
        return events

    def _packed(self, kind: str, resource, into) -> None:
        into.type_url = kind
        into.value = resource if isinstance(resource, bytes) else resource.SerializeToString()

    def _state_of_the_world(self, requests, context):
        events = self._events(requests, context)
        asked, told, nonces = {}, {}, {}
        try:
            while (event := events.get()) is not None:
                if event != "changed":
                    if event.response_nonce and event.response_nonce != nonces.get(event.type_url):
                        continue
                    if list(event.resource_names) != asked.get(event.type_url, (None,)):
                        told.pop(event.type_url, None)
                    asked[event.type_url] = list(event.resource_names)
                for kind in [one for one in TYPES if one in asked]:
                    with self._lock:
                        content = dict(self.resources[kind])
                        state = {name: self.versions[kind][name] for name in content}
                    if told.get(kind) == state or (asked[kind] and not set(asked[kind]) >= set(content)):
                        continue
                    told[kind] = state
                    nonces[kind] = str(int(nonces.get(kind, 0)) + 1)
                    answer = self.messages.DiscoveryResponse(
                        version_info=str(self.version), type_url=kind, nonce=nonces[kind]
                    )
                    for resource in content.values():
                        self._packed(kind, resource, answer.resources.add())
                    yield answer
        finally:
            self._streams.remove(events)

    def _delta(self, requests, context):
        events = self._events(requests, context)
        wanted, told, nonce = {}, {}, 0
        try:
            while (event := events.get()) is not None:
                firsts = set()
                if event != "changed":
                    kind = event.type_url
                    if kind not in wanted:
                        firsts.add(kind)
                        told[kind] = dict(event.initial_resource_versions)
                        wanted[kind] = set()
                    wanted[kind] |= set(event.resource_names_subscribe)
                    wanted[kind] -= set(event.resource_names_unsubscribe)
                    for name in event.resource_names_unsubscribe:
                        told[kind].pop(name, None)
                for kind in [one for one in TYPES if one in wanted]:
                    with self._lock:
                        content, versions = dict(self.resources[kind]), dict(self.versions[kind])
                    is_all = kind in (CLUSTER, LISTENER)
                    nonce += 1
                    answer = self.messages.DeltaDiscoveryResponse(type_url=kind, nonce=str(nonce))
                    for name, resource in content.items():
                        if (is_all or name in wanted[kind]) and told[kind].get(name) != str(versions[name]):
                            told[kind][name] = str(versions[name])
                            made = answer.resources.add(name=name, version=str(versions[name]))
                            self._packed(kind, resource, made.resource)
                    for name in set(told[kind]) - set(content):
                        del told[kind][name]
                        answer.removed_resources.append(name)
                    if answer.resources or answer.removed_resources or (is_all and kind in firsts):
                        yield answer
        finally:
            self._streams.remove(events)
