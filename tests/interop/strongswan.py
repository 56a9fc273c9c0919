#!/usr/bin/python3
"""Sluice's ESP in UDP beside strongSwan, which negotiates keys by IKEv2: one charon in the gateway's namespace speaks IKE
by the gateway's tap, another is the peer and does its own ESP in user space (kernel-libipsec). What the first has agreed on
is handed to the gateway by `tunnel.rekey`; pages come through, and go on coming while keys are renegotiated.

`./dev interop strongswan` runs it, on Debian's packages. libipsec has no extended sequence numbers: ipsec_secgw tries those.
"""

import contextlib
import pathlib
import re
import secrets
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "support"))

from peer_site import BACKEND, LOCAL, NETWORK, REMOTE, SNAT, PeerSite  # noqa: E402  pylint: disable=wrong-import-position
from processes import eventually  # noqa: E402  pylint: disable=wrong-import-position

REKEYS = 5
PLUGINS = "random nonce aes sha1 sha2 hmac kdf gcm openssl pem x509 pubkey curve25519 mgf1 constraints kernel-libipsec " \
          "kernel-netlink socket-default vici updown drbg"  # fmt: skip
STRONGSWAN = """\
charon-systemd {{
  load = {plugins}
  plugins {{
    kernel-libipsec {{
      load = yes
      allow_peer_ts = yes
    }}
    vici {{
      socket = unix://{folder}/vici.sock
    }}
  }}
  filelog {{
    log {{
      path = {folder}/charon.log
      default = 1
      chd = 4
      flush_line = yes
    }}
  }}
}}
"""
SWANCTL = """\
connections {{
  t {{
    version = 2
    local_addrs = {local}
    remote_addrs = {remote}
    proposals = aes128gcm16-prfsha256-x25519
    local {{
      auth = psk
      id = {own_id}
    }}
    remote {{
      auth = psk
      id = {other_id}
    }}
    children {{
      c {{
        local_ts = {local_ts}
        remote_ts = {remote_ts}
        esp_proposals = aes128gcm16
        mode = tunnel
        rekey_time = 0
      }}
    }}
  }}
}}
secrets {{
  ike-1 {{
    id-a = A
    id-b = B
    secret = "{secret}"
  }}
}}
"""


class Charon:
    """strongSwan's daemon in a namespace, with a /run of its own."""

    def __init__(self, site: PeerSite, role: str, secret: str, **names: str):
        self.folder = site.work / names["own_id"]
        self.folder.mkdir()
        self.space = site.spaces[role]
        settings = self.folder / "strongswan.conf"
        settings.write_text(STRONGSWAN.format(plugins=PLUGINS, folder=self.folder))
        (self.folder / "swanctl.conf").write_text(SWANCTL.format(secret=secret, **names))
        self.space.spawn("env", f"STRONGSWAN_CONF={settings}", "unshare", "-m", "sh", "-c",
                         "mount -t tmpfs none /run; exec charon-systemd", log=self.folder / "out.log")  # fmt: skip
        eventually(lambda: self.ctl("--stats", check=False).returncode == 0, "charon answers", 30)
        self.ctl("--load-all", "--file", self.folder / "swanctl.conf", "--noprompt")

    def ctl(self, *words: object, check: bool = True) -> subprocess.CompletedProcess:
        return self.space.run("swanctl", *words, "--uri", f"unix://{self.folder}/vici.sock", check=check)

    def associations(self) -> list:
        """What it has agreed on, oldest first: SPI and key, inbound and outbound, of whoever began."""
        text = (self.folder / "charon.log").read_text(errors="replace")
        found = []
        for part in text.split("encryption initiator key")[1:]:
            digits = [re.findall(r"\b\d+: ((?:[0-9A-F]{2} )+)", section) for section in part.split("encryption responder key", 1)]
            if len(digits) < 2:
                continue
            keys = ["".join(lines[:2]).replace(" ", "").lower() for lines in digits]
            spis = re.findall(r"SPI 0x([0-9a-f]+), src (\S+) dst (\S+)", part)
            inbound = next((int(spi, 16) for spi, _, to in spis if to == LOCAL), None)
            outbound = next((int(spi, 16) for spi, _, to in spis if to == REMOTE), None)
            if inbound and outbound and all(len(key) == 40 for key in keys):
                found.append({"in": (inbound, keys[1]), "out": (outbound, keys[0])})
        return found


def hand_on(site: PeerSite, agreed: dict) -> None:
    directions = {name: {"spi": spi, "algorithm": "aes-128-gcm", "key": key} for name, (spi, key) in agreed.items()}
    site.gateway.call("tunnel.rekey", tunnel="peer", overlap="30s", **directions)


def faults_of() -> list:
    faults = []
    with contextlib.closing(PeerSite()) as site:
        site.wire("left", "wan0", "peer", "wan1")
        peer = site.spaces["peer"]
        peer.ip("address", "add", REMOTE + "/24", "dev", "wan1")
        peer.ip("address", "add", BACKEND + "/32", "dev", "lo")
        peer.sysctl("net.ipv4.ip_forward=1")
        site.serve("peer")
        before_ike = {
            "spi_in": 4097, "spi_out": 4098, "algorithm": "aes-128-gcm", "esn": False,
            "in": site.key("in", secrets.token_hex(20)), "out": site.key("out", secrets.token_hex(20)),
        }  # fmt: skip
        site.start(before_ike, udp=True, kernel=True)
        # The kernel gets what the gateway gives it by its tap, and not what it sees of the wire itself: else charon would
        # take part in ESP too. And charon asks for an address of its own within what it has agreed on.
        site.spaces["left"].sysctl("net.ipv4.conf.wan0.rp_filter=1")
        site.spaces["left"].ip("address", "add", SNAT + "/32", "dev", "lo")
        secret = secrets.token_hex(16)
        Charon(site, "peer", secret, own_id="B", other_id="A", local=REMOTE, remote=LOCAL, local_ts=NETWORK,
               remote_ts=f"{SNAT}/32")  # fmt: skip
        ours = Charon(site, "left", secret, own_id="A", other_id="B", local=LOCAL, remote=REMOTE, local_ts=f"{SNAT}/32",
                      remote_ts=NETWORK)  # fmt: skip
        eventually(lambda: ours.ctl("--initiate", "--child", "c", "--timeout", "10", check=False).returncode == 0,
                   "IKE goes through the gateway's tap", 60)  # fmt: skip
        eventually(lambda: len(ours.associations()) == 1, "charon tells what it has agreed on", 15)
        hand_on(site, ours.associations()[-1])
        site.await_page()
        if not all(site.fetch(path) for path in ("", "large", "", "large")):
            faults.append("a page did not come")
        faults += faults_while_rekeying(site, ours)
    return faults


def faults_while_rekeying(site: PeerSite, ours: Charon) -> list:
    load = site.spaces["client"].spawn("wrk", "-t1", "-c2", "-d1h", "--timeout", "10s", "http://203.0.113.10/",
                                       log=site.work / "wrk.log")  # fmt: skip
    faults = []
    for number in range(2, REKEYS + 2):
        ours.ctl("--rekey", "--child", "c")
        eventually(lambda number=number: len(ours.associations()) == number, "charon tells of the new keys", 15)
        agreed = ours.associations()[-1]
        hand_on(site, agreed)
        before = site.tunnel()
        if (before["in"]["spi"], before["out"]["spi"]) != (agreed["in"][0], agreed["out"][0]):
            faults.append("the gateway does not use what was agreed on")
        eventually(lambda before=before: site.tunnel()["packets_in"] > before["packets_in"] + 20, "traffic goes on", 30)
        time.sleep(0.2)
    load.kill()
    load.wait()
    if not site.fetch("large"):
        faults.append("a page did not come after the rekeys")
    if set(site.refused()) - {"unknown_spi", "clear"}:  # what came under an SPI before that was handed on
        faults.append(f"refused: {site.refused()}")
    return faults


def main() -> int:
    try:
        faults = faults_of()
    except (RuntimeError, TimeoutError) as error:
        faults = [str(error)]
    for fault in faults:
        print(f"strongswan: {fault}", file=sys.stderr)
    command = ["dpkg-query", "--show", "--showformat", "${Version}", "charon-systemd"]
    version = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    print(f"strongswan: pages through ESP in UDP to strongSwan {version}, keys by IKEv2, {REKEYS} rekeys: {'NO' if faults else 'yes'}")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
