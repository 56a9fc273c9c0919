"""Debian's Chromium, driven by playwright-core: what the tests of the page ask of a browser."""

import json
import pathlib
import subprocess
from typing import Any, List

from namespaces import Namespace
from processes import eventually

FOLDER = pathlib.Path(__file__).resolve().parent


class Browser:
    """One Chromium with one window, in a namespace. Its methods are the commands of browser.js."""

    def __init__(self, namespace: Namespace, log: pathlib.Path) -> None:
        self._log = log.open("wb")
        self._process = namespace.spawn(
            "node", "browser.js", cwd=FOLDER, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._log,
        )  # fmt: skip

    def __enter__(self) -> "Browser":
        return self

    def __exit__(self, *_: object) -> None:
        self._process.stdin.close()
        try:
            self._process.wait(20)
        finally:
            self._process.kill()
            self._log.close()

    def _do(self, command: str, **options: Any) -> Any:
        self._process.stdin.write(json.dumps({"command": command, **options}) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, f"the browser is gone: {pathlib.Path(self._log.name).read_text(errors='replace')}"
        answer = json.loads(line)
        if "error" in answer:
            raise AssertionError(f"{command} {options}: {answer['error']}")
        return answer["value"]

    def open(self, url: str, **options: Any) -> None:
        self._do("open", url=url, **options)

    def answer(self, path: str, **answer: Any) -> None:
        self._do("answer", path=path, **answer)

    def evaluate(self, script: str) -> Any:
        return self._do("evaluate", script=script)

    def wait(self, script: str, seconds: float = 60) -> None:
        self._do("wait", script=script, seconds=seconds)

    def press(self, *keys: str) -> None:
        for key in keys:
            self._do("press", key=key)

    def type(self, text: str) -> None:
        self._do("type", text=text)

    def resize(self, width: int, height: int) -> None:
        self._do("resize", width=width, height=height)

    def scheme(self, scheme: str) -> None:
        self._do("scheme", scheme=scheme)

    def screenshot(self, path: pathlib.Path) -> None:
        self._do("screenshot", path=str(path))

    def complaints(self) -> List[str]:
        """What the console was told besides plain words, and the page's exceptions."""
        return [f"{line['type']}: {line['text']}" for line in self._do("said") if line["type"] not in ("log", "info", "debug")]

    def requests(self) -> List[str]:
        return self._do("asked")

    def violations(self) -> List[dict]:
        """What axe finds wrong with the page as it is now."""
        return self._do("axe")

    def text(self, selector: str) -> str:
        """What an element shows, with single spaces."""
        return " ".join((self.evaluate(f"document.querySelector({json.dumps(selector)}).innerText") or "").split())

    def await_text(self, selector: str, words: str, seconds: float = 60) -> None:
        eventually(lambda: words in self.text(selector), f"{selector} says {words!r}", seconds)
