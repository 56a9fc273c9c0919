"""Which of the two programs that packages have is run: the one beside sluiced that is compiled for AVX-512, where the
kernel says that the CPU has it."""

import pathlib
import shutil

import pytest

from namespaces import run
from processes import SLUICED

NEEDED = {"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"}
FLAGS = next(line for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("flags"))
HAS_AVX512 = set(FLAGS.split()) >= NEEDED
VERSION = ("--version",)


@pytest.fixture
def installed(tmp_path):
    """sluiced where a package has it, and where the other one would be: here a script that says what it was told."""
    own, other = tmp_path / "sbin" / "sluiced", tmp_path / "libexec" / "sluice" / "avx512" / "sluiced"
    for program in (own, other):
        program.parent.mkdir(parents=True)
    shutil.copy(SLUICED, own)
    other.write_text('#!/bin/sh\necho "$0 was told $@"\n')
    other.chmod(0o755)
    return own, other


@pytest.mark.skipif("compiled for haswell" not in run(SLUICED, *VERSION).stdout, reason="this build is for another CPU")
def test_the_cpu_decides_which_program_goes_on(installed):
    own, other = installed
    said = run(own, "--config", "a file", "--check-config", check=False).stdout
    assert ("was told --config a file --check-config" in said) == HAS_AVX512


def test_without_the_other_one_it_goes_on_itself(installed):
    own, other = installed
    expected = run(SLUICED, *VERSION).stdout
    assert expected.startswith("sluiced ") and ", compiled for " in expected
    other.chmod(0o644)
    assert run(own, *VERSION).stdout == expected
    other.unlink()
    assert run(own, *VERSION).stdout == expected
