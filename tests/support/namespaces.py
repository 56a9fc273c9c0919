"""Network namespaces whose names tell who made them, so that a later run can clear a crashed one's away.

A name is PREFIX-<pid>-<start time>-<role>: once no process of that pid and start time lives, its
namespaces and whatever still runs in them are left over.
"""

import contextlib
import ctypes
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
from typing import Iterable, Iterator, List, Optional

from processes import eventually, spawn, start_time

PREFIX = "sluice-lab"
_NAMED = pathlib.Path("/run/netns")
_WORK = pathlib.Path(tempfile.gettempdir())
_CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)
_outside: Optional[int] = None  # the network that this process came from, if it has left it


def move_to_own_network() -> None:
    """Gives this thread, and what it starts from now on, a network with nothing but a loopback. Processes of tests that
    run side by side take no port from each other so."""
    global _outside  # pylint: disable=global-statement
    _outside = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    if _libc.unshare(_CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "unshare: a network of their own for tests takes root")
    ip("link", "set", "lo", "up")


@contextlib.contextmanager
def outside() -> Iterator[None]:
    """What is started within is in the machine's network: for what asks a package registry."""
    if _outside is None:
        yield
        return
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        _setns(_outside)
        yield
    finally:
        _setns(home)
        os.close(home)


def _setns(descriptor: int) -> None:
    if _libc.setns(descriptor, _CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns")


def ip(*arguments: object, **options) -> subprocess.CompletedProcess:
    """Runs iproute2; raises with its message where it fails."""
    return run("ip", *arguments, **options)


def run(*command: object, check: bool = True, timeout: float = 180, **options) -> subprocess.CompletedProcess:
    """Runs a program to its end and captures what it prints."""
    words = [str(word) for word in command]
    done = subprocess.run(words, capture_output=True, text=True, timeout=timeout, **options)
    if check and done.returncode:
        raise RuntimeError(f"{' '.join(words)}: exit {done.returncode}: {done.stderr or done.stdout}")
    return done


def owner_tag() -> str:
    """What this process writes into its namespaces' names."""
    return f"{PREFIX}-{os.getpid()}-{start_time(os.getpid())}"


class Namespace:
    """One network namespace, its loopback up; `remove` ends what runs in it."""

    def __init__(self, role: str, tag: str):
        self.role = role
        self.name = f"{tag}-{role}"
        ip("netns", "add", self.name)
        self.sysctl("net.ipv6.conf.default.accept_dad=0", "net.ipv6.conf.default.accept_ra=0")
        self.ip("link", "set", "lo", "up")

    def ip(self, *arguments: object) -> str:
        """iproute2 inside."""
        return ip("-n", self.name, *arguments).stdout

    def run(self, *command: object, **options) -> subprocess.CompletedProcess:
        """Runs a program inside to its end."""
        return run("ip", "netns", "exec", self.name, *command, **options)

    def spawn(self, *command: object, **options) -> subprocess.Popen:
        """Starts a program inside in the background; its pid is the Popen's."""
        return spawn("ip", "netns", "exec", self.name, *command, **options)

    @contextlib.contextmanager
    def entered(self) -> Iterator[None]:
        """Sockets that this thread opens within belong to the namespace, and stay there."""
        home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        there = os.open(_NAMED / self.name, os.O_RDONLY)
        try:
            _setns(there)
            yield
        finally:
            _setns(home)
            os.close(there)
            os.close(home)

    def udp_socket(self, address: str, port: int) -> socket.socket:
        """A UDP socket inside, connected to that address."""
        with self.entered():
            sock = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
        sock.connect((address, port))
        return sock

    def sysctl(self, *settings: str) -> None:
        """Sets kernel parameters inside, each as name=value."""
        self.run("sysctl", "-qw", *settings)

    def remove(self) -> None:
        """Kills what runs inside and deletes the namespace."""
        _remove(self.name)


def _pids(name: str) -> List[int]:
    return [int(pid) for pid in ip("netns", "pids", name, check=False).stdout.split()]


def _remove(name: str) -> None:
    for pid in _pids(name):
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    eventually(lambda: not _pids(name), f"the processes in {name} end")
    ip("netns", "del", name, check=False)


def _is_left_over(name: str) -> bool:
    pid, started = name[len(PREFIX) + 1 :].split("-")[:2]
    return start_time(int(pid)) != int(started)


def _left_over(names: Iterable[pathlib.Path]) -> List[pathlib.Path]:
    return [path for path in names if _is_left_over(path.name)]


def clear_leftovers() -> List[str]:
    """Removes namespaces and work directories of runs that died; returns their names."""
    namespaces = _left_over(_NAMED.glob(f"{PREFIX}-*")) if _NAMED.is_dir() else []
    for path in namespaces:
        _remove(path.name)
    directories = _left_over(_WORK.glob(f"{PREFIX}-*"))
    for path in directories:
        shutil.rmtree(path, ignore_errors=True)
    return sorted({path.name for path in namespaces + directories})


def work_directory() -> pathlib.Path:
    """This process's directory for sockets, logs and configuration."""
    path = _WORK / f"{owner_tag()}-work"
    path.mkdir(mode=0o700, exist_ok=True)
    return path


if __name__ == "__main__":
    for leftover in clear_leftovers():
        print(f"removed {leftover}")
