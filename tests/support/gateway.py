"""Starts and stops one sluiced and speaks to it."""

import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
from typing import Any, Dict, NamedTuple, Optional

import yaml

from control import Control, Refused
from namespaces import Namespace, run
from processes import SLUICECTL, SLUICED, eventually, spawn, stop

HASH_KEY = bytes(range(16))


def eal_arguments(megabytes: int = 512) -> list:
    """EAL arguments that need neither huge pages nor a NIC, and leave no file behind."""
    return ["--no-huge", "-m", str(megabytes), "--no-pci", "--no-telemetry"]


def boot_section(name: str, **changes: Any) -> Dict[str, Any]:
    """A `gateway:` section for tests: one worker, a known key, memory to match."""
    section = {
        "name": name,
        "eal": eal_arguments(),
        "workers": [min(os.sched_getaffinity(0))],
        "idle": "adaptive",
        "flow_table_entries": 65536,
        "hash_key": HASH_KEY.hex(),
    }
    return {**section, **changes}


_LAST_WORDS = re.compile(r"stopped: received=(\d+)[^(\n]*(?:\((.*)\))?$", re.MULTILINE)


class Ended(NamedTuple):
    """How a sluiced ended that was left to itself."""

    status: int
    log: str

    @property
    def received(self) -> int:
        """How many packets it received, by its last words; 0 if it had none."""
        return int(said[1]) if (said := _LAST_WORDS.search(self.log)) else 0

    @property
    def drops(self) -> Dict[str, int]:
        """What it dropped, by its last words."""
        said = _LAST_WORDS.search(self.log)
        pairs = (pair.split("=") for pair in (said[2] or "").split()) if said else ()
        return {reason: int(count) for reason, count in pairs}


def run_until_idle(directory: pathlib.Path, packets: int, seconds: float, **options: Any) -> Ended:
    """Runs sluiced with the sluice.yaml of a folder, whose devices are files of so many packets, until it has been idle
    for these seconds. A stalled machine may be idle for that long with packets unread: then again, at most twice."""
    log, state = directory / "sluiced.log", directory / "state"
    command = [SLUICED, "--config", directory / "sluice.yaml", "--state", state, "--exit-idle", seconds]
    for _ in range(3):
        log.unlink(missing_ok=True)
        shutil.rmtree(state, ignore_errors=True)
        process = spawn(*command, log=log, **options)
        try:
            status = process.wait(300)
        finally:
            stop(process, 2)
        ended = Ended(status, log.read_text(errors="replace"))
        if status != 0 or ended.received >= packets:
            break
    return ended


class Gateway:
    """One sluiced whose files live in `directory`; runs in `namespace` if one is given."""

    def __init__(
        self, directory: pathlib.Path, config: Dict[str, Any], namespace: Optional[Namespace] = None
    ):
        directory.mkdir(exist_ok=True)
        self.directory = directory
        self.namespace = namespace
        self.file = directory / "sluice.yaml"
        self.socket = directory / "control.sock"
        self.log = directory / "sluiced.log"
        self.state = directory / "state"
        self.config = {**config, "control": {"socket": str(self.socket), "mode": "0600"}}
        self.process: Optional[subprocess.Popen] = None
        self.command: list = [SLUICED]  # a test may put something before the program

    def __enter__(self) -> "Gateway":
        try:
            return self.start()
        except BaseException:
            self.__exit__()
            raise

    def __exit__(self, *_: object) -> None:
        self.stop()

    def write(self, config: Optional[Dict[str, Any]] = None) -> pathlib.Path:
        """Writes the configuration file, with `config` as the new wish if given."""
        if config is not None:
            self.config = config
        self.file.write_text(yaml.dump(self.config, Dumper=yaml.CSafeDumper, sort_keys=False))
        return self.file

    def start(self, *arguments: str, seconds: float = 60) -> "Gateway":
        """Starts sluiced and waits until its control socket answers."""
        self.write()
        starter = self.namespace.spawn if self.namespace else spawn
        environment = {**os.environ, "RUNTIME_DIRECTORY": str(self.directory)}
        self.process = starter(*self.command, "--config", self.file, "--state", self.state, *arguments, log=self.log, env=environment)
        eventually(self._answers, "sluiced answers on its control socket", seconds)
        return self

    def _answers(self) -> bool:
        if self.process.poll() is not None:
            raise RuntimeError(f"sluiced left with {self.process.returncode}:\n{self.tail()}")
        try:
            self.call("system.info")
        except OSError:
            return False
        return True

    def tail(self, lines: int = 20) -> str:
        """The end of its log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def await_line(self, words: str, seconds: float = 60, after: int = 0) -> str:
        """The first line of its log that has these words, once it is there: a thread of its own writes the log.
        What is `after` that many characters is looked at."""

        def line() -> Optional[str]:
            lines = self.log.read_text(errors="replace")[after:].splitlines()
            return next((line for line in lines if words in line), None)

        return eventually(line, f"the log has {words!r}", seconds)

    def stop(self, seconds: float = 60) -> int:
        """SIGTERM, and SIGKILL after `seconds`; returns the exit status, 0 also where it was never started."""
        return stop(self.process, seconds) if self.process else 0

    def reload(self) -> None:
        """SIGHUP: apply the file again."""
        self.process.send_signal(signal.SIGHUP)

    def call(self, method: str, /, **params: Any) -> Any:
        """One JSON-RPC call on a connection of its own."""
        with Control(self.socket) as control:
            return control.call(method, **params)

    def refusal(self, method: str, /, **params: Any) -> Refused:
        """The error of a call that has to be refused."""
        try:
            answer = self.call(method, **params)
        except Refused as refused:
            return refused
        raise AssertionError(f"{method} was not refused but answered {answer}")

    def ctl(self, *arguments: object, output: str = "json", **options: Any) -> subprocess.CompletedProcess:
        """Runs sluicectl against this gateway, whatever its exit status."""
        options.setdefault("check", False)
        return run(SLUICECTL, "--socket", self.socket, "-o", output, *arguments, **options)

    def ctl_json(self, *arguments: object) -> Any:
        """sluicectl's answer as JSON; fails unless it exits 0."""
        return json.loads(self.ctl(*arguments, check=True).stdout)

    def get(self, path: str) -> subprocess.CompletedProcess:
        """GET from the gateway's HTTP endpoint with curl: the body on stdout."""
        url = f"http://{self.config['http']['listen']}{path}"
        return (self.namespace.run if self.namespace else run)("curl", "-sS", "-m", "60", url, check=False)

    def metrics(self) -> Dict[str, float]:
        """Every sample of /metrics by its name and labels as printed."""
        lines = [line for line in self.get("/metrics").stdout.splitlines() if line and line[0] != "#"]
        return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines)}
