#!/usr/bin/python3
"""Sluice's etcd source beside etcdctl, through a gate that cuts every connection after a random number of bytes while
random changes are made, revisions compacted and the server killed and started again, with its data or with other ones:
after each of many rounds the source has what etcdctl lists.

`./dev interop etcd` runs it, for some minutes. etcd is Debian's; everything happens on the loopback.
"""

import argparse
import base64
import contextlib
import json
import pathlib
import random
import shutil
import sys
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "support"))

from interop import KEPT, Source, differing, free_port, outcome  # noqa: E402  pylint: disable=wrong-import-position
from namespaces import run  # noqa: E402  pylint: disable=wrong-import-position
from processes import spawn, stop  # noqa: E402  pylint: disable=wrong-import-position
from registries import Etcd, Gate, base64_text  # noqa: E402  pylint: disable=wrong-import-position

PREFIX = "services/web/"
KEYS = 6
MOST_CHANGES = 8
# A list has up to 800 bytes, a watch begins with 300 and has 250 for each change: so either may be what is cut.
MOST_BYTES = 1600


class Here:
    """This process's own network, where tests have a namespace."""

    spawn = staticmethod(spawn)
    run = staticmethod(run)
    entered = staticmethod(contextlib.nullcontext)


class OwnEtcd(Etcd):
    def __init__(self, port: int, directory: pathlib.Path):
        self.port = port
        self._compacted = 1  # what an empty etcd has; the same twice is refused
        super().__init__(Here(), directory)

    def _ask(self, path: str, **fields: object) -> dict:
        request = urllib.request.Request(f"{self.url}/v3/kv/{path}", data=json.dumps(fields).encode())
        with urllib.request.urlopen(request, timeout=20) as answer:
            return json.load(answer)

    def put(self, key: str, value: str) -> None:
        self._ask("put", key=base64_text(key), value=base64_text(value))

    def delete(self, key: str) -> None:
        self._ask("deleterange", key=base64_text(key))

    def compact(self) -> None:
        revision = int(self._ask("range", key=base64_text(PREFIX))["header"]["revision"])
        if revision > self._compacted:
            self._ask("compaction", revision=revision)
            self._compacted = revision

    def listed(self) -> dict:
        """What etcdctl lists, as Source.endpoints() has it."""
        text = self.ctl("get", "--prefix", PREFIX, "-w", "json").stdout
        values = [base64.b64decode(one["value"]).decode() for one in json.loads(text).get("kvs", [])]
        return {"web": {value.replace(":", " "): (1, True) for value in values}}


class Registry:
    """An etcd that is killed again and again."""

    def __init__(self, chance: random.Random):
        self.chance, self.port = chance, free_port()
        self.compactions = self.restarts = 0
        shutil.rmtree(KEPT / "etcd-data", ignore_errors=True)
        self.begin()

    def begin(self) -> None:
        """With nothing in it."""
        self.etcd = OwnEtcd(self.port, KEPT / "etcd-data" / str(self.restarts)).start()

    def restart(self) -> None:
        self.restarts += 1
        self.etcd.kill()
        if self.chance.random() < 0.5:
            self.begin()
        else:
            self.etcd.start()

    def change(self, number: int) -> None:
        for _ in range(self.chance.randint(1, MOST_CHANGES)):
            key = self.chance.randrange(KEYS)
            if self.chance.random() < 0.4:
                self.etcd.delete(f"{PREFIX}{key}")
            else:
                self.etcd.put(f"{PREFIX}{key}", f"10.{number // 250}.{number % 250}.{key + 1}:80")
            time.sleep(self.chance.random() * 0.03)
        if self.chance.random() < 0.15:
            self.etcd.compact()
            self.compactions += 1


def main(words) -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--rounds", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args(words)
    chance = random.Random(arguments.seed)
    registry = Registry(chance)
    gate = Gate(Here(), free_port(), registry.port)
    source = Source({"type": "etcd", "endpoints": [f"http://127.0.0.1:{gate.port}"]}, {"web": {"prefix": PREFIX}})
    differences = 0
    try:
        for number in range(arguments.rounds):
            if chance.random() < 0.7:
                gate.half, gate.mode = chance.randint(1, MOST_BYTES), "half"
            gate.cut()
            registry.change(number)
            if number % 25 == 24:
                registry.restart()
                registry.change(number)
            gate.let_pass()
            if differing({"etcd": source.endpoints}, registry.etcd.listed(), 30):
                differences += 1
                print(f"round {number}: {source.endpoints()}, not {registry.etcd.listed()}", file=sys.stderr)
    finally:
        stop(source.process, 5)
        gate.close()
        registry.etcd.kill()
    print(
        f"etcd: what etcdctl lists, after each of {arguments.rounds} rounds of connections cut at random bytes, with "
        f"{registry.compactions} compactions and {registry.restarts} kills of the server between: {outcome(differences)}"
    )
    return 0 if differences == 0 else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
