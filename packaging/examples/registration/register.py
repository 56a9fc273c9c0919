#!/usr/bin/python3
"""Registers one instance of a service with a Sluice gateway over gRPC, and keeps it registered until told to stop.

Needs python3-grpcio, and what protoc makes of packaging/proto/sluice_registry.proto beside this file or on PYTHONPATH:

    protoc -I packaging/proto --python_out=. --grpc_python_out=. \\
      --plugin=protoc-gen-grpc_python=/usr/bin/grpc_python_plugin sluice_registry.proto
"""

import argparse
import pathlib
import signal
import sys
import threading

import grpc
import sluice_registry_pb2 as registry
import sluice_registry_pb2_grpc as registry_grpc

LONGEST_PAUSE = 10  # seconds between two attempts while the gateway is away


def channel_to(arguments) -> grpc.Channel:
    """With TLS where an authority is given, and a client certificate where one is."""
    if not arguments.ca:
        return grpc.insecure_channel(arguments.gateway)

    def content(name):
        return pathlib.Path(name).read_bytes() if name else None

    credentials = grpc.ssl_channel_credentials(content(arguments.ca), content(arguments.key), content(arguments.cert))
    return grpc.secure_channel(arguments.gateway, credentials)


def parse(words) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--gateway", default="127.0.0.1:9467", help="ADDRESS:PORT of `registry.grpc`")
    parser.add_argument("--ca", help="file of the authority that the gateway's certificate is from")
    parser.add_argument("--cert", help="file of a client certificate")
    parser.add_argument("--key", help="file of its key")
    parser.add_argument("--token", help="file of a token")
    parser.add_argument("--weight", type=int, default=1)
    parser.add_argument("--ttl", type=int, default=30, help="seconds that the gateway waits for a word")
    parser.add_argument("--leave", action="store_true", help="deregister at the end, instead of letting the lease end")
    for name in ("service", "instance", "address"):
        parser.add_argument(name)
    parser.add_argument("port", type=int)
    return parser.parse_args(words)


def main(words) -> int:
    arguments = parse(words)
    instance = registry.ServiceInstance(
        service=arguments.service, instance=arguments.instance, address=arguments.address, port=arguments.port,
        weight=arguments.weight,
    )  # fmt: skip
    instance.ttl.seconds = arguments.ttl
    told_to_stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: told_to_stop.set())
    discovery = registry_grpc.ServiceDiscoveryStub(channel_to(arguments))

    def call(method, request):
        # A token may be a new one each time: they expire.
        token = pathlib.Path(arguments.token).read_text(encoding="ascii").strip() if arguments.token else None
        return method(request, timeout=5, metadata=[("authorization", f"Bearer {token}")] if token else None)

    lease, pause = None, 0.0
    while not told_to_stop.wait(pause):
        try:
            if lease is None:
                lease = call(discovery.Register, instance)
                print(f"registered, lease {lease.id}", flush=True)
            else:
                call(discovery.Renew, registry.RenewRequest(id=lease.id))
            pause = arguments.ttl / 3
        except grpc.RpcError as error:
            print(f"{error.code().name}: {error.details()}", file=sys.stderr, flush=True)
            if error.code() in (grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.UNAUTHENTICATED):
                return 1
            # An ended lease is begun anew at once; a gateway that is away has as long as the lease to come back.
            is_ended = error.code() == grpc.StatusCode.NOT_FOUND
            lease = None if is_ended else lease
            pause = 0 if is_ended else min(LONGEST_PAUSE, arguments.ttl / 6)
    if arguments.leave and lease is not None:
        call(discovery.Deregister, registry.DeregisterRequest(id=lease.id))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
