"""Simulated worlds by fixed seeds: what must always hold does, and a seed decides all of its world. Fresh seeds are for
`./dev simulate --fresh`."""

import os
import re
import subprocess

import pytest

from processes import BUILD

PROGRAM = BUILD / "sim" / "simulate-seeds"
JOBS = len(os.sched_getaffinity(0))


def live(directory, *arguments):
    command = [str(word) for word in (PROGRAM, "--captures", directory, *arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=900)


def test_fixed_seeds_hold(tmp_path):
    ran = live(tmp_path, "--first", 1, "--seeds", 40, "--jobs", JOBS)
    assert ran.returncode == 0, ran.stdout[-6000:]
    assert "failed: 0" in ran.stdout


@pytest.mark.parametrize("seed", [172887860200018, 98072931500045, 220557931700131])
def test_seeds_that_once_failed_hold(tmp_path, seed):
    ran = live(tmp_path, "--seed", seed)
    assert ran.returncode == 0, ran.stdout[-6000:]


@pytest.mark.parametrize("seed", [3, 11])
def test_a_seed_is_the_same_world_each_time(tmp_path, seed):
    hashes = {re.search(r"hash ([0-9a-f]{16})", live(tmp_path, "--seed", seed).stdout)[1] for _ in range(2)}
    assert len(hashes) == 1
