"""The unit: what systemd says of it, and the whole gateway within its bounds, as a user with next to no rights."""

import copy
import os
import pathlib
import pwd
import re
import shutil
import subprocess

import pytest

import sandbox
from configuration import SERVICES
from lab import Lab, faults
from lab_ledger import LedgerRound
from processes import ROOT, SLUICED, eventually

TEMPLATE = ROOT / "packaging/systemd/sluiced.service.in"
USER = "nobody"
MOST_EXPOSURE = 2.5


@pytest.fixture(scope="module")
def unit(tmp_path_factory):
    """The unit as it is installed."""
    file = tmp_path_factory.mktemp("unit") / "sluiced.service"
    file.write_text(TEMPLATE.read_text().replace("@sbindir@", "/usr/sbin").replace("@docdir@", "/usr/share/doc/sluice"))
    return file


def test_systemd_finds_the_service_little_exposed(unit):
    """Its own words: the levels below 2.5 are what it takes to stay with packet sockets, taps and NICs."""
    done = subprocess.run(["systemd-analyze", "security", "--offline=true", "--no-pager", f"--threshold={10 * MOST_EXPOSURE - 1:.0f}", unit],
                          capture_output=True, text=True)  # fmt: skip
    level = float(re.search(r"Overall exposure level for sluiced.service: ([\d.]+)", done.stdout)[1])
    assert done.returncode == 0 and level < MOST_EXPOSURE, done.stdout


def test_systemd_takes_the_unit_for_right(tmp_path):
    file = tmp_path / "sluiced.service"
    file.write_text(TEMPLATE.read_text().replace("@sbindir@", str(SLUICED.parent)).replace("@docdir@", "/usr/share/doc/sluice"))
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", file], capture_output=True, text=True)
    assert done.returncode == 0 and not done.stderr, done.stderr


def test_the_service_leaves_no_core_and_has_two_capabilities(unit):
    settings = sandbox.settings(unit)
    assert settings["LimitCORE"] == ["0"] and settings["User"] == ["sluice"] and settings["NoNewPrivileges"] == ["yes"]
    assert settings["CapabilityBoundingSet"] == settings["AmbientCapabilities"] == ["CAP_NET_ADMIN CAP_NET_RAW"]
    allowed = sandbox.allowed_calls(unit)
    assert {"mbind", "sched_setaffinity", "sendmmsg"} <= allowed
    assert not allowed & {"ptrace", "mount", "setuid", "init_module", "bpf", "perf_event_open", "kexec_load", "settimeofday", "swapon"}


@pytest.fixture(scope="module")
def bounded(unit):
    """The lab with its gateway within the unit's bounds: ledger, registry, and a port that the kernel shares."""
    lab = Lab(has_ledger=True, name="bounded")
    lab.work.parent.chmod(0o711)  # its user passes through
    config = lab.gateway.config
    config["ports"][0]["kernel"] = True
    config["registry"] = {"http": "127.0.0.1:9466"}
    # Files of the service's own, as systemd makes them for it. The originals may lie where its user cannot look.
    program, wrapper, settings = [pathlib.Path(shutil.copy(file, lab.work)) for file in (SLUICED, sandbox.__file__, unit)]
    for file in [lab.work, *lab.work.rglob("*")]:
        shutil.chown(file, USER)
    lab.gateway.command = [*sandbox.command(wrapper, settings, USER), program]
    with lab as running:
        yield running


def status(lab):
    fields = dict(line.split(":", 1) for line in open(f"/proc/{lab.gateway.process.pid}/status"))
    return {name: value.strip() for name, value in fields.items()}


def test_the_gateway_is_bound(bounded):
    found = status(bounded)
    assert found["Uid"].split() == [str(pwd.getpwnam(USER).pw_uid)] * 4
    net_admin, net_raw = 12, 13
    assert int(found["CapEff"], 16) == int(found["CapBnd"], 16) == 1 << net_admin | 1 << net_raw
    assert found["NoNewPrivs"] == "1" and found["Seccomp"] == "2"


def test_every_forwarding_mode_works(bounded):
    for service in SERVICES:
        assert not faults(service, bounded.ask(service, 3), 3), service.name


def test_transactions_are_stored(bounded):
    rows = LedgerRound(bounded.client, bounded.gateway, bounded.work).rows()
    assert not [row for row in rows if not row.is_right]


def test_the_kernel_has_its_tap(bounded):
    descriptors = pathlib.Path(f"/proc/{bounded.gateway.process.pid}/fd").iterdir()
    assert "/dev/net/tun" in [os.readlink(descriptor) for descriptor in descriptors]


def test_it_can_be_operated(bounded):
    gateway = bounded.gateway
    config = copy.deepcopy(gateway.config)
    config["neighbors"] = [{"address": "198.18.20.200", "mac": "02:00:00:00:09:01"}]
    gateway.write(config)
    os.chown(gateway.file, pwd.getpwnam(USER).pw_uid, -1)
    gateway.reload()
    eventually(lambda: gateway.call("config.get")["generation"] == 2, "the file has been applied")
    gateway.ctl("backend", "drain", "udp4", gateway.call("backend.list", pool="udp4")[0]["address"],
                gateway.call("backend.list", pool="udp4")[0]["port"], check=True)  # fmt: skip
    gateway.ctl("capture", "--at", "rx", "--seconds", "1", "-w", gateway.directory / "some.pcapng", check=True)
    assert gateway.get("/readyz").stdout.startswith("ready")


def test_it_leaves_in_peace(bounded):
    """Last: afterwards the lab has no gateway."""
    assert bounded.gateway.stop() == 0
    assert "EPERM" not in bounded.gateway.log.read_text()
    assert "Operation not permitted" not in bounded.gateway.log.read_text()
