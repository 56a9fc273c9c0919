"""Runs every case of this folder: sub-folders with a sluice.yaml and a gen.py."""

import pathlib
import socket

import pytest

import golden

CASES = sorted(path.parent for path in pathlib.Path(__file__).parent.glob("*/gen.py"))


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.mark.parametrize("directory", CASES, ids=lambda path: path.name)
def test_case(directory, tmp_path):
    case = golden.load(directory)
    assert any(case.sent.values())
    outcome = golden.run_case(case, tmp_path, _free_port())
    found = golden.differences(case, outcome)
    assert not found, "\n".join(found + [f"files: {tmp_path}", "log:", outcome.log[-3000:]])
