"""What the figures were measured on, and what the suite may change of it for its time: huge pages."""

import contextlib
import datetime
import fcntl
import os
import pathlib
import platform
import subprocess
import sys
import tempfile
from typing import Dict, Iterator, List

from processes import ROOT

HUGE_PAGES = pathlib.Path("/sys/kernel/mm/hugepages/hugepages-2048kB")


def _first_line(*command: str) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:
        return "not installed"
    lines = (done.stdout or done.stderr).strip().splitlines()
    return lines[0].strip() if lines else "unknown"


def _cpu_fields() -> Dict[str, str]:
    fields = {}
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        name, _, value = line.partition(":")
        fields.setdefault(name.strip(), value.strip())
    return fields


def flags() -> List[str]:
    """What this CPU can do, as the kernel calls it."""
    return _cpu_fields()["flags"].split()


def facts() -> Dict[str, str]:
    """The machine and the versions of everything that was compared."""
    cpu = _cpu_fields()
    wanted = ("avx2", "avx512f", "sha_ni", "vaes", "hypervisor")
    memory_kib = int(pathlib.Path("/proc/meminfo").read_text().split()[1])
    maker = {"GenuineIntel": "intel", "AuthenticAMD": "amd"}.get(cpu["vendor_id"], "other")
    return {
        "kind": f"{maker}-{cpu['cpu family']}-{cpu['model']}",
        "cpu": f"{cpu['model name']}, family {cpu['cpu family']} model {cpu['model']}, {os.cpu_count()} CPUs",
        "flags": " ".join(flag for flag in wanted if flag in flags()),
        "memory": f"{memory_kib // 1024} MiB",
        "kernel": platform.release(),
        "compiler": _first_line("g++", "--version"),
        "dpdk": _first_line("pkg-config", "--modversion", "libdpdk"),
        "haproxy": _first_line("haproxy", "-v").partition(" - ")[0],
        "nginx": _first_line("nginx", "-v"),
        "load": " ".join(f"{load:.1f}" for load in os.getloadavg()),
        "date": datetime.date.today().isoformat(),
        "revision": _first_line("git", "-C", str(ROOT), "describe", "--always", "--dirty"),
    }


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """One suite at a time, which goes before others if it may: they would take CPU and huge pages away."""
    with contextlib.suppress(PermissionError):
        os.nice(-5)
    with open(pathlib.Path(tempfile.gettempdir()) / "sluice-bench.lock", "w", encoding="ascii") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("waiting for another ./dev bench to end", file=sys.stderr)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def huge_pages(megabytes: int) -> Iterator[bool]:
    """Reserves so much, if it may; gives back what it took. Yields whether there is enough."""
    count = HUGE_PAGES / "nr_hugepages"
    if not count.exists():
        yield False
        return
    before = int(count.read_text())
    with contextlib.suppress(OSError):
        count.write_text(str(before + megabytes // 2))
    taken = int(count.read_text()) - before
    try:
        yield int((HUGE_PAGES / "free_hugepages").read_text()) >= megabytes // 2
    finally:
        with contextlib.suppress(OSError):  # others may have reserved some meanwhile: theirs stay
            count.write_text(str(max(0, int(count.read_text()) - taken)))
