"""ESP tunnels by scapy: the other end of one of the gateway's, as an oracle."""

from typing import Any, Dict, NamedTuple, Optional

from scapy.layers.inet import IP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.ipsec import ESP, IPSecIntegrityError, SecurityAssociation
from scapy.packet import Packet


class Tunnel(NamedTuple):
    """What both ends know. `key_in` and `key_out` are the gateway's; hexadecimal digits, salt last."""

    name: str
    local: str
    remote: str
    networks: tuple
    spi_in: int
    spi_out: int
    key_in: str
    key_out: str
    udp: bool = False
    esn: bool = False

    def config(self, folder: str) -> Dict[str, Any]:
        """Its entry in `tunnels`; the keys are in files of that folder."""
        return {
            "name": self.name, "local": self.local, "remote": self.remote, "networks": list(self.networks),
            "udp": self.udp, "keys": {
                "spi_in": self.spi_in, "spi_out": self.spi_out, "esn": self.esn,
                "algorithm": "aes-128-gcm" if len(self.key_in) == 40 else "aes-256-gcm",
                "in": f"file:{folder}/{self.name}.in", "out": f"file:{folder}/{self.name}.out",
            },
        }  # fmt: skip

    def files(self) -> Dict[str, str]:
        return {f"{self.name}.in": self.key_in + "\n", f"{self.name}.out": self.key_out + "\n"}

    def _association(self, spi: int, key: str, source: str, destination: str, **outer: Any) -> SecurityAssociation:
        header = (IPv6 if ":" in source else IP)(src=source, dst=destination, **outer)
        ports = UDP(sport=4500, dport=4500) if self.udp else None
        return SecurityAssociation(
            ESP, spi=spi, crypt_algo="AES-GCM", crypt_key=bytes.fromhex(key), tunnel_header=header,
            nat_t_header=ports, esn_en=self.esn,
        )  # fmt: skip

    def to_gateway(self, inner: Packet, number: int, high: int = 0, **outer: Any) -> Packet:
        """What the other end sends: an IP packet with `inner` in it."""
        made = self._association(self.spi_in, self.key_in, self.remote, self.local, **outer)
        packet = made.encrypt(inner, seq_num=number, esn_en=self.esn, esn=high)
        if self.udp and isinstance(packet, IP):
            packet[UDP].len = len(packet[UDP])  # scapy 2.5 leaves that of an empty one
        return packet

    def opened(self, packet: Packet, high: int = 0) -> Optional[Packet]:
        """What is in a packet of the gateway's; nothing: the other end would not take it."""
        found = self._association(self.spi_out, self.key_out, self.local, self.remote)
        if packet.src != self.local or packet.dst != self.remote or ESP not in packet:
            return None
        if (UDP in packet) != self.udp:
            return None
        try:
            return found.decrypt(type(packet)(bytes(packet)), esn_en=self.esn, esn=high)
        except (IPSecIntegrityError, TypeError):
            return None
