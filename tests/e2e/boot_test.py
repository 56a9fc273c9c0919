"""Settings that are read at the start: how workers rest, and ports that are shared with the kernel."""

import contextlib
import copy
import ctypes
import os
import pathlib
import re
import signal
import socket
import subprocess
import threading
import time

import pytest

from af_xdp import AF_XDP, needs_af_xdp
from configuration import SERVICES
from gateway import Gateway
from lab import faults
from namespaces import Namespace, owner_tag
from processes import eventually
from topology import CORE4, EDGE4, EDGE6
from wireless import wireless_configuration

SO_DOMAIN = 39  # Linux's number, which Python has no name for
PIDFD_GETFD = 438
BY_NAME = {service.name: service for service in SERVICES}


def restart(gateway, change):
    """Starts the lab's gateway anew with its configuration changed in place by `change`."""
    config = copy.deepcopy(gateway.config)
    change(config)
    assert gateway.stop() == 0
    gateway.config = config
    gateway.start()


def tasks_of(gateway):
    """What the kernel tells of each of its threads."""
    return list(pathlib.Path(f"/proc/{gateway.process.pid}/task").iterdir())


def is_stopped(task):
    return (task / "stat").read_text().rsplit(")", 1)[1].split()[0] == "T"


def rests(gateway):
    """How often the workers gave their CPU away of their own accord, as the kernel counted."""
    count = 0
    for task in tasks_of(gateway):
        if "worker" in (task / "comm").read_text():
            status = (task / "status").read_text()
            count += int(re.search(r"^voluntary_ctxt_switches:\s+(\d+)", status, re.M)[1])
    return count


@pytest.mark.parametrize("idle", ["adaptive", "poll"])
def test_services_are_balanced_however_workers_rest(lab, gateway, idle):
    restart(gateway, lambda config: config["gateway"].update(idle=idle))
    before = rests(gateway)
    for name in ("full-nat-tcp4", "full-nat-udp6", "dnat-udp4", "ipip-tcp6", "gue-udp4"):
        assert not faults(BY_NAME[name], lab.ask(BY_NAME[name], 6), 6)
    assert (rests(gateway) - before > 100) == (idle == "adaptive")


def test_a_worker_that_spins_has_its_cpu_to_itself(tmp_path):
    own, *others = sorted(os.sched_getaffinity(0))
    if not others:
        pytest.skip("there is one CPU")
    config = wireless_configuration(tmp_path.name)
    config["gateway"].update(idle="poll", workers=[own])
    with Gateway(tmp_path / "gateway", config) as gateway:
        spinning, others = [], []
        for task in tasks_of(gateway):
            is_worker = "worker" in (task / "comm").read_text()
            (spinning if is_worker else others).append(os.sched_getaffinity(int(task.name)))
        assert spinning == [{own}]
        assert others and not any(own in cpus for cpus in others), others
        eventually(lambda: gateway.ctl("flow", "list").returncode == 0, "the worker has begun: it answers")
        # What takes its CPU away all the same is counted.
        long_turns = 'sluice_worker_long_turn_seconds_{}{{worker="0"{}}}'
        before = gateway.metrics()
        gateway.process.send_signal(signal.SIGSTOP)
        # The kernel stops all threads once the first of them runs and takes the signal.
        eventually(lambda: all(is_stopped(task) for task in tasks_of(gateway)), "the gateway stands still")
        time.sleep(0.4)
        gateway.process.send_signal(signal.SIGCONT)
        series = long_turns.format("count", ""), long_turns.format("bucket", ',le="0.25"')

        def longest():
            now = gateway.metrics()  # both of one moment: on a busy machine there are shorter ones all the time
            every, shorter = (now[name] - before[name] for name in series)
            return every - shorter >= 1

        eventually(longest, "a turn of more than 0.25 s is counted")


def tasks(gateway):
    """By CPU, the names of the gateway's threads that the kernel runs on that CPU alone."""
    pinned = {}
    for task in tasks_of(gateway):
        allowed = re.search(r"^Cpus_allowed_list:\s+(\S+)", (task / "status").read_text(), re.M)[1]
        if allowed.isdigit():
            pinned.setdefault(int(allowed), []).append((task / "comm").read_text().strip())
    return pinned


def test_the_topology_is_what_the_kernel_runs(lab, gateway):
    topology = gateway.call("system.topology")
    threads = {thread["name"]: thread for thread in topology["threads"]}
    pinned = tasks(gateway)
    workers = [thread for thread in threads.values() if thread["cpu"] is not None]
    assert len(workers) == sum(len(names) for names in pinned.values())
    for thread in workers:
        assert any("worker" in name for name in pinned[thread["cpu"]]), (thread, pinned)
    settings = gateway.config["gateway"]
    assert [thread["cpu"] for thread in workers] == settings["workers"] + settings.get("lb_workers", [])
    for ring in topology["rings"]:
        assert ring["from"] in threads and ring["to"] in threads and ring["size"] > 0
    assert {(ring["carries"], ring["to"]) for ring in topology["rings"]} >= {("questions", "worker 0")}


def asked(command):
    """What a command says of a process's descriptors, although some of them come and go meanwhile."""
    return subprocess.run(command, shell=True, capture_output=True, text=True, check=False).stdout


def watched(process):
    """Which of a process's descriptors its epolls watch, as the kernel tells."""
    return {int(number) for number in re.findall(r"^tfd:\s+(\d+)", asked(f"cat /proc/{process.pid}/fdinfo/*"), re.M)}


def descriptors(process, target):
    """A process's descriptors that lead to such a target."""
    listing = asked(f"find /proc/{process.pid}/fd -printf '%f %l\\n'")
    return {int(number) for number in re.findall(rf"^(\d+) (?:{target})$", listing, re.M)}


def packet_sockets(process):
    """A process's packet sockets that are bound to an interface: what its ports receive from."""
    lines = pathlib.Path(f"/proc/{process.pid}/net/packet").read_text().splitlines()[1:]
    bound = [fields[8] for fields in map(str.split, lines) if fields[4] != "0"]
    return descriptors(process, r"socket:\[(?:" + "|".join(bound) + r")\]")


def test_a_frame_from_the_kernel_wakes_a_worker_that_rests(gateway):
    restart(gateway, lambda config: config["gateway"].update(idle="adaptive"))
    sockets = packet_sockets(gateway.process)
    assert len(sockets) >= len(gateway.config["ports"])
    assert sockets <= watched(gateway.process)


def sockets_of_family(process, family):
    """A process's sockets of that family; those of AF_XDP show nowhere below /proc."""
    found, handle = set(), os.pidfd_open(process.pid)
    for number in descriptors(process, r"socket:\[\d+\]"):
        duplicate = ctypes.CDLL(None).syscall(PIDFD_GETFD, handle, number, 0)
        if duplicate < 0:
            continue  # closed meanwhile
        with socket.socket(family, socket.SOCK_RAW, 0, duplicate) as seen:
            if seen.getsockopt(socket.SOL_SOCKET, SO_DOMAIN) == family:
                found.add(number)
    os.close(handle)
    return found


@needs_af_xdp
def test_a_frame_by_af_xdp_wakes_a_worker_that_rests(tmp_path):
    config = wireless_configuration(tmp_path.name)
    device = "net_af_xdp{0},iface=wire{0},start_queue=0,queue_count=1,force_copy=1"
    config["ports"] = [
        {"name": f"wire{i}", "device": device.format(i), "addresses": [f"198.18.{i}.1/24"]} for i in range(2)
    ]
    with contextlib.ExitStack() as stack:
        host, middle = (Namespace(f"xdp-{role}", owner_tag()) for role in ("host", "middle"))
        for namespace in (host, middle):
            stack.callback(namespace.remove)
        one = "numrxqueues 1 numtxqueues 1".split()
        for i in range(2):
            middle.ip("link", "add", f"wire{i}", *one, "type", "veth",
                      "peer", "name", f"eth{i}", *one, "netns", host.name)  # fmt: skip
            middle.ip("link", "set", f"wire{i}", "up")
            middle.sysctl(f"net.ipv4.conf.wire{i}.arp_ignore=8")
            host.run("ethtool", "-K", f"eth{i}", "tx", "off")
            host.ip("link", "set", f"eth{i}", "up")
            host.ip("address", "add", f"198.18.{i}.100/24", "dev", f"eth{i}")
        gateway = stack.enter_context(Gateway(tmp_path / "gateway", config, middle))
        sockets = sockets_of_family(gateway.process, AF_XDP)
        assert len(sockets) == 2
        assert sockets <= watched(gateway.process)
        for i in range(2):
            host.run("ping", "-c", "3", "-i", "0.2", "-W", "10", f"198.18.{i}.1")


@pytest.fixture
def shared_ports(lab, gateway):
    """The lab's gateway with the kernel behind both ports, which has no other way to the backends."""
    lab.topology.gateway.ip("address", "del", CORE4 + "2/24", "dev", "health0")
    restart(gateway, lambda config: [port.update(kernel=True) for port in config["ports"]])
    yield gateway
    lab.topology.gateway.ip("address", "add", CORE4 + "2/24", "dev", "health0")


class Greeter(threading.Thread):
    """A TCP server in the gateway's namespace, as an ssh daemon is one: greets, then says what it heard."""

    def __init__(self, namespace, address):
        super().__init__(daemon=True)
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        with namespace.entered():
            self.listener = socket.socket(family, socket.SOCK_STREAM)
        self.listener.bind((address, 2222))
        self.listener.listen()
        self.listener.settimeout(60)
        self.start()

    def run(self):
        with self.listener, self.listener.accept()[0] as peer:
            peer.sendall(b"welcome\n")
            heard = b""
            while chunk := peer.recv(65536):
                heard += chunk
            peer.sendall(b"heard %d bytes\n" % len(heard))


@pytest.mark.parametrize("address", [EDGE4 + "1", EDGE6 + "1"], ids=["IPv4", "IPv6"])
def test_the_kernel_has_what_is_for_a_ports_own_address(lab, shared_ports, address):
    Greeter(lab.topology.gateway, address)
    with lab.client.entered():
        client = socket.create_connection((address, 2222), timeout=60)
    with client, client.makefile("rb") as said:
        assert said.readline() == b"welcome\n"
        client.sendall(bytes(300_000))
        client.shutdown(socket.SHUT_WR)
        assert said.readline() == b"heard 300000 bytes\n"
    for name in ("full-nat-tcp4", "full-nat-udp6", "direct-udp4"):
        assert not faults(BY_NAME[name], lab.ask(BY_NAME[name], 6), 6)


def test_health_checks_leave_by_the_tap(lab, shared_ports):
    config = copy.deepcopy(shared_ports.config)
    pool = next(pool for pool in config["pools"] if pool["name"] == "tcp4")
    times = {"interval": "200ms", "timeout": "150ms", "rise": 1, "fall": 1}
    pool["health"] = {"type": "http", "path": "/healthz", **times}
    shared_ports.call("config.apply", config=config)
    victim = lab.backends[1]

    def states():
        return [row["state"] for row in shared_ports.call("backend.list", pool="tcp4")]

    victim.nginx.kill()
    victim.nginx.wait()
    eventually(lambda: states() == ["active", "down", "active"], "the death is seen by the tap")
    victim.start_nginx()
    eventually(lambda: states() == ["active"] * 3, "and so is the return, which takes an answer")


@pytest.mark.usefixtures("shared_ports")
def test_a_frame_from_a_program_on_this_machine_wakes_a_worker_that_rests(gateway):
    taps = descriptors(gateway.process, "/dev/net/tun")
    assert len(taps) >= len(gateway.config["ports"])
    assert taps <= watched(gateway.process)
