#!/usr/bin/python3
"""Sluice's ESP beside DPDK's own security gateway, ipsec-secgw, at the other end of the tunnel: pages come through with
AES-128-GCM and AES-256-GCM, with extended sequence numbers and without, after Sluice was killed too, and a replay of what
the peer sent is refused.

`./dev interop ipsec_secgw` runs it. The peer's sources come with Debian's dpdk-dev, and are built into build-interop/. It
has no ESP in UDP (the program refuses it), and takes some replays itself, so that nothing is asked of it about those.
"""

import contextlib
import secrets
import shutil
import signal
import subprocess
import sys

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "support"))

from interop import KEPT  # noqa: E402  pylint: disable=wrong-import-position
from peer_site import BACKEND, GATEWAY_MAC, LOCAL, NETWORK, REMOTE, SNAT, PeerSite  # noqa: E402  pylint: disable=C0413
from processes import eventually, stop  # noqa: E402  pylint: disable=wrong-import-position

SOURCES = Path("/usr/share/dpdk/examples/ipsec-secgw")
WAN_MAC, LAN_MAC, SERVER_MAC = "02:00:00:00:00:10", "02:00:00:00:00:11", "02:00:00:00:00:12"
SPI_TO_PEER, SPI_TO_GATEWAY = 4105, 4005
SHAPES = [(bits, extended) for bits in (128, 256) for extended in (False, True)]


def install() -> Path:
    directory = KEPT / "ipsec-secgw"
    program = directory / "build" / "ipsec-secgw-shared"
    if not program.exists():
        shutil.rmtree(directory, ignore_errors=True)
        KEPT.mkdir(exist_ok=True)
        shutil.copytree(SOURCES, directory)
        subprocess.run(["make", "-C", directory, "shared"], check=True, stdout=subprocess.DEVNULL)
    return program


def colons(digits: str) -> str:
    return ":".join(digits[i : i + 2] for i in range(0, len(digits), 2))


def configuration(bits: int, to_peer: str, to_gateway: str) -> str:
    """Policies, associations, routes and neighbors: it has no ARP."""
    out = f"{SNAT}/32"

    def association(direction: str, spi: int, key: str, source: str, destination: str) -> str:
        return (f"sa {direction} {spi} aead_algo aes-{bits}-gcm aead_key {colons(key)} mode ipv4-tunnel "
                f"src {source} dst {destination}")  # fmt: skip

    return "\n".join([
        f"sp ipv4 out esp protect {SPI_TO_GATEWAY} pri 1 dst {out} sport 0:65535 dport 0:65535",
        f"sp ipv4 in esp protect {SPI_TO_PEER} pri 1 dst {NETWORK} sport 0:65535 dport 0:65535",
        association("out", SPI_TO_GATEWAY, to_gateway, REMOTE, LOCAL),
        association("in", SPI_TO_PEER, to_peer, LOCAL, REMOTE),
        f"rt ipv4 dst {LOCAL}/32 port 0",
        f"rt ipv4 dst {NETWORK} port 1",
        f"neigh port 0 {GATEWAY_MAC}",
        f"neigh port 1 {SERVER_MAC}",
        "",
    ])  # fmt: skip


class Secgw:
    """The peer: taps of its own, bridged to the wire and to the server's."""

    def __init__(self, site: PeerSite, program: Path, config: str, extended: bool):
        self.space = site.spaces["peer"]
        file, log = site.work / "ep.cfg", site.work / "secgw.log"
        file.write_text(config)
        self.process = self.space.spawn(
            program, "--no-huge", "-m", "512", "--no-pci", "--no-telemetry", "--file-prefix", "sluice-secgw", "-l", "0",
            "--vdev", f"net_tap0,iface=sg0,mac={WAN_MAC}", "--vdev", f"net_tap1,iface=sg1,mac={LAN_MAC}",
            "--vdev", "crypto_aesni_gcm0", "--", "-p", "0x3", "-P", "-u", "0x1", "--config", "(0,0,0),(1,0,0)",
            "-f", file, "-l", "-w", "64", *(["-e"] if extended else []), cwd=site.work, log=log,
        )  # fmt: skip
        eventually(lambda: self._runs(log), "ipsec-secgw runs", 30)
        for tap, end, bridge in (("sg0", "wan1", "br0"), ("sg1", "lan0", "br1")):
            self.space.ip("link", "add", bridge, "type", "bridge", "mcast_snooping", "0")
            self.space.ip("link", "set", tap, "address", "02:00:00:00:00:2" + tap[-1])  # what is for the program passes it
            for device in (tap, end, bridge):
                self.space.sysctl(f"net.ipv6.conf.{device}.disable_ipv6=1")
            for device in (tap, end):
                self.space.ip("link", "set", device, "master", bridge)
                self.space.ip("link", "set", device, "up")
            self.space.ip("link", "set", bridge, "up")

    def _runs(self, log: Path) -> bool:
        if self.process.poll() is not None:
            raise RuntimeError(f"ipsec-secgw has left: {log.read_text()[-500:]}")
        return "entering main loop" in log.read_text()


def replay(site: PeerSite, file: Path) -> None:
    """Sends what the peer sent in a capture once more."""
    script = ("import sys; from scapy.all import *; "
              f"sendp([p for p in rdpcap(sys.argv[1]) if IP in p and p[IP].src == '{REMOTE}'], iface='wan1', verbose=0)")  # fmt: skip
    site.spaces["peer"].run("/usr/bin/python3", "-c", script, file)


def faults_of(program: Path, bits: int, extended: bool) -> list:
    """What is wrong with a tunnel of that kind."""
    faults = []
    to_peer, to_gateway = (secrets.token_hex(bits // 8 + 4) for _ in range(2))
    with contextlib.closing(PeerSite(("client", "left", "peer", "server"))) as site:
        site.wire("left", "wan0", "peer", "wan1")
        site.wire("peer", "lan0", "server", "eth0")
        server = site.spaces["server"]
        server.ip("link", "set", "eth0", "address", SERVER_MAC, "mtu", "1400")
        server.ip("address", "add", BACKEND + "/16", "dev", "eth0")
        server.ip("neigh", "add", "10.20.0.1", "lladdr", LAN_MAC, "dev", "eth0")
        server.ip("route", "add", SNAT + "/32", "via", "10.20.0.1")
        site.serve("server")
        peer = Secgw(site, program, configuration(bits, to_peer, to_gateway), extended)
        keys = {
            "spi_in": SPI_TO_GATEWAY, "spi_out": SPI_TO_PEER, "algorithm": f"aes-{bits}-gcm", "esn": extended,
            "in": site.key("in", to_gateway), "out": site.key("out", to_peer),
        }  # fmt: skip
        site.start(keys, neighbors=[{"address": REMOTE, "mac": WAN_MAC}])
        site.await_page()
        captured = site.work / "wire.pcap"
        dumping = site.spaces["peer"].spawn("dumpcap", "-q", "-P", "-i", "wan1", "-w", captured, log=site.work / "dumpcap.log")
        eventually(lambda: "File:" in (site.work / "dumpcap.log").read_text(), "dumpcap runs", 15)
        if not all(site.fetch(path) for path in ("", "large", "", "large")):
            faults.append("a page did not come")
        if site.refused():
            faults.append(f"refused: {site.refused()}")
        stop(dumping)
        replay(site, captured)
        eventually(lambda: site.refused().get("replay", 0) > 100, "replays are refused", 15)
        if set(site.refused()) != {"replay"} and not extended:
            faults.append(f"replays were refused as {site.refused()}")
        site.gateway.process.send_signal(signal.SIGKILL)
        site.gateway.process.wait(10)
        site.gateway.start()
        site.await_page()
        stop(peer.process)
    return faults


def main() -> int:
    program = install()
    status = 0
    for bits, extended in SHAPES:
        words = f"aes-{bits}-gcm, {'64' if extended else '32'}-bit numbers"
        try:
            faults = faults_of(program, bits, extended)
        except (RuntimeError, TimeoutError) as error:
            faults = [str(error)]
        for fault in faults:
            print(f"ipsec_secgw: {words}: {fault}", file=sys.stderr)
        print(f"ipsec_secgw: pages through a tunnel to DPDK's ipsec-secgw, {words}: {'NO' if faults else 'yes'}", flush=True)
        status |= 1 if faults else 0
    return status


if __name__ == "__main__":
    sys.exit(main())
