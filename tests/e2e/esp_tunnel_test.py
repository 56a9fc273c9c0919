"""Packets between two sites, through an ESP tunnel."""

import pathlib
import re
import secrets
import signal
import subprocess

import pytest

from processes import eventually
from sites import URL, Sites


@pytest.fixture(scope="module")
def sites():
    made = Sites()
    yield made
    made.close()


def decrypted(file: pathlib.Path, spis_and_keys, shown: str) -> str:
    """tshark's reading of a capture, with static keys or without."""
    command = ["tshark", "-r", str(file), "-Y", shown]
    if spis_and_keys:
        command += ["-o", "esp.enable_encryption_decode:TRUE"]
    for spi, key in spis_and_keys:
        association = ["IPv4", "*", "*", f"0x{spi:08x}", "AES-GCM with 16 octet ICV [RFC4106]", f"0x{key}", "NULL", ""]
        association += ["32-bit", ""] if has_number_length() else []
        command += ["-o", "uat:esp_sa:" + ",".join(f'"{field}"' for field in association)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout


def has_number_length() -> bool:
    version = subprocess.run(["tshark", "-v"], capture_output=True, text=True, check=True).stdout
    return tuple(map(int, re.search(r"(\d+)\.(\d+)", version).groups())) >= (4, 2)


def test_tshark_finds_the_inner_packets_with_the_keys_and_nothing_without(sites):
    with sites.capture() as files:
        assert sites.fetch() == 0
    to_right, to_left = sites.keys
    keys = [(4098, to_right), (4097, to_left)]
    assert "GET / HTTP" in decrypted(files["right"], keys, "http")
    assert "200 OK" in decrypted(files["left"], keys, "http")
    for file in files.values():
        assert "10.20.0.10" in decrypted(file, keys, "tcp")
        assert decrypted(file, [], "tcp || http") == ""
        assert decrypted(file, [], "esp")
        assert decrypted(file, [], "ip && !(ip.proto == 50)") == "", "nothing but the tunnel's packets"


def test_wrk_runs_through(sites):
    def answered() -> int:
        done = sites.spaces["client"].run("wrk", "-t1", "-c4", "-d2s", "--timeout", "20s", URL).stdout
        assert "Socket errors" not in done and "Non-2xx" not in done, done
        return int(re.search(r"(\d+) requests in", done).group(1))

    eventually(lambda: answered() > 20, "more than 20 requests are answered in two seconds")
    assert sites.fetch("large") == 0, "full-sized segments, so that both ends have learnt what fits"


def test_traffic_goes_on_whichever_end_is_killed_and_started_again(sites):
    for gateway in (sites.left, sites.right):
        gateway.process.send_signal(signal.SIGKILL)
        gateway.process.wait(10)
        gateway.start()
        eventually(lambda: sites.fetch() == 0, "a page comes through the tunnel again")
    for gateway in (sites.left, sites.right):
        row = gateway.call("tunnel.list")[0]
        assert row["state"] == "up" and row["packets_in"] > 0 and row["packets_out"] > 0
        assert row["dropped"]["replay"] == 0 and row["dropped"]["icv"] == 0


@pytest.mark.alone
def test_new_keys_lose_nothing(sites):
    load = sites.spaces["client"].spawn("wrk", "-t1", "-c4", "-d4s", "--timeout", "20s", URL,
                                        log=sites.work / "wrk.log")  # fmt: skip
    before = [gateway.call("tunnel.list")[0]["dropped"] for gateway in (sites.left, sites.right)]
    for _ in range(20):
        sites.rekey("30s")
    load.wait(60)
    assert "Socket errors" not in (sites.work / "wrk.log").read_text()
    after = [gateway.call("tunnel.list")[0] for gateway in (sites.left, sites.right)]
    assert [row["dropped"] for row in after] == before
    assert (after[0]["out"]["spi"], after[0]["in"]["spi"]) == sites.spis()
    assert "key" not in str(after)


def test_keys_are_not_shown_and_not_kept_in_memory(sites):
    secret = secrets.token_hex(20)
    answer = sites.left.call("tunnel.rekey", tunnel="right", overlap="0s", **{
        "in": {"spi": 20_001, "algorithm": "aes-128-gcm", "key": secrets.token_hex(20)},
        "out": {"spi": 20_000, "algorithm": "aes-128-gcm", "key": secret}})
    assert answer["out"]["spi"] == 20_000
    assert secret not in str(sites.left.call("config.get")) + sites.left.log.read_text()
    sites.left.call("tunnel.rekey", tunnel="right", overlap="0s", **{
        "in": {"spi": 20_003, "algorithm": "aes-128-gcm", "key": secrets.token_hex(20)},
        "out": {"spi": 20_002, "algorithm": "aes-128-gcm", "key": secrets.token_hex(20)}})
    wanted = [secret.encode(), bytes.fromhex(secret)[:16]]
    eventually(lambda: not in_memory(sites.left.process.pid, wanted), "the old key is gone from memory")


def in_memory(pid: int, wanted) -> list:
    """Which of these a process has in its writable memory."""
    found = []
    with open(f"/proc/{pid}/mem", "rb", 0) as memory:
        for line in pathlib.Path(f"/proc/{pid}/maps").read_text().splitlines():
            span, rights = line.split()[:2]
            if not rights.startswith("rw"):
                continue
            start, end = (int(number, 16) for number in span.split("-"))
            while start < end:
                size = min(end - start, 1 << 24)
                try:
                    memory.seek(start)
                    bytes_there = memory.read(size + 64)
                except (OSError, ValueError, OverflowError):
                    break
                found += [one for one in wanted if one in bytes_there]
                start += size
    return found


def test_a_key_is_taken_from_nobody_but_admins(sites):
    refused = sites.left.refusal("tunnel.rekey", tunnel="right", **{
        "in": {"spi": 255, "algorithm": "aes-128-gcm", "key": "00"},
        "out": {"spi": 300, "algorithm": "aes-512", "key": secrets.token_hex(20)}})
    pointers = sorted(fault["path"] if "path" in fault else fault["pointer"] for fault in refused.data["faults"])
    assert pointers == ["/in/key", "/in/spi", "/out/algorithm"]
    assert sites.left.refusal("tunnel.rekey", tunnel="none", **{
        "in": {"spi": 300, "algorithm": "aes-128-gcm", "key": secrets.token_hex(20)},
        "out": {"spi": 301, "algorithm": "aes-128-gcm", "key": secrets.token_hex(20)}}).data["kind"] == "not_found"


def test_sluicectl_shows_tunnels_and_gives_them_keys(sites, tmp_path):
    listed = sites.left.ctl_json("tunnel", "list")
    assert [row["tunnel"] for row in listed] == ["right"]
    keys = tmp_path / "keys.json"
    keys.write_text('{"in": {"spi": 30001, "algorithm": "aes-128-gcm", "key": "%s"},'
                    ' "out": {"spi": 30000, "algorithm": "aes-128-gcm", "key": "%s"}}'
                    % (secrets.token_hex(20), secrets.token_hex(20)))  # fmt: skip
    answer = sites.left.ctl_json("tunnel", "rekey", "right", keys, "--overlap", "1s")
    assert answer["out"]["spi"] == 30000
