"""An independent twin of how Sluice chooses the pool of a new flow, from the interface's text alone."""

import ipaddress
from typing import NamedTuple, Optional, Sequence, Tuple

import maglev

Split = Sequence[Tuple[str, int]]  # pools and their weights


class Route(NamedTuple):
    """Where flows of some sources go."""

    sources: Sequence[str]
    split: Split


def pool_of_hash(split: Split, flow_hash: int) -> str:
    """The first pool at which the sum of the weights exceeds ((h >> 32) * W) >> 32."""
    total = sum(weight for _, weight in split)
    point = ((flow_hash >> 32) * total) >> 32
    reached = 0
    for pool, weight in split:
        reached += weight
        if reached > point:
            return pool
    raise AssertionError("the point lies below the sum of all weights")


def split_of(routes: Sequence[Route], rest: Split, source: str) -> Split:
    """What the flows of a source are split by: the first route that matches, else the service's own."""
    address = ipaddress.ip_address(source)
    for route in routes:
        if any(address in ipaddress.ip_network(prefix) for prefix in route.sources):
            return route.split
    return rest


def pool_of_flow(
    key: bytes,
    flow: Tuple[str, int, str, int, int],
    rest: Split,
    routes: Sequence[Route] = (),
    policy: Optional[str] = None,
) -> str:
    """The pool of a flow (source, port, destination, port, protocol)."""
    split = split_of(routes, rest, flow[0])
    by_source = policy == "source-hash"
    flow_hash = maglev.source_hash(key, flow[0]) if by_source else maglev.flow_hash(key, *flow)
    return pool_of_hash(split, flow_hash)
