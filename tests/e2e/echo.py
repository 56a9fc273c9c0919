#!/usr/bin/python3
"""A UDP echo that names itself: answers "NAME CLIENT DATA" from the address that was asked.

Usage: echo.py NAME PORT ADDRESS...
"""

import selectors
import socket
import sys


def listen(address: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_DGRAM)
    sock.bind((address, port))
    return sock


def main() -> None:
    name, port = sys.argv[1].encode(), int(sys.argv[2])
    selector = selectors.DefaultSelector()
    for address in sys.argv[3:]:
        selector.register(listen(address, port), selectors.EVENT_READ)
    while True:
        for key, _ in selector.select():
            data, client = key.fileobj.recvfrom(65535)
            key.fileobj.sendto(b" ".join([name, client[0].encode(), data]), client)


if __name__ == "__main__":
    main()
