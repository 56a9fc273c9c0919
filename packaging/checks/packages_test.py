"""The packages: no lintian error, the same bytes from another folder, and their whole life on a clean Debian root.

`./dev package --check` runs this; it takes as long as a second build and a debootstrap.
"""

import filecmp
import os
import pathlib
import re
import shutil
import subprocess

import pytest

from conftest import PACKAGES

ROOT = pathlib.Path(__file__).resolve().parents[2]
UNIT = "/lib/systemd/system/sluiced.service"
AS_SLUICE = ("setpriv --reuid=sluice --regid=sluice --clear-groups --inh-caps=-all,+net_admin,+net_raw "
             "--ambient-caps=-all,+net_admin,+net_raw --bounding-set=-all,+net_admin,+net_raw --no-new-privs")  # fmt: skip


def deb(name):
    (file,) = PACKAGES.glob(f"{name}_*.deb")
    return file


def output(*command):
    return subprocess.run([str(word) for word in command], capture_output=True, text=True, check=True).stdout


def test_lintian_finds_no_error():
    (changes,) = PACKAGES.glob("*.changes")
    done = subprocess.run(["lintian", "--allow-root", "--fail-on", "error", "--info", changes], capture_output=True, text=True)
    print(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr


def test_another_folder_makes_the_same_bytes(tmp_path):
    """A tree of its own, and a compiler that remembers nothing."""
    environment = {**os.environ, "CCACHE_DISABLE": "1", "TZ": "Asia/Kathmandu", "LC_ALL": "C"}
    target = tmp_path / "another folder".replace(" ", "-") / "deep" / "inside"
    subprocess.run([ROOT / "packaging/make_packages.sh", target], check=True, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    names = sorted(file.name for file in PACKAGES.glob("*.deb"))
    assert names == sorted(file.name for file in target.glob("*.deb")) and len(names) >= 2
    assert filecmp.cmpfiles(PACKAGES, target, names, shallow=False) == (names, [], [])


def test_every_program_and_file_has_its_manual_page():
    listed = output("dpkg-deb", "--contents", deb("sluice"))
    for page in ("man8/sluiced.8", "man1/sluicectl.1", "man5/sluice.yaml.5", "man7/sluice-metrics.7"):
        assert f"./usr/share/man/{page}.gz" in listed
    for file in ("bash-completion/completions/sluicectl", "zsh/vendor-completions/_sluicectl", "fish/vendor_completions.d/sluicectl.fish",
                 "sluice/prometheus/alerts.rules.yaml", "sluice/grafana/sluice-gateways.json"):  # fmt: skip
        assert f"./usr/share/{file}" in listed


def test_runbooks_are_where_alerts_say():
    listed = output("dpkg-deb", "--contents", deb("sluice-doc"))
    rules = (ROOT / "packaging/prometheus/alerts.rules.yaml").read_text()
    for path in set(re.findall(r"file://(/usr/share/doc/sluice-doc/[^#\"]+)", rules)):
        assert f".{path}\n" in listed


@pytest.fixture(scope="module")
def installed(root):
    """The root with the packages; what was there before."""
    # systemd, so that it stays where sluice, which asks for it, goes: as on a machine that runs it.
    root.run("apt-get -qq install --no-install-recommends man-db bash-completion iproute2 bash systemd")
    before = root.files()
    root.run("apt-get -qq install --no-install-recommends ./packages/sluice_*.deb ./packages/sluice-doc_*.deb")
    yield before


# In the order of a package's life: the tests below stand on each other.


def test_installing_starts_nothing(root, installed):
    assert not root.asked_of_init("sluice")
    assert not list((root.directory / "etc/systemd/system").rglob("sluiced.service"))
    assert root.run("stat -c '%U:%G %a' /etc/sluice /etc/sluice/sluice.yaml").stdout == "root:sluice 770\nroot:sluice 640\n"
    assert "nologin" in root.run("getent passwd sluice").stdout


def test_the_unit_is_verified_and_little_exposed(root, installed):
    done = root.run(f"systemd-analyze verify {UNIT}; systemd-analyze security --offline=true --threshold=24 {UNIT}")
    assert not re.search(r"sluiced.service.*(Unknown|not executable|Failed)", done.stderr), done.stderr


def test_manual_pages_can_be_read(root, installed):
    for page in ("sluiced", "sluicectl", "sluice.yaml", "sluice-metrics"):
        done = root.run(f"man --warnings {page}")
        assert "SEE ALSO" in done.stdout and not done.stderr


def test_the_configuration_that_comes_with_it_is_valid(root, installed):
    assert "ok" in root.run("sluiced --check-config --config /etc/sluice/sluice.yaml").stdout


def test_the_program_for_this_cpu_is_chosen(root, installed):
    flags = re.search(r"^flags.*", pathlib.Path("/proc/cpuinfo").read_text(), re.MULTILINE)[0].split()
    has_avx512 = {"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"} <= set(flags)
    cpu = "skylake-avx512" if has_avx512 else "haswell"
    assert root.run("sluiced --version").stdout.endswith(f"compiled for {cpu}\n")


RUN = f"""
ip link add edge0 type veth peer name wire0
ip link set edge0 up && ip link set wire0 up
cat >/etc/sluice/sluice.yaml <<'YAML'
gateway: {{ name: clean, workers: [0], eal: ["--no-huge", "-m", "256", "--no-pci", "--no-telemetry"], flow_table_entries: 4096 }}
ports: [{{ name: edge0, device: "net_af_packet0,iface=edge0", kernel: true, addresses: ["198.18.10.1/24"] }}]
pools: [{{ name: web, backends: [{{ address: "198.18.10.11", port: 8080 }}] }}]
services: [{{ name: web, address: "203.0.113.10", port: 80, protocol: tcp, forward: dnat, pool: web }}]
YAML
install -d -o sluice -g sluice /run/sluice /var/lib/sluice
export RUNTIME_DIRECTORY=/run/sluice
{AS_SLUICE} sluiced --config /etc/sluice/sluice.yaml 2>/run/log &
daemon=$!
for i in $(seq 300); do [ -S /run/sluice/sluice.sock ] && break; kill -0 $daemon || {{ cat /run/log; exit 1; }}; sleep 0.1; done
ps -o user= -p $daemon 2>/dev/null || stat -c %U /proc/$daemon
sluicectl -o json backend list
bash -ic 'source /usr/share/bash-completion/bash_completion; _completion_loader sluicectl
  COMP_LINE="sluicectl backend drain web "; COMP_POINT=${{#COMP_LINE}}; _sluicectl sluicectl; echo "offered ${{COMPREPLY[*]}}"' 2>/dev/null
kill -TERM $daemon && wait $daemon
cat /run/log
"""


def test_the_daemon_runs_as_its_user_and_tab_knows_its_backends(root, installed):
    done = root.run(RUN, has_network=False)
    assert done.stdout.startswith("sluice\n")
    assert '"address": "198.18.10.11"' in done.stdout
    assert "offered 198.18.10.11:8080" in done.stdout
    assert "stopped: received=" in done.stdout and "warning: EAL" not in done.stdout


def test_an_upgrade_keeps_the_configuration_and_asks_nothing_of_init(root, installed):
    """The configuration is the one that the test before has written."""
    file = root.directory / "etc/sluice/sluice.yaml"
    text = file.read_text()
    root.asked_of_init("sluice")
    for name in ("sluice", "sluice-doc"):
        tree = root.directory / "packages/tree"
        subprocess.run(["dpkg-deb", "--raw-extract", deb(name), tree], check=True)
        control = tree / "DEBIAN/control"
        control.write_text(re.sub(r"^Version: .*$", r"\g<0>+next", control.read_text(), flags=re.MULTILINE))
        example = tree / "etc/sluice/sluice.yaml"
        if example.exists():
            example.write_text(example.read_text() + "# another one\n")
        subprocess.run(["dpkg-deb", "--root-owner-group", "--build", tree, root.directory / f"packages/{name}_next.deb"], check=True)
        shutil.rmtree(tree)
    root.run("apt-get -qq -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold install "
             "./packages/sluice_next.deb ./packages/sluice-doc_next.deb")  # fmt: skip
    assert "+next" in root.run("dpkg-query -W sluice").stdout
    assert file.read_text() == text
    assert not root.asked_of_init("sluice")
    assert root.run("stat -c '%U:%G %a' /etc/sluice/sluice.yaml").stdout == "root:sluice 640\n"


def test_removing_it_stops_it_and_keeps_what_is_its_owners(root, installed):
    root.run("apt-get -qq remove sluice sluice-doc")
    assert root.asked_of_init("sluice") == ["sluiced.service stop"]
    assert (root.directory / "etc/sluice/sluice.yaml").exists()
    assert not (root.directory / "usr/sbin/sluiced").exists()


def test_purging_it_keeps_a_ledger(root, installed):
    root.run("mkdir -p /var/lib/sluice/ledger/journal /var/lib/sluice/history && apt-get -qq purge sluice")
    assert sorted(path.name for path in (root.directory / "var/lib/sluice").iterdir()) == ["ledger"]
    root.run("getent passwd sluice && rm -r /var/lib/sluice/ledger")


def test_purging_it_leaves_no_trace(root, installed):
    root.run(f"apt-get -qq install --no-install-recommends ./packages/{deb('sluice').name}; mkdir -p /var/lib/sluice/history /var/log/sluice")
    root.run("apt-get -qq purge --autoremove sluice")
    left = {path for path in root.files() - installed if "sluice" in path}
    assert not left
    assert root.run("getent passwd sluice; getent group sluice", check=False).stdout == ""
