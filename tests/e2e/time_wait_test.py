"""A SNAT port that is taken again while the backend's kernel holds its last connection in TIME-WAIT."""

import copy
import errno
import random
import socket
import struct

import pytest

from topology import CLIENT4, CORE4, VIP4

SPLIT = 8  # balancing workers: each goes round an eighth of the ports
PORTS = 64512 // SPLIT
AGAIN = 100
AFTER_RESTART = 16
PORT = 8081
SERVICE = (VIP4 + "99", 80)

# Answers each connection with a line and closes it at once, so that TIME-WAIT is the backend's.
SERVER = f"""
import random
import socket
server = socket.create_server(("", {PORT}), backlog=1024)
while True:
    connection, _ = server.accept()
    connection.sendall(b"here\\n")
    connection.shutdown(socket.SHUT_WR)
    while connection.recv(4096):
        pass
    connection.close()
"""


@pytest.fixture
def one_backend(lab, gateway, tmp_path):
    """A service whose one backend closes first, before eight balancing workers; a client without timestamps, so
    that Linux goes by sequence numbers, which are the lower ones for every other port."""
    backend = lab.backends[0]
    server = backend.namespace.spawn("python3", "-c", SERVER, log=tmp_path / "server.log")
    config = copy.deepcopy(gateway.config)
    cpus = config["gateway"]["workers"]
    config["gateway"]["lb_workers"] = [cpus[i % len(cpus)] for i in range(SPLIT)]
    config["pools"] = [{"name": "one", "backends": [{"address": backend.address4, "port": PORT}]}]
    config["services"] = [{"name": "one", "address": SERVICE[0], "port": SERVICE[1], "forward": "full-nat",
                           "pool": "one"}]  # fmt: skip
    config["snat"] = [CORE4 + "5"]
    gateway.stop()
    gateway.write(config)
    gateway.start()
    lab.client.sysctl("net.ipv4.tcp_timestamps=0")
    yield gateway, backend
    lab.client.sysctl("net.ipv4.tcp_timestamps=1")
    server.kill()
    server.wait()


def connect(lab, port):
    """One connection from that port of the client; how often its kernel had to send something again."""
    with lab.client.entered():
        sock = socket.socket()
    with sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.settimeout(20)
        sock.bind((CLIENT4, port))
        sock.connect(SERVICE)
        assert sock.makefile().read() == "here\n"
        information = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104)
        return struct.unpack_from("=I", information, 100)[0]


def ports_of_one_worker(lab, gateway, wanted):
    """Ports of the client whose flows one worker has, that it goes round its ports alone."""
    for port in range(20000, 20000 + 2 * SPLIT * wanted):
        try:
            connect(lab, port)
        except OSError as error:  # an earlier test's connection may be ending there still
            if error.errno != errno.EADDRINUSE:
                raise
    by_worker = {}
    for flow in gateway.call("flow.list", limit=10_000):
        by_worker.setdefault(flow["worker"], []).append(flow["source_port"])
    most = max(by_worker.values(), key=len)
    assert len(most) >= wanted
    return most[:wanted]


def reused(gateway):
    return sum(value for name, value in gateway.metrics().items() if name.startswith("sluice_snat_ports_reused"))


def in_time_wait(backend):
    return len(backend.namespace.run("ss", "-Htan", "state", "time-wait", f"sport = :{PORT}").stdout.splitlines())


@pytest.mark.alone
def test_a_port_that_the_backend_has_in_time_wait_serves_the_next_client(lab, one_backend, capsys):
    gateway, backend = one_backend
    ports = ports_of_one_worker(lab, gateway, 16)
    chosen = random.Random(1)
    sent_again = held = 0
    # Once round all ports of the worker, and then some that the backend remembers.
    for number in range(PORTS + AGAIN):
        if number == PORTS:
            held, before = in_time_wait(backend), reused(gateway)
            sent_again = 0
        # Sequence numbers of different ports are far apart. The last few ports may not be quite closed.
        port = ports.pop(chosen.randrange(8))
        sent_again += connect(lab, port)
        ports.append(port)
    taken_again = reused(gateway) - before
    with capsys.disabled():
        print(f"\n    {held} connections in TIME-WAIT; {taken_again:.0f} of {AGAIN} took one's port again, "
              f"{sent_again} had to repeat a segment")  # fmt: skip
    assert held > 0
    # A machine so slow that a minute goes by in one round has nothing in TIME-WAIT to meet: what is there is met.
    assert taken_again > 0 or held < PORTS
    # Refused, a SYN is answered by the old connection and sent again: that was every other one.
    assert sent_again <= max(taken_again, AGAIN) / 10

    # A gateway that remembers no ports takes one of them again. The client's RST frees it, and its SYN comes again to it:
    # at another port every other one would be refused again.
    gateway.stop()
    gateway.start()
    repeated = []
    for _ in range(AFTER_RESTART):
        port = ports.pop(0)
        repeated.append(connect(lab, port))
        ports.append(port)
    with capsys.disabled():
        print(f"\n    {in_time_wait(backend)} connections in TIME-WAIT after a restart; segments repeated by each: {repeated}")
    assert max(repeated) <= 1
