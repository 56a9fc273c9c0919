"""Processes of tests that run side by side take no port from each other."""

import pathlib
import socket
import subprocess
import sys

CHILD = """
import socket, sys
import namespaces

def is_free(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0

port = int(sys.argv[1])
print(is_free(port))
namespaces.move_to_own_network()
print(is_free(port), sorted(name for _, name in socket.if_nameindex()))
with namespaces.outside():
    print(is_free(port))
print(is_free(port))
"""


def test_a_process_has_loopback_ports_of_its_own_and_finds_out_again():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        command = [sys.executable, "-c", CHILD, str(taken.getsockname()[1])]
        done = subprocess.run(command, cwd=pathlib.Path(__file__).parent, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["False", "True ['lo']", "False", "True"]
