"""Documents as a busy gateway would tell them: for pictures, and for what a test cannot have a gateway do."""

import datetime
import math
from typing import Any, Dict, List, Optional

REASONS = (
    "malformed_l2 wrong_vlan malformed_l3 malformed_l4 ip_options fragment ttl_expired too_big no_service no_backend"
    " no_route neighbor_unresolved bad_checksum port_exhausted no_headroom ring_full tx_full rate_limited denied inspected"
).split()
NOON = datetime.datetime(2026, 5, 17, 12, 0, tzinfo=datetime.timezone.utc).timestamp()
DAY = 86400


def instant(time: float) -> str:
    """A time as backend.list writes it."""
    return datetime.datetime.fromtimestamp(time, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.000Z")


def backend(address: str, since: float, state: str = "active", reason: str = "200 OK", **changes: Any) -> Dict[str, Any]:
    """One row of a pool."""
    row = {"address": address, "port": 8080, "state": state, "reason": reason, "since": instant(since), "weight": 1,
           "origin": "file", "share": 0.25, "active_flows": 1800, "packets": 0, "flows": 0}  # fmt: skip
    return {**row, **changes}


def pool(name: str, backends: List[Dict[str, Any]]) -> Dict[str, Any]:
    """A pool of these backends, those that do not serve first as the gateway has them."""
    states: Dict[str, int] = {}
    for row in backends:
        states[row["state"]] = states.get(row["state"], 0) + 1
    order = ["down", "maintenance", "draining", "active"]
    return {"pool": name, "listed": len(backends), "available": states.get("active", 0), "states": states,
            "backends": sorted(backends, key=lambda row: order.index(row["state"])), "omitted": 0}  # fmt: skip


def _pools(time: float, run: float, is_well: bool) -> List[Dict[str, Any]]:
    start = NOON - 1.5 * DAY
    web = [backend(f"10.20.0.{11 + i}", start, share=0.2, packets=run * (40100 + 90 * i)) for i in range(5)]
    if not is_well:
        web[1] = backend("10.20.0.12", NOON - 254, "down", "connection refused", share=0, active_flows=0, packets=9_120_000)
        web[3] = backend("10.20.0.14", NOON - 1322, "draining", "by an operator", share=0, active_flows=212, packets=run * 700)
        for row in web:
            row["share"] = row["share"] and 1 / 3
    api = [backend(f"fd20::{i}", start, origin="etcd", active_flows=418 + i, packets=run * (9010 + 7 * i)) for i in range(1, 5)]
    names = [backend(f"10.30.0.{i}", start, reason="answers", share=1 / 3, active_flows=80, packets=run * 22010) for i in (1, 2, 3)]
    return [pool("api", api), pool("resolvers", names), pool("web", web)]


def _services(run: float) -> Dict[str, Any]:
    rows = [
        ("api", "2001:db8:113::10", "443", "tcp", "maglev", "dnat", "api", 36040, 1680),
        ("resolver", "203.0.113.53", "53", "udp", "maglev", "gue", "resolvers", 66030, 240),
        ("web", "203.0.113.10", "80", "tcp", "maglev", "full-nat", "web", 410200, 9100),
        ("web-tls", "203.0.113.10", "443", "tcp", "least-connections", "full-nat", "web", 612400, 14200),
    ]
    keys = ("service", "address", "port", "protocol", "policy", "forward", "pool")
    return {
        "rows": [
            {**dict(zip(keys, row)), "pools": [row[6]], "packets": int(run * row[7]), "bytes": int(run * row[7] * 640),
             "flows": int(run * row[7] / 110), "active_flows": row[8]}
            for row in rows
        ],
        "omitted": 0, "flows": int(run * 10224), "active_flows": 25220,
    }  # fmt: skip


def _drops(time: float, is_well: bool) -> List[Dict[str, Any]]:
    drops = {reason: {"reason": reason, "count": 0, "since": None, "last": None} for reason in REASONS}
    drops["no_service"].update(count=184_220, since=NOON - 9000, last=NOON - 8400)
    drops["ttl_expired"].update(count=512, since=NOON - DAY, last=NOON - DAY + 2)
    drops["malformed_l4"].update(count=77, since=NOON - 4000, last=NOON - 3990)
    if not is_well:
        drops["neighbor_unresolved"].update(count=7_750 + int((time - NOON) * 31), since=NOON - 250, last=time - 0.2)
    return list(drops.values())


def state(time: float = NOON, is_well: bool = True, **changes: Optional[Any]) -> Dict[str, Any]:
    """What /ui/state tells at a time of a gateway that has run for a day and a half; where it is not well, a backend
    is down, another drains, neighbors do not answer and a source is stale."""
    run = time - (NOON - 1.5 * DAY)
    drops = _drops(time, is_well)
    ports = [
        {"port": "edge0", "received_packets": int(run * 1_142_000), "received_bytes": int(run * 4.3e8),
         "transmitted_packets": int(run * 1_061_000), "transmitted_bytes": int(run * 6.1e8), "missed_packets": 0},
        {"port": "core0", "received_packets": int(run * 1_061_300), "received_bytes": int(run * 6.1e8),
         "transmitted_packets": int(run * 1_141_500), "transmitted_bytes": int(run * 4.3e8), "missed_packets": 0},
    ]  # fmt: skip
    document = {
        "time": time,
        "system": {
            "name": "edge-1", "version": "1.0.0", "started": instant(NOON - 1.5 * DAY), "uptime_seconds": run,
            "generation": 12, "last_apply_successful": True, "config_file": "/etc/sluice/sluice.yaml",
            "ports": [{"name": port["port"], "driver": "net_mlx5", "mac": "02:00:00:00:00:01", "mtu": 1500, "link_up": True}
                      for port in ports],
        },
        "stats": {
            "received_packets": sum(port["received_packets"] for port in ports),
            "transmitted_packets": sum(port["transmitted_packets"] for port in ports),
            "dropped_packets": sum(drop["count"] for drop in drops),
            "ports": ports,
            "workers": [{"worker": i, "cpu": i + 1, "role": "worker", "flow_entries": 12_540 + 140 * i,
                         "flow_capacity": 1_048_576, "busy_ratio": 0.34 + 0.03 * i} for i in range(2)],
        },
        "ready": {"ready": True, "conditions": [{"condition": "process", "ok": True, "detail": ""}]},
        "stuck_workers": [],
        "since": {},
        "drops": drops,
        "services": _services(run),
        "pools": {"rows": _pools(time, run, is_well), "omitted": 0},
        "sources": [{
            "name": "etcd", "type": "etcd", "state": "synced" if is_well else "stale",
            "reason": "" if is_well else "does not answer", "since": NOON - (DAY if is_well else 96),
            "last_success": time - 4 if is_well else NOON - 96, "updates": 212, "errors": 0 if is_well else 14,
            "last_error": "" if is_well else "10.0.0.5:2379: connection refused",
            "pools": [{"pool": "api", "instances": 4, "held": False}],
        }],
        "tunnels": [{
            "tunnel": "dc2", "local": "198.18.10.1", "remote": "198.18.99.1", "state": "up", "since": NOON - 7000,
            "packets_in": int(run * 801), "packets_out": int(run * 952), "dropped": {"replay": 3, "icv": 0},
        }],
        "ledger": {
            "origin": "edge-1.example.com/ledger", "directory": "/var/lib/sluice/ledger", "sha256_engine": "ipsec-mb",
            "blocks": int(run * 12), "tree_size": int(run * 903), "checkpoint_size": int(run * 903) - 41,
            "disk_full": False, "disk_stalled": False, "failure": None,
            "transactions": {"received": int(run * 903) + 31, "stored": int(run * 903), "duplicate": 31},
            "last_block": {"number": int(run * 12) - 2, "time": int((time - 0.2) * 1e9), "first_index": int(run * 903) - 118,
                           "transactions": 77, "hash": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"},
            "checkpoint": {"size": int(run * 903) - 41, "root": "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I="},
        },
        "changes": [] if is_well else [
            {"id": 9, "cause": "health", "object": "backend/web/10.20.0.12:8080", "seen": NOON - 254},
            {"id": 8, "cause": "operator", "object": "backend/web/10.20.0.14:8080", "seen": NOON - 1322},
            {"id": 7, "cause": "config", "object": "config/12", "seen": NOON - 3140},
        ],
    }  # fmt: skip
    return {**document, **changes}


def history(time: float = NOON, is_well: bool = True) -> Dict[str, Any]:
    """What /ui/start tells of the last five minutes."""
    received = [2_203_300 * (0.93 + 0.05 * math.sin(i / 37) + 0.012 * math.sin(i * 1.7) + 0.008 * math.sin(i * 5.1)) for i in range(300)]
    dropped = [0 if is_well or i < 50 else 31 for i in range(300)]
    return {"time": time - 1, "interval": 1, "received": received, "transmitted": received, "dropped": dropped}
