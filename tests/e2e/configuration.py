"""The lab's gateway configuration: one service for each forwarding mode, protocol and family."""

import os
from typing import Any, Dict, List, NamedTuple

import maglev
from gateway import boot_section

from topology import (
    BACKENDS, CORE4, CORE6, EDGE4, EDGE6, GATEWAY_MACS, SNAT4, SNAT6, VIP4, VIP6, backend4, backend6,
)  # fmt: skip

HTTP_PORT, ECHO_PORT = 80, 9000  # at a VIP, and at a backend where the mode keeps ports
NAT_PORTS = {"tcp": 8080, "udp": 9001}  # at a backend where the mode rewrites them
GUE_PORT = 6080


class LabService(NamedTuple):
    """A service of the lab and what a client may expect of it."""

    name: str
    mode: str
    protocol: str  # tcp | udp
    vip: str
    pool: str

    @property
    def port(self) -> int:
        return HTTP_PORT if self.protocol == "tcp" else ECHO_PORT

    @property
    def is_ipv6(self) -> bool:
        return ":" in self.vip

    @property
    def keeps_client_address(self) -> bool:
        return self.mode != "full-nat"

    @property
    def replies_direct(self) -> bool:
        return self.mode in ("direct", "ipip", "gue")


def _both_families(mode: str, number: int, crossed: bool = False) -> List[LabService]:
    """The four services of a mode; `crossed` takes the other family between gateway and backend."""
    services = []
    for family in (4, 6):
        vip = f"{VIP4 if family == 4 else VIP6}{number}"
        outer = 10 - family if crossed else family
        for protocol in ("tcp", "udp"):
            kind = protocol if mode in ("full-nat", "dnat") else "host"
            name = f"{mode}-{protocol}{family}" + (f"-over{outer}" if crossed else "")
            services.append(LabService(name, mode, protocol, vip, f"{kind}{outer}"))
    return services


SERVICES = (
    _both_families("full-nat", 10)
    + _both_families("dnat", 20)
    + _both_families("direct", 30)
    + _both_families("ipip", 40)
    + _both_families("ipip", 41, crossed=True)
    + _both_families("gue", 50)
    + _both_families("gue", 51, crossed=True)
)
VIPS_ON_BACKENDS = sorted({service.vip for service in SERVICES if service.replies_direct})


def pool_backends(pool: str) -> List[maglev.Backend]:
    """The backends of one of the lab's pools, as the configuration lists them."""
    address = backend4 if pool.endswith("4") else backend6
    port = NAT_PORTS.get(pool[:-1], 0)
    return [maglev.Backend(address(number), port) for number in range(1, len(BACKENDS) + 1)]


def _pool(name: str) -> Dict[str, Any]:
    backends = [{"address": b.address, **({"port": b.port} if b.port else {})} for b in pool_backends(name)]
    return {"name": name, "backends": backends}


def lab_configuration(tag: str, **boot: Any) -> Dict[str, Any]:
    """The whole configuration, as a fresh object that a test may change."""
    workers = sorted(os.sched_getaffinity(0))[:2]
    return {
        "gateway": boot_section(tag, workers=workers, **boot),
        "ports": [
            {
                "name": device,
                "device": f"net_af_packet{index},iface={device},qpairs={len(workers)}",
                "mac": mac,
                "mtu": 1500,
                "addresses": addresses,
            }
            for index, ((device, mac), addresses) in enumerate(
                zip(
                    GATEWAY_MACS.items(),
                    ([EDGE4 + "1/24", EDGE6 + "1/64"], [CORE4 + "1/24", CORE6 + "1/64"]),
                )
            )
        ],
        "snat": [SNAT4, SNAT6],
        "encap": {"source": CORE4 + "1", "source6": CORE6 + "1", "gue_port": GUE_PORT},
        "pools": [_pool(f"{kind}{family}") for kind in ("tcp", "udp", "host") for family in (4, 6)],
        "services": [
            {
                "name": service.name,
                "address": service.vip,
                "port": service.port,
                "protocol": service.protocol,
                "policy": "maglev",
                "forward": service.mode,
                "pool": service.pool,
            }
            for service in SERVICES
        ],
        "http": {"listen": "127.0.0.1:9464"},
        "log": {"level": "info", "format": "text"},
    }
