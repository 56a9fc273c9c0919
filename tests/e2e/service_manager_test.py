"""What systemd is told, and what SIGHUP says of a file that needs a restart."""

import re
import socket

import pytest

from namespaces import run
from processes import BUILD, ROOT, eventually


class Notifications:
    """The socket that systemd gives a service to report to."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(path))
        self.socket.settimeout(60)

    def next(self) -> dict:
        """The next message but for signs of life, its assignments by name."""
        while True:
            message = self.socket.recv(4096).decode()
            if message != "WATCHDOG=1":
                return dict(line.split("=", 1) for line in message.splitlines())

    def is_alive(self) -> bool:
        """Whether the next message is a sign of life."""
        return self.socket.recv(4096) == b"WATCHDOG=1"


@pytest.fixture
def notifications(tmp_path, monkeypatch):
    path = tmp_path / "notify"
    received = Notifications(path)
    monkeypatch.setenv("NOTIFY_SOCKET", str(path))
    monkeypatch.setenv("WATCHDOG_USEC", "2000000")
    yield received
    received.socket.close()


def test_systemd_is_told_of_each_step(notifications, wireless):
    gateway = wireless()
    assert notifications.next() == {"READY": "1", "STATUS": "generation 1"}
    assert all(notifications.is_alive() for _ in range(3))
    gateway.reload()
    reloading = notifications.next()
    assert reloading.pop("RELOADING") == "1" and int(reloading.pop("MONOTONIC_USEC")) > 0 and not reloading
    assert notifications.next() == {"READY": "1", "STATUS": "generation 1"}  # nothing has changed
    assert gateway.stop() == 0
    assert notifications.next() == {"STOPPING": "1"}


def test_sighup_names_every_field_that_needs_a_restart(wireless):
    gateway = wireless()
    text = gateway.file.read_text().replace("mode: '0600'", "mode: '0660'")
    text = text.replace("idle: adaptive", "idle: poll")
    gateway.file.write_text(text)
    lines = text.splitlines()
    gateway.reload()
    eventually(lambda: "needs a restart" in gateway.log.read_text(), "the refusal is told")
    said = next(line for line in gateway.log.read_text().splitlines() if "needs a restart" in line)
    for key, pointer in (("  idle:", "/gateway/idle"), ("  mode:", "/control/mode")):
        row = next(number for number, line in enumerate(lines, 1) if line.startswith(key))
        assert f"{gateway.file}:{row}:3: needs a restart ({pointer})" in said
    assert gateway.call("config.get")["generation"] == 1


def unit(path) -> dict:
    """The [Service] settings of a unit that are given once."""
    return dict(re.findall(r"^(\w+)=(.*)$", path.read_text(), re.MULTILINE))


def test_the_installed_unit_starts_the_installed_program(tmp_path):
    run("meson", "install", "-C", BUILD, "--no-rebuild", "--destdir", tmp_path, timeout=120)
    (file,) = tmp_path.rglob("sluiced.service")
    started = unit(file)["ExecStart"].split()[0]
    assert (tmp_path / started.lstrip("/")).is_file()
    assert len(list(tmp_path.rglob("60-sluice.rules"))) == len(list(tmp_path.rglob("sluice.conf"))) == 1


def test_the_units_runtime_directory_suits_dpdk(tmp_path, wireless):
    """systemd joins several by a colon in $RUNTIME_DIRECTORY, which EAL takes for one name, and warns twice."""
    named = unit(ROOT / "packaging/systemd/sluiced.service.in")["RuntimeDirectory"].split()
    assert named == ["sluice"]
    gateway = wireless()
    assert "EAL" not in gateway.log.read_text()
