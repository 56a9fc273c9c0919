"""Exit statuses and messages of both programs."""

import json
import re
import socket

import pytest
import yaml

from gateway import Gateway
from namespaces import run
from processes import ROOT, SLUICECTL, SLUICED, eventually, spawn
from wireless import wireless_configuration

EXAMPLES = sorted((ROOT / "packaging" / "examples").glob("*.yaml"))

FAULTY = """\
gateway:
  name: edge-1
  workers: [0]
  colour: blue
ports:
  - { name: edge0, device: "net_null0", addresses: ["198.18.10.1/24"] }
  - { name: edge0, device: "net_null1", addresses: ["198.18.11.1/24"] }
pools:
  - name: web
    backends:
      - { address: "198.18.20.11", weight: 65536 }
services:
  - { name: a, address: "203.0.113.10", port: 80, protocol: tcp, forward: direct, pool: nobody }
"""
# Line and column (1-based) of each fault, and its JSON Pointer.
FAULTS = {
    (4, 3): "/gateway/colour",
    (7, 7): "/ports/1/name",
    (11, 36): "/pools/0/backends/0/weight",
    (13, 83): "/services/0/pool",
}


def check_config(path):
    return run(SLUICED, "--check-config", "--config", path, check=False)


@pytest.fixture
def good(tmp_path):
    path = tmp_path / "good.yaml"
    path.write_text(yaml.safe_dump(wireless_configuration("good")))
    return path


@pytest.fixture
def faulty(tmp_path):
    path = tmp_path / "faulty.yaml"
    path.write_text(FAULTY)
    return path


def test_a_good_file_passes(good):
    assert check_config(good).returncode == 0
    assert run(SLUICECTL, "config", "validate", good, check=False).returncode == 0


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.name)
def test_every_example_passes(example):
    done = check_config(example)
    assert done.returncode == 0, done.stderr


def test_the_readme_shows_the_minimal_example():
    example = (ROOT / "packaging" / "examples" / "minimal.yaml").read_text()
    assert example.split("\n", 1)[1] in (ROOT / "README.md").read_text()


@pytest.mark.parametrize("program", ["sluiced", "sluicectl"])
def test_every_fault_of_a_file_is_named_with_its_place(faulty, program):
    done = (
        check_config(faulty)
        if program == "sluiced"
        else run(SLUICECTL, "config", "validate", faulty, check=False)
    )
    assert done.returncode == 3
    said = done.stderr + done.stdout
    for (line, _), pointer in FAULTS.items():
        assert re.search(rf"{re.escape(str(faulty))}:{line}:\d+: .*{re.escape(pointer)}", said), said
    columns = {int(l): int(c) for l, c in re.findall(rf"{re.escape(str(faulty))}:(\d+):(\d+):", said)}
    assert columns == {line: column for line, column in FAULTS}


@pytest.mark.parametrize(
    "text",
    ["", "# only a comment\n", "[]\n", "gateway: {workers: [0]\n", "a: 1\na: 2\n", "--- {}\n--- {}\n"],
    ids=["empty", "comment", "list", "unclosed", "duplicate", "two documents"],
)
def test_what_is_no_configuration_is_refused(tmp_path, text):
    path = tmp_path / "bad.yaml"
    path.write_text(text)
    done = check_config(path)
    assert done.returncode == 3
    assert f"{path}:" in done.stderr + done.stdout


def test_a_missing_file_is_one_clear_line(tmp_path):
    done = check_config(tmp_path / "none.yaml")
    assert done.returncode == 3
    assert len(done.stderr.splitlines()) == 1 and "none.yaml" in done.stderr


@pytest.mark.parametrize(
    "change, named",
    [
        (
            {"ports": [{"name": "p", "device": "0000:ff:1f.7", "addresses": ["198.18.1.1/24"]}]},
            "0000:ff:1f.7",
        ),
        (
            {
                "ports": [
                    {"name": "p", "device": "net_af_packet0,iface=none0", "addresses": ["198.18.1.1/24"]}
                ]
            },
            "none0",
        ),
        ({"gateway": {"workers": [4095]}}, "4095"),
        (
            {"ports": [{"name": "p", "device": "eth9", "addresses": ["198.18.1.1/24"]}]},
            "net_af_packet0,iface=",
        ),
        (
            {"gateway": {"workers": [0] * 64, "flow_table_entries": 268435456}},
            "/gateway/flow_table_entries",
        ),
    ],
    ids=["PCI device", "interface", "CPU", "driver", "memory"],
)
def test_what_the_machine_lacks_is_one_clear_line(tmp_path, change, named):
    config = wireless_configuration("lacking")
    for section, value in change.items():
        config[section] = {**config[section], **value} if isinstance(value, dict) else value
    config["control"] = {"socket": str(tmp_path / "control.sock")}
    path = tmp_path / "lacking.yaml"
    path.write_text(yaml.safe_dump(config))
    done = run(
        SLUICED, "--config", path, check=False, env={"RUNTIME_DIRECTORY": str(tmp_path), "PATH": "/usr/bin"}
    )
    assert done.returncode != 0
    assert named in done.stderr and len(done.stderr.splitlines()) <= 2, done.stderr


def test_version_and_help():
    for program in (SLUICED, SLUICECTL):
        assert re.search(r"\d+\.\d+", run(program, "--version").stdout)
        assert "Usage" in run(program, "--help").stdout


def test_usage_errors_exit_2():
    assert run(SLUICECTL, "nonsense", check=False).returncode == 2
    assert run(SLUICECTL, "service", "table", check=False).returncode == 2
    assert run(SLUICECTL, "--no-such-option", "stats", check=False).returncode == 2


@pytest.mark.parametrize(
    "command",
    [
        [SLUICECTL, "nonsense"],
        [SLUICECTL, "service", "nonsense"],
        [SLUICED, "nonsense"],
    ],
    ids=["command", "verb", "sluiced"],
)
def test_the_word_that_is_wrong_is_what_is_named(command):
    done = run(*command, check=False)
    assert done.returncode == 2
    assert "nonsense" in done.stderr and "required" not in done.stderr


def test_explain_takes_two_to_five_words():
    assert "2x" not in run(SLUICECTL, "explain", "--help").stdout
    done = run(SLUICECTL, "explain", *"192.0.2.1 1 192.0.2.2 2 tcp more".split(), check=False)
    assert done.returncode == 2 and "SOURCE:PORT" in done.stderr


def test_sigterm_stops_a_gateway_that_is_still_starting(tmp_path):
    """strace holds the first system call of EAL's start for a while."""
    gateway = Gateway(tmp_path, wireless_configuration("starting"))
    gateway.write()
    held = "inject=memfd_create:delay_enter=10000000:when=1"
    strace = ["strace", "-D", "-f", "-o", tmp_path / "calls", "-e", "trace=memfd_create", "-e", held]
    process = spawn(*strace, SLUICED, "--config", gateway.file, "--state", gateway.state, log=gateway.log)
    eventually(gateway.socket.exists, "it has begun")
    process.terminate()
    assert process.wait(60) == 0
    assert "while it was starting" in gateway.log.read_text()


def test_no_gateway_exits_4(tmp_path):
    done = run(SLUICECTL, "--socket", tmp_path / "none.sock", "stats", check=False)
    assert done.returncode == 4 and "none.sock" in done.stderr and not done.stdout


def test_a_silent_gateway_exits_7(tmp_path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(tmp_path / "silent.sock"))
        listener.listen()
        done = run(SLUICECTL, "--socket", tmp_path / "silent.sock", "--timeout", "1", "stats", check=False)
    assert done.returncode == 7


def test_statuses_against_a_running_gateway(wireless, faulty):
    gateway = wireless()
    assert gateway.ctl("stats").returncode == 0
    assert gateway.ctl("service", "table", "nobody").returncode == 1
    assert gateway.ctl("config", "apply", faulty).returncode == 3
    assert gateway.ctl("config", "diff", gateway.file).returncode == 0
    changed = {**gateway.config, "pools": [{"name": "p", "backends": [{"address": "198.18.10.9"}]}]}
    gateway.write(changed)
    assert gateway.ctl("config", "diff", gateway.file).returncode == 8
    generation = gateway.call("config.get")["generation"]
    assert gateway.ctl("config", "apply", gateway.file, "--if-generation", generation + 9).returncode == 6
    assert gateway.ctl("config", "apply", gateway.file, "--if-generation", generation).returncode == 0
    assert gateway.ctl("config", "diff", gateway.file).returncode == 0


@pytest.mark.parametrize(
    "command",
    [
        "config show",
        "config history",
        "service list",
        "backend list",
        "flow list",
        "stats",
        "drops",
        "neighbor list",
    ],
)
@pytest.mark.parametrize("output", ["table", "json", "yaml"])
def test_every_output_format(running, command, output):
    done = running.ctl(*command.split(), output=output)
    assert done.returncode == 0 and not done.stderr, done.stderr
    if output != "table":
        parsed = json.loads(done.stdout) if output == "json" else yaml.safe_load(done.stdout)
        assert parsed is not None


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    directory = tmp_path_factory.mktemp("formats")
    with Gateway(directory, wireless_configuration("formats")) as gateway:
        yield gateway


def test_top_prints_plain_lines_where_stdout_is_no_terminal(running):
    done = running.ctl("top", "--interval", "0.1", "--count", "2", output="table")
    assert done.returncode == 0 and done.stdout and "\x1b" not in done.stdout


def test_a_second_gateway_on_the_same_socket_is_refused(running):
    done = run(
        SLUICED, "--config", running.file, check=False, env={"RUNTIME_DIRECTORY": "/tmp", "PATH": "/usr/bin"}
    )
    assert done.returncode != 0 and str(running.socket) in done.stderr
    assert running.call("system.info")


def test_a_failure_is_an_object_where_results_are(wireless, faulty):
    gateway = wireless()
    for output, read in (("json", json.loads), ("yaml", yaml.safe_load)):
        done = gateway.ctl("service", "table", "nobody", output=output)
        error = read(done.stderr)["error"]
        assert (done.returncode, error["code"]) == (1, 1) and "nobody" in error["message"] and not done.stdout
        error = read(gateway.ctl("config", "apply", faulty, output=output).stderr)["error"]
        assert error["code"] == 3
        assert {fault["pointer"] for fault in error["faults"]} == set(FAULTS.values())
        assert len(error["places"]) == len(FAULTS) and all(f"{faulty}:" in place for place in error["places"])
        assert read(run(SLUICECTL, "--socket", "/none", "-o", output, "stats", check=False).stderr)["error"]["code"] == 4


def test_words_that_are_not_understood_are_named_in_their_order():
    done = run(SLUICECTL, "record", "--at", "rx", check=False)
    assert done.returncode == 2 and "record --at rx" in done.stderr


def test_what_config_show_prints_is_a_configuration(running, tmp_path):
    for output in ("table", "yaml"):
        shown = tmp_path / f"{output}.yaml"
        shown.write_text(running.ctl("config", "show", output=output).stdout)
        assert run(SLUICECTL, "config", "validate", shown, check=False).returncode == 0
        assert running.ctl("config", "diff", shown).returncode == 0


def test_what_is_hardly_meant_is_a_warning_and_no_fault(tmp_path):
    config = wireless_configuration("warned")
    config["pools"] = [{"name": "spare", "backends": [{"address": "192.0.2.7"}]}]
    gateway = Gateway(tmp_path, config)
    done = check_config(gateway.write())
    assert done.returncode == 0
    warnings = [line for line in done.stderr.splitlines() if line.startswith("warning: ")]
    assert any(f"{gateway.file}:" in line and "no service uses" in line and "(/pools/0)" in line for line in warnings)
    assert any("no route and no network of a port leads to 192.0.2.7" in line for line in warnings)
    with gateway:
        gateway.await_line("no service uses pool")
