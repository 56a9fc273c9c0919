"""The how-tos of sources as they are typed: each registry is started by its lines, and the configuration below them makes
its backend a pool's; the file of targets is written, and looked at."""

import re
import shutil
import textwrap

import pytest
import yaml

from gateway import Gateway
from namespaces import Namespace, owner_tag, run
from processes import ROOT, SLUICECTL, eventually
from wireless import wireless_configuration

PAGE = (ROOT / "docs" / "how-to" / "try-a-registry.md").read_text()
BACKEND = ("198.18.20.11", 8080)
# What a server of each section writes, in a mount namespace of the test's own.
SCRATCH = ("/tmp", "/var/lib/zookeeper", "/var/log/zookeeper")
PATIENCE = 90


def blocks(section: str, kind: str) -> list:
    text = re.search(rf"^## {section}\n(.*?)(?=^## |\Z)", PAGE, re.DOTALL | re.MULTILINE).group(1)
    return re.findall(rf"```{kind}\n(.*?)```", text, re.DOTALL)


def commands(section: str) -> list:
    """The lines of a section, but those that install; a line that goes on below is one."""
    lines = blocks(section, "sh")[0].replace("\\\n", " ").splitlines()
    return [line for line in lines if not line.startswith("apt-get ")]


@pytest.fixture
def machine():
    """A network namespace of its own for each registry: they take the ports that they take."""
    made = Namespace("how-to", owner_tag())
    yield made
    made.remove()


def type_in(machine, line: str, log) -> None:
    """What ends with `&` runs on; the others are typed again until the server is there."""
    if line.endswith("&"):
        mounts = "".join(f"[ ! -d {path} ] || mount -t tmpfs none {path}; " for path in SCRATCH)
        machine.spawn("unshare", "-m", "bash", "-c", f"{mounts}exec {line.removesuffix('&')}", log=log)
        return

    def typed():
        return machine.run("bash", "-c", line, check=False).returncode == 0

    eventually(typed, f"{line}; see {log}", PATIENCE)


def configuration(section: str) -> dict:
    """What the section says, on a gateway that starts anywhere."""
    return {**wireless_configuration(section), **yaml.safe_load(blocks(section, "yaml")[0])}


@pytest.mark.parametrize("section", ["etcd", "zookeeper", "dns", "consul"])
def test_the_backend_that_is_typed_is_the_pools(machine, tmp_path, section):
    lines = commands(section)
    program = lines[0].split()[0]
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed")
    removals = [line for line in lines if " del " in line]
    for line in [line for line in lines if line not in removals]:
        type_in(machine, line, tmp_path / "log")
    with Gateway(tmp_path / "gateway", configuration(section), machine) as gateway:

        def backends():
            return [(row["address"], row["port"]) for row in gateway.call("backend.list", pool="web")]

        eventually(lambda: backends() == [BACKEND], f"the backend is there; see {tmp_path}/log", PATIENCE)
        assert gateway.call("source.list")[0]["state"] == "synced"
        for line in removals:
            type_in(machine, line, tmp_path / "log")
        if removals:
            eventually(lambda: backends() == [], "it is gone", PATIENCE)


@pytest.mark.parametrize("section", re.findall(r"^## (\S+)", PAGE, re.MULTILINE))
def test_every_configuration_of_the_page_is_one(tmp_path, section):
    if not blocks(section, "yaml"):
        return
    gateway = Gateway(tmp_path / "gateway", configuration(section))
    done = gateway.ctl("config", "validate", gateway.write())
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_file_of_targets_is_written_taken_and_looked_at(tmp_path):
    page = (ROOT / "docs" / "how-to" / "add-a-source.md").read_text().replace("/etc/sluice/targets", str(tmp_path))

    def typed(kind):
        return [textwrap.dedent(block) for block in re.findall(rf"```{kind}\n(.*?)```", page, re.DOTALL)]

    write, look = typed("sh")
    run("bash", "-ec", write)
    config = {**wireless_configuration("add-a-source"), **yaml.safe_load(typed("yaml")[0])}
    with Gateway(tmp_path / "gateway", config) as gateway:
        eventually(lambda: len(gateway.call("backend.list", pool="web")) == 2, "both targets are backends")
        program = f"sluicectl() {{ {SLUICECTL} --socket {gateway.socket} \"$@\"; }}\n"
        said = run("bash", "-ec", program + look).stdout
    assert "synced" in said and said.count("files") >= 3
