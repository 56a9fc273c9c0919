"""A gateway without a wire: for tests that need no packets."""

import socket

from gateway import boot_section


def wireless_configuration(name: str, port: int = 0) -> dict:
    """A configuration that starts anywhere: no NIC, no namespace, no root."""
    return {
        "gateway": boot_section(name),
        "ports": [
            {
                "name": "edge0",
                "device": "net_null0,no-rx=1",
                "mac": "02:00:00:00:00:01",
                "addresses": ["198.18.10.1/24", "2001:db8:10::1/64"],
            }
        ],
        "http": {"listen": f"127.0.0.1:{port or free_port()}"},
    }


def free_port() -> int:
    """A TCP port of the loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
