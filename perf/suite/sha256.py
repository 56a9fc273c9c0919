"""SHA-256 in batches: the gateway's own kernels beside OpenSSL's low-level calls and the better of ipsec-mb's interfaces.

What a CPU without AVX-512 runs is measured on every CPU: the rows that say so leave that engine out.
"""

import functools
import statistics
from typing import Iterator, List, NamedTuple, Tuple

from measure import Measurement, Row, Wish
from units import Samples, samples

PROGRAM = "crypto_sha256_bench"
OPENSSL = "peer-openssl"
IPSEC_MB = ("peer-ipsec-mb-job", "peer-ipsec-mb-burst")


class Workload(NamedTuple):
    """Messages, by whose benchmark our engine and the peers hash them, and how far it must lead each."""

    name: str
    ours: str
    peers: str
    over_openssl: float
    over_ipsec_mb: float


WORKLOADS = (
    Workload("256-byte messages", "256B/{}/batch-256", "256B", 3.3, 1.9),
    Workload("nodes of a Merkle tree", "node/{}", "64B", 4, 3),  # two blocks each, as 64 bytes are
    Workload("mix of 200 to 1232 bytes", "mix/{}/batch-256", "mix", 2.7, 1.6),
)
ENGINES = ("avx512", "sha-ni", "avx2", "ipsec-mb", "openssl")
WITHOUT_AVX512 = ("sha-ni", "avx2")
NARROW_WORKLOADS = (  # beside OpenSSL alone: ipsec-mb uses AVX-512 where the CPU has it
    Workload("256-byte messages, without AVX-512", "256B/{}/batch-256", "256B", 1.55, 0),
    Workload("nodes of a Merkle tree, without AVX-512", "node/{}", "64B", 2, 0),
    Workload("id and leaf of 256 bytes, without AVX-512", "transaction/{}/batch-2", "transaction", 1.7, 0),
)


def fastest(found: Samples, names: List[str]) -> str:
    """The name with the best median, of those that this CPU can run."""
    return min((name for name in names if name in found), key=lambda name: statistics.median(found[name]))


def rates(times: List[float]) -> List[float]:
    """Millions of messages a second."""
    return [1e3 / time for time in times]


def beside(work: Workload, engines: Tuple[str, ...], found: Samples) -> Iterator[Row]:
    ours = fastest(found, [work.ours.format(engine) for engine in engines])
    peers = [(f"{work.peers}/{OPENSSL}", work.over_openssl)]
    if work.over_ipsec_mb:
        peers.append((fastest(found, [f"{work.peers}/{name}" for name in IPSEC_MB]), work.over_ipsec_mb))
    for peer, target in peers:
        library = peer.split("/peer-")[1]
        row = Row("sha256", f"{work.name}, beside {library}", "M/s", rates(found[ours]), library, rates(found[peer]),
                  command=f"{PROGRAM}: {ours}, {peer}")  # fmt: skip
        yield row.demand_ratio(target)


def rows(wish: Wish) -> Iterator[Row]:
    wanted = r"^((64B|256B|mix|transaction)/(peer|.*batch-(256|2)$)|node/)"
    found = samples(PROGRAM, wanted, wish)
    for work in WORKLOADS:
        yield from beside(work, ENGINES, found)
    for work in NARROW_WORKLOADS:
        yield from beside(work, WITHOUT_AVX512, found)
    for name, times in found.items():
        yield Row("sha256", name, "ns", times, more_is_better=False, command=PROGRAM)


def measurements(wish: Wish) -> Iterator[Measurement]:
    yield Measurement("sha256", "engines", functools.partial(rows, wish))
