#!/usr/bin/python3
"""Takes IPIP and GUE apart in user space and hands the inner packets to the kernel through a tun device.

Stands in for the kernel's ipip, sit, ip6tnl and fou drivers, which many kernels are built without. Takes
protocols 4 and 41 over IPv4 and IPv6, and GUE variant 1 (an IP packet straight after UDP) on port 6080,
whose checksum the kernel has verified by then.

Usage: decapsulate.py DEVICE
"""

import fcntl
import os
import selectors
import socket
import struct
import subprocess
import sys

GUE_PORT = 6080
TUNSETIFF = 0x400454CA
IFF_TUN, IFF_NO_PI = 0x0001, 0x1000


def open_tun(device: str) -> int:
    tun = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(tun, TUNSETIFF, struct.pack("16sH", device.encode(), IFF_TUN | IFF_NO_PI))
    subprocess.run(["ip", "link", "set", device, "up"], check=True)
    return tun


def outer_bytes_ipv4(packet: bytes) -> int:
    """A raw IPv4 socket hands over its own header, a raw IPv6 or a UDP socket does not."""
    return (packet[0] & 0x0F) * 4


def main() -> None:
    tun = open_tun(sys.argv[1])
    selector = selectors.DefaultSelector()
    for family in (socket.AF_INET, socket.AF_INET6):
        for protocol in (socket.IPPROTO_IPIP, socket.IPPROTO_IPV6):
            raw = socket.socket(family, socket.SOCK_RAW, protocol)
            outer = outer_bytes_ipv4 if family == socket.AF_INET else lambda _: 0
            selector.register(raw, selectors.EVENT_READ, outer)
        gue = socket.socket(family, socket.SOCK_DGRAM)
        if family == socket.AF_INET6:
            gue.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        gue.bind(("", GUE_PORT))
        selector.register(gue, selectors.EVENT_READ, lambda _: 0)
    while True:
        for key, _ in selector.select():
            packet = key.fileobj.recv(65535)
            inner = packet[key.data(packet) :]
            if inner and inner[0] >> 4 in (4, 6):
                os.write(tun, inner)


if __name__ == "__main__":
    main()
