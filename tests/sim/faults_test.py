"""The check of the checker, in short: planted faults that are found at once, each by the seed that is known to find it.
All of them, over up to a thousand seeds each: `./dev simulate --faults`."""

import importlib.util
import pathlib
import platform

import pytest

SOURCE = pathlib.Path(__file__).resolve().parents[2] / "sim" / "faults" / "find_faults.py"
specification = importlib.util.spec_from_file_location("find_faults", SOURCE)
find_faults = importlib.util.module_from_spec(specification)
specification.loader.exec_module(find_faults)


@pytest.mark.skipif(platform.machine() != "x86_64", reason="the faults are x86-64 code")
@pytest.mark.parametrize("fault", [fault for fault in find_faults.FAULTS if fault.is_quick], ids=lambda fault: fault.name)
def test_a_planted_fault_is_found(fault, tmp_path):
    program = tmp_path / "simulate-seeds"
    find_faults.plant(fault, program)
    assert find_faults.live(program, fault.seed, 1, 1), f"seed {fault.seed} holds"
