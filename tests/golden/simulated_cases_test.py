"""Every golden case by `sluicectl simulate`: the same expectations, and the same bytes in every run."""

import pathlib
import shutil

import pytest

import golden
from cases_test import CASES


def outputs(directory: pathlib.Path):
    return {path.name: path.read_bytes() for pattern in ("*.tx.pcap", "report.json") for path in directory.glob(pattern)}


@pytest.mark.parametrize("directory", CASES, ids=lambda path: path.name)
def test_simulated_case(directory, tmp_path):
    case = golden.load(directory)
    outcome = golden.simulate_case(case, tmp_path)
    found = golden.differences(case, outcome)
    assert not found, "\n".join(found + [f"files: {tmp_path}", "errors:", outcome.log[-3000:]])


def test_a_second_run_writes_the_same_bytes(tmp_path):
    case = golden.load(next(directory for directory in CASES if directory.name == "full_nat_icmp"))
    runs = []
    for _ in range(2):
        shutil.rmtree(tmp_path, ignore_errors=True)
        tmp_path.mkdir()
        assert golden.simulate_case(case, tmp_path).status == 0
        runs.append(outputs(tmp_path))
    assert len(runs[0]) == len(case.ports) + 1
    assert runs[0] == runs[1]
