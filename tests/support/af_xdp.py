"""Sockets of AF_XDP, which some kernels are built without."""

import socket

import pytest

AF_XDP = 44  # Linux's number, which Python has no name for


def _is_there() -> bool:
    try:
        socket.socket(AF_XDP, socket.SOCK_RAW, 0).close()
    except OSError:
        return False
    return True


needs_af_xdp = pytest.mark.skipif(not _is_there(), reason="this kernel has no sockets of AF_XDP")
