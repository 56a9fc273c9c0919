"""`./dev run --once`: what somebody sees who tries it for the first time."""

import sys

from namespaces import run
from processes import ROOT


def test_one_round_is_right_and_says_so():
    done = run(sys.executable, ROOT / "tests" / "e2e" / "lab.py", "--once", timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    for line in ("receipt: index 0", "the same receipt", "8 stored", "under a signed checkpoint",
                 "transactions 9 valid true", "everything was answered rightly"):  # fmt: skip
        assert line in done.stdout, done.stdout
