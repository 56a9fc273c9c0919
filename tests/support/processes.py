"""Child processes that cannot outlive whoever started them, even one that is killed with SIGKILL."""

import ctypes
import os
import pathlib
import signal
import subprocess
import time
from typing import Callable, Optional, TypeVar

Answer = TypeVar("Answer")

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("SLUICE_BUILD", ROOT / "build"))
SLUICED = BUILD / "ctrl" / "sluiced"
SLUICECTL = BUILD / "sluicectl" / "sluicectl"

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


def die_with_parent() -> None:
    """For preexec_fn: the kernel kills this process as soon as its parent is gone."""
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def spawn(*command: object, log: Optional[pathlib.Path] = None, **options) -> subprocess.Popen:
    """Starts a program in the background; what it prints goes to the end of `log`, if one is named."""
    if log is not None:
        options.setdefault("stdout", open(log, "ab"))
        options.setdefault("stderr", subprocess.STDOUT)
    options.setdefault("stdin", subprocess.DEVNULL)
    return subprocess.Popen([str(part) for part in command], preexec_fn=die_with_parent, **options)


def stop(process: subprocess.Popen, seconds: float = 10) -> int:
    """Asks with SIGTERM, insists with SIGKILL after `seconds`; returns the exit status."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
    return process.wait()


def eventually(probe: Callable[[], Answer], what: str, seconds: float = 60) -> Answer:
    """Repeats `probe` until its answer is true, and returns that answer; else fails naming `what`, after
    longer than anything takes on a busy machine."""
    deadline = time.monotonic() + seconds
    while True:
        answer = probe()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {seconds} s: {what}")
        time.sleep(0.02)


def start_time(pid: int) -> int:
    """When a process started, in clock ticks since boot; 0 if there is none: tells a reused pid apart."""
    try:
        stat = pathlib.Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return 0
    return int(stat.rsplit(")", 1)[1].split()[19])
