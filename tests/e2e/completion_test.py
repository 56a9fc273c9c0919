"""What shells offer while a command of sluicectl is typed: real shells on a pseudo terminal, and a running gateway."""

import os
import pty
import select
import shutil
import subprocess
import time

import pytest

from namespaces import run
from processes import ROOT, SLUICECTL, eventually

COMPLETIONS = ROOT / "packaging/completions"
CLEAR_LINE = "\x15"  # Ctrl-U
WEB4, WEB6 = ("198.18.10.11", 8080), ("2001:db8:10::11", 8080)

SHELLS = {
    "bash": (["bash", "--norc", "--noprofile", "-i"], f"source {COMPLETIONS}/sluicectl.bash"),
    "zsh": (["zsh", "-f", "-i"], f"fpath=({COMPLETIONS} $fpath); autoload -U compinit; compinit -D -u"),
    "fish": (["fish", "--no-config", "-i"], f"source {COMPLETIONS}/sluicectl.fish"),
}


def backend(endpoint) -> dict:
    return {"address": endpoint[0], "port": endpoint[1]}


@pytest.fixture
def gateway(wireless):
    return wireless(
        pools=[
            {"name": "web", "backends": [backend(WEB4), backend(WEB6)]},
            {"name": "dns", "backends": [{"address": "198.18.10.21"}]},
        ],
        services=[{"name": "www", "address": "203.0.113.10", "port": 80, "protocol": "tcp", "forward": "direct", "pool": "dns"}],
    )


def offered(gateway, *words):
    """The words that may come where the last one is typed."""
    done = run(SLUICECTL, "__complete", "--socket", gateway.socket, *words, check=False)
    assert done.returncode == 0 and not done.stderr
    return [line.split("\t")[0] for line in done.stdout.splitlines()]


def await_offer(gateway, expected, *words):
    """Waits until these are offered: what a gateway says late is left out."""
    what = f"{expected} are offered after {' '.join(words)!r}"
    eventually(lambda: offered(gateway, *words) == expected, what)


def test_commands_are_offered_one_after_the_other(gateway):
    assert {"backend", "config", "explain", "top"} <= set(offered(gateway, ""))
    assert offered(gateway, "back") == ["backend"]
    assert {"drain", "activate", "maintain", "weight", "list"} <= set(offered(gateway, "backend", ""))
    assert offered(gateway, "backend", "dr") == ["drain"]
    assert offered(gateway, "nonsense", "") == offered(gateway, "")


def test_names_of_objects_come_from_the_gateway(gateway):
    await_offer(gateway, ["dns", "web"], "backend", "drain", "")
    await_offer(gateway, ["198.18.10.11:8080", "[2001:db8:10::11]:8080"], "backend", "drain", "web", "")
    await_offer(gateway, ["198.18.10.21"], "backend", "drain", "dns", "")
    await_offer(gateway, ["[2001:db8:10::11]:8080"], "backend", "drain", "web", "[")
    assert offered(gateway, "backend", "weight", "web", "198.18.10.11:8080", "") == []
    await_offer(gateway, ["www"], "service", "table", "")
    await_offer(gateway, ["1"], "config", "rollback", "")
    await_offer(gateway, ["edge0"], "capture", "--port", "")
    eventually(lambda: "backend.list" in offered(gateway, "call", "back"), "methods are offered")


def test_what_is_said_of_a_backend(gateway):
    gateway.ctl("backend", "drain", "web", "198.18.10.11:8080", check=True)
    lines = run(SLUICECTL, "--socket", gateway.socket, "__complete", "x", check=False)
    assert lines.returncode == 2, "it is the first word or none"

    def said():
        return run(SLUICECTL, "__complete", "--socket", gateway.socket, "backend", "drain", "web", "1").stdout

    eventually(lambda: said() == "198.18.10.11:8080\tdraining, 0 flows\n", "it is said that it is draining")


def test_options_and_what_they_take(gateway):
    assert "--service" in offered(gateway, "flow", "list", "--")
    assert "--socket" in offered(gateway, "flow", "list", "--so")
    await_offer(gateway, ["www"], "flow", "list", "--service", "")
    await_offer(gateway, ["--service=www"], "flow", "list", "--service=w")
    assert offered(gateway, "-o", "") == offered(gateway, "flow", "list", "--output", "") == ["table", "json", "yaml"]
    await_offer(gateway, ["web"], "-o", "json", "backend", "list", "w")  # options may stand before
    eventually(lambda: "malformed_l3" in offered(gateway, "drops", ""), "reasons are offered")
    assert offered(gateway, "config", "apply", "") == [":files"]
    assert offered(gateway, "ledger", "verify", "") == [":directories"]


def test_without_a_gateway_there_are_no_names_and_no_complaints(tmp_path):
    def words(*typed):
        done = run(SLUICECTL, "__complete", "--socket", tmp_path / "none", *typed, check=False)
        assert done.returncode == 0 and not done.stderr
        return done.stdout

    assert words("backend", "drain", "") == ""
    assert words("backend", "dr").startswith("drain\t")


class Terminal:
    """A shell that somebody types into."""

    def __init__(self, command, environment):
        self.name = command[0]
        self.pid, self.screen = pty.fork()
        if self.pid == 0:
            os.execvpe(command[0], command, environment)

    def type(self, text):
        os.write(self.screen, text.encode())

    def read_until(self, words, seconds=60):
        """What it shows, up to these words."""
        shown, deadline = "", time.monotonic() + seconds
        while words not in shown:
            assert time.monotonic() < deadline, f"no {words!r} in {shown!r}"
            if select.select([self.screen], [], [], 1)[0]:
                shown += os.read(self.screen, 65536).decode(errors="replace")
        return shown

    def close(self):
        os.close(self.screen)
        os.waitpid(self.pid, 0)


@pytest.fixture(params=SHELLS)
def shell(request, tmp_path):
    command, setup = SHELLS[request.param]
    if not shutil.which(command[0]):
        pytest.skip(f"{command[0]} is not installed")
    environment = {"PATH": f"{SLUICECTL.parent}:{os.environ['PATH']}", "HOME": str(tmp_path), "TERM": "dumb"}
    terminal = Terminal(command, environment)
    terminal.type(f"{setup}; echo re''ady\n")
    terminal.read_until("ready")
    yield terminal
    subprocess.run(["kill", "-KILL", str(terminal.pid)], check=False)
    terminal.close()


@pytest.mark.parametrize("typed, endpoint", [("1", WEB4), ("[", WEB6)], ids=["IPv4", "IPv6"])
def test_a_tab_finds_the_backend_and_the_command_drains_it(gateway, shell, typed, endpoint):
    if shell.name == "zsh":
        typed = typed.replace("[", "\\[")  # zsh would take it for a pattern, whatever is completed
    line = f"sluicectl --socket {gateway.socket} backe\tdrai\tw\t{typed}\t\n"

    def state():
        listed = gateway.call("backend.list", pool="web")
        return next(each["state"] for each in listed if each["address"] == endpoint[0])

    def has_drained():
        """TAB finds no name that the gateway says late: then the line is typed anew."""
        shell.type(f"{CLEAR_LINE}{line}{CLEAR_LINE}echo do''ne\n")
        shell.read_until("done")
        return state() == "draining"

    eventually(has_drained, "the command that TAB completed has run")


def test_a_tab_finds_files(gateway, shell, tmp_path):
    (tmp_path / "edge-of-the-net.yaml").write_text("nonsense: true\n")
    shell.type(f"sluicectl config validate {tmp_path}/edge-of-\t\n")
    assert "nonsense" in shell.read_until("/nonsense")
