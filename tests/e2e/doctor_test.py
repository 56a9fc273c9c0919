"""sluicectl doctor and support-bundle, with a gateway and without."""

import io
import json
import os
import stat
import tarfile

import pytest

from gateway import HASH_KEY, Gateway
from namespaces import run
from processes import SLUICECTL
from wireless import wireless_configuration

CHECKS = ["huge_pages", "iommu", "driver", "numa", "cpu_flags", "free_cores", "memory", "cpu_governor", "gateway"]
SECRET = "an-unheard-of-secret"


@pytest.fixture(name="gateway", scope="module")
def gateway_fixture(tmp_path_factory):
    directory = tmp_path_factory.mktemp("doctor")
    (directory / "password").write_text(SECRET)
    config = {
        **wireless_configuration("edge"),
        "sources": [
            {"name": "kv", "type": "etcd", "endpoints": ["127.0.0.1:1"], "username": "u", "password": f"file:{directory}/password"}
        ],
    }
    with Gateway(directory / "gateway", config) as gateway:
        yield gateway


def test_the_doctor_needs_no_gateway(tmp_path):
    done = run(SLUICECTL, "--socket", tmp_path / "nobody.sock", "-o", "json", "doctor", check=False)
    checks = json.loads(done.stdout)
    assert [check["check"] for check in checks] == CHECKS
    for check in checks:
        assert set(check) == {"check", "state", "detail", "fix"}
        assert check["state"] in ("ok", "warning", "failed")
        assert bool(check["fix"]) == (check["state"] != "ok"), check
    assert checks[-1]["state"] == "warning" and "is sluiced running" in checks[-1]["detail"]
    assert done.returncode == (1 if any(check["state"] == "failed" for check in checks) else 0)


def test_the_doctor_knows_what_the_gateway_does_without(gateway):
    checks = {check["check"]: check for check in json.loads(gateway.ctl("doctor").stdout)}
    assert checks["huge_pages"]["state"] != "failed", "it runs with --no-huge"
    assert checks["cpu_flags"]["state"] != "failed", "it runs"
    assert checks["gateway"]["state"] == "ok" and "generation 1" in checks["gateway"]["detail"]
    assert gateway.ctl("doctor", output="table").stdout.startswith("CHECK")


def contents(file) -> dict:
    """By name, as Python's reader of tar has them."""
    with tarfile.open(fileobj=io.BytesIO(file.read_bytes()), mode="r:gz") as archive:
        return {member.name: archive.extractfile(member).read() for member in archive}


def test_a_support_bundle_has_what_a_report_needs_and_no_secret(gateway, tmp_path):
    file = tmp_path / "support.tar.gz"
    file.write_text("old")
    file.chmod(0o644)
    assert gateway.ctl("support-bundle", file).returncode == 0
    assert stat.S_IMODE(os.stat(file).st_mode) == 0o600
    names = contents(file)
    prefix = "sluice-support/"
    config = json.loads(names[prefix + "gateway/config.json"])["config"]
    assert config["gateway"]["hash_key"] == "(left out)"
    assert config["sources"][0]["password"].startswith("file:")
    assert json.loads(names[prefix + "gateway/system.info.json"])["name"] == "edge"
    assert [check["check"] for check in json.loads(names[prefix + "doctor.json"])] == CHECKS
    assert prefix + "gateway/ledger.json.error" in names, "there is none"
    assert b"bytes" not in names[prefix + "gateway/drops.recent.json"]
    everything = b"".join(names.values())
    assert HASH_KEY.hex().encode() not in everything and SECRET.encode() not in everything
    assert run("tar", "-tzf", file).stdout.splitlines() == list(names)


def test_a_support_bundle_needs_no_gateway(tmp_path):
    file = tmp_path / "support.tar.gz"
    command = (SLUICECTL, "--socket", tmp_path / "nobody.sock", "support-bundle")
    assert run(*command, file, check=False).returncode == 0
    names = contents(file)
    assert b"is sluiced running" in names["sluice-support/gateway/system.info.json.error"]
    assert names["sluice-support/host/proc.cpuinfo.txt"].startswith(b"processor")
    assert run(*command, tmp_path / "none" / "x.tar.gz", check=False).returncode == 1
    assert run(*command, check=False).returncode == 2
