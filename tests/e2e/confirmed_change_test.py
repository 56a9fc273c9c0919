"""Changes that are taken back unless they are confirmed, and a history that restarts do not end."""

import json
import os
import stat

import pytest

from gateway import Gateway
from processes import eventually
from wireless import wireless_configuration

SOON = "1s"
NEVER = "1h"


def weighed(config: dict, weight: int) -> dict:
    changed = json.loads(json.dumps(config))
    changed["pools"][0]["backends"][0]["weight"] = weight
    return changed


def made(directory) -> Gateway:
    config = {
        **wireless_configuration("edge"),
        "pools": [{"name": "web", "backends": [{"address": "198.18.10.7", "port": 80, "weight": 1}]}],
    }
    return Gateway(directory, config)


@pytest.fixture(name="gateway")
def gateway_fixture(tmp_path):
    with made(tmp_path / "gateway") as gateway:
        yield gateway


def weight_of(gateway) -> int:
    return gateway.call("config.get")["config"]["pools"][0]["backends"][0]["weight"]


def history(gateway) -> list:
    """Newest first, as `(generation, author, confirmation)`."""
    rows = gateway.call("config.history")
    assert all(row["pending"] == (row["confirmation"] == "pending") for row in rows)
    return [(row["generation"], row["author"], row["confirmation"]) for row in rows]


def restart(gateway, kill: bool = False) -> None:
    if kill:
        gateway.process.kill()
        gateway.process.wait(30)
    else:
        assert gateway.stop() == 0
    text = gateway.file.read_text()
    gateway.start()  # writes the file from gateway.config
    assert gateway.file.read_text() == text, "the test meant to leave the file alone"


def test_what_nobody_confirms_is_taken_back(gateway):
    answer = gateway.call("config.apply", config=weighed(gateway.config, 2), confirm=SOON)
    assert answer["generation"] == 2 and answer["confirm_by"] > 0
    eventually(lambda: gateway.call("system.info")["generation"] == 3, "it is taken back", 60)
    assert weight_of(gateway) == 1
    assert [row[::2] for row in history(gateway)] == [(3, "none"), (2, "taken_back"), (1, "none")]
    gateway.await_line("generation 2 was not confirmed in time")
    assert gateway.refusal("config.confirm", generation=2).data["kind"] == "not_found"


def test_what_is_confirmed_holds(gateway):
    path = gateway.directory / "next.yaml"
    path.write_text(json.dumps(weighed(gateway.config, 2)))
    assert gateway.ctl("config", "confirm").returncode == 1
    gateway.ctl_json("config", "apply", path, "--confirm", NEVER)
    assert history(gateway)[0] == (2, gateway.call("config.history")[0]["author"], "pending")
    assert gateway.ctl("config", "save").returncode == 6, "what may be taken back is not saved"
    assert gateway.ctl_json("config", "confirm") == {"generation": 2}
    assert weight_of(gateway) == 2
    assert history(gateway)[0][2] == "confirmed"
    for wrong in ("soon", "-1s", "10"):
        assert gateway.ctl("config", "apply", path, "--confirm", wrong).returncode == 2
    assert gateway.refusal("config.apply", config=gateway.config, confirm="10ms").data["faults"]
    assert gateway.ctl("config", "apply", path, "--confirm", "20s", "--save").returncode == 2


@pytest.mark.parametrize("kill", [False, True], ids=["stopped", "killed"])
def test_a_restart_does_not_make_an_unconfirmed_change_hold(gateway, kill):
    """Its file says what was before, so that it is gone at once."""
    gateway.call("config.apply", config=weighed(gateway.config, 2), confirm=NEVER)
    restart(gateway, kill)
    assert weight_of(gateway) == 1
    assert [row[::2] for row in history(gateway)] == [(3, "none"), (2, "taken_back"), (1, "none")]


def test_a_restart_from_the_very_file_still_takes_it_back_in_time(tmp_path):
    """Whoever applies the gateway's own file has it read again by the restart: it still waits."""
    with made(tmp_path / "stopped") as stopped, made(tmp_path / "killed") as killed:
        for gateway in (stopped, killed):
            gateway.write(weighed(gateway.config, 2))
            gateway.call("config.apply", config=gateway.config, confirm="20s")
            restart(gateway, kill=gateway is killed)
            assert [row[::2] for row in history(gateway)] == [(2, "pending"), (1, "none")]
            assert weight_of(gateway) == 2
        for gateway in (stopped, killed):
            eventually(lambda: gateway.call("system.info")["generation"] == 3, "it is taken back", 90)
            assert weight_of(gateway) == 1
            assert history(gateway)[1][::2] == (2, "taken_back")


def test_the_history_survives_restarts_and_numbers_go_on(gateway):
    for weight in range(2, 30):
        gateway.call("config.apply", config=weighed(gateway.config, weight))
    before = gateway.call("config.history")
    assert [row["generation"] for row in before] == list(range(29, 9, -1))
    restart(gateway)
    rows = gateway.call("config.history")
    assert rows[0]["generation"] == 30 and rows[0]["author"] == "file"
    assert rows[1:] == before[:-1]
    restart(gateway)
    assert gateway.call("config.history") == rows, "the same file makes no generation"
    gateway.reload()
    gateway.await_line("applied: generation 30")
    assert gateway.call("config.history") == rows, "nor does SIGHUP"
    answer = gateway.call("config.rollback", generation=20)
    assert answer["generation"] == 31 and weight_of(gateway) == 20
    assert gateway.call("config.history")[0]["sha256"] == next(r for r in rows if r["generation"] == 20)["sha256"]
    assert len(list((gateway.state / "history").glob("*.json"))) <= 21


def test_torn_files_cost_their_generation_alone(gateway):
    for weight in (2, 3, 4):
        gateway.call("config.apply", config=weighed(gateway.config, weight))
    directory = gateway.state / "history"
    eventually(lambda: len(list(directory.glob("*.json"))) == 4, "they are on disk")
    assert gateway.stop() == 0
    newest = sorted(directory.glob("*.json"))[-1]
    newest.write_bytes(newest.read_bytes()[:100])
    (directory / "notes.txt").write_text("not ours")
    gateway.start()
    assert [row["generation"] for row in gateway.call("config.history")] == [5, 3, 2, 1]
    gateway.await_line("a generation of the history is lost")
    assert stat.S_IMODE(os.stat(directory).st_mode) == 0o700


def test_a_state_directory_that_cannot_be_written_costs_the_history_alone(gateway):
    assert gateway.stop() == 0
    gateway.state = gateway.directory / "file"
    gateway.state.write_text("no directory")
    gateway.start()
    assert gateway.call("system.info")["generation"] == 1
    gateway.await_line("the history of the configuration is of this run alone")
    assert gateway.call("config.apply", config=weighed(gateway.config, 2))["generation"] == 2


def test_what_is_applied_is_saved_to_the_gateways_file(gateway):
    path = gateway.directory / "next.yaml"
    path.write_text(json.dumps(weighed(gateway.config, 7)))
    gateway.file.chmod(0o640)
    gateway.ctl_json("config", "apply", path, "--save")
    assert "weight: 7" in gateway.file.read_text()
    assert stat.S_IMODE(os.stat(gateway.file).st_mode) == 0o640
    assert gateway.ctl("config", "diff", gateway.file).returncode == 0, "it says what is applied"
    before = gateway.call("config.history")
    assert gateway.stop() == 0
    text = gateway.file.read_text()
    gateway.config = None
    gateway.write = lambda: gateway.file  # the saved one counts
    gateway.start()
    assert gateway.file.read_text() == text
    assert weight_of(gateway) == 7
    assert gateway.call("config.history") == before, "and makes no generation"
