"""One source of backends in a process of its own (tests/support/source_words.cpp), and what it says."""

import json
import subprocess
import threading
import time
from typing import Callable, List, Optional

from namespaces import Namespace
from processes import BUILD

WORDS = BUILD / "tests" / "support" / "source_words"
PATIENCE = 60  # seconds: the machine may be loaded


class SourceProcess:
    """`source` and each of `discovers` are the fields that source_words takes; subscriptions count from 1."""

    def __init__(self, namespace: Namespace, source: dict, *discovers: dict):
        arguments = [json.dumps(part) for part in (source, *discovers)]
        self.process = namespace.spawn(WORDS, *arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.words: List[dict] = []
        self._news = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        for line in self.process.stdout:
            with self._news:
                self.words.append(json.loads(line))
                self._news.notify_all()
        with self._news:
            self.words.append({"word": "end"})
            self._news.notify_all()

    def until(self, is_so: Callable[[], object], what: str, seconds: float = PATIENCE):
        """Waits until `is_so` is true, and returns what it says."""
        deadline = time.monotonic() + seconds
        with self._news:
            while not (answer := is_so()):
                if time.monotonic() > deadline:
                    raise TimeoutError(f"not within {seconds} s: {what}; the last words: {self.words[-5:]}")
                self._news.wait(0.1)
            return answer

    def _last(self, *kinds: str, id: int = 1, after: int = 0) -> Optional[dict]:
        of_it = [word for word in self.words[after:] if word.get("id") == id and word["word"] in kinds]
        return of_it[-1] if of_it else None

    def snapshot(self, id: int = 1) -> Optional[dict]:
        """What was delivered last."""
        return self._last("deliver", id=id)

    def instances(self, id: int = 1) -> Optional[list]:
        """Of the last snapshot: [host, port, weight, takes_new_flows], sorted."""
        return (self.snapshot(id) or {}).get("instances")

    def until_instances(self, expected: list, id: int = 1) -> dict:
        """Waits until the last snapshot has these, each [host, port] or with weight and takes_new_flows."""
        full = sorted([*entry, *[1, True][len(entry) - 2 :]] for entry in expected)
        self.until(lambda: self.instances(id) == full, f"instances {full}, not {self.instances(id)}")
        return self.snapshot(id)

    def mark(self) -> int:
        """For `after`: the words from now on."""
        return len(self.words)

    def until_lost(self, part: str = "", id: int = 1, after: int = 0) -> str:
        """Waits for a word that the registry is lost, whose reason has `part` in it; returns the reason."""

        def reasons():
            return [word["reason"] for word in self.words[after:] if word["word"] == "lost" and word["id"] == id]

        return self.until(lambda: [one for one in reasons() if part in one], f"lost for {part!r}")[-1]

    def losses(self) -> List[str]:
        """Why the registry was lost, but for an answer that did not come in time, as where the machine stalls."""
        reasons = (word["reason"] for word in self.words if word["word"] == "lost")
        return [one for one in reasons if not all("no answer within" in part for part in one.split("; "))]

    def until_held(self, id: int = 1, after: int = 0) -> None:
        """Waits until the registry has spoken again."""
        self.until(lambda: self._last("deliver", "confirm", id=id, after=after), "the registry speaks")

    def send(self, line: str) -> None:
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def memory(self) -> int:
        """Bytes of resident memory."""
        with open(f"/proc/{self.process.pid}/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * 4096

    def close(self) -> int:
        """Ends its input, upon which it ends by itself."""
        if self.process.stdin and not self.process.stdin.closed:
            self.process.stdin.close()
        status = self.process.wait(PATIENCE)
        self._reader.join(5)
        return status
