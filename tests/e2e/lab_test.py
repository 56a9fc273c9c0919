"""`./dev run --once`: what somebody sees who tries it for the first time."""

import sys

from namespaces import run
from processes import ROOT
from registries import missing


def test_one_round_is_right_and_says_so():
    done = run(sys.executable, ROOT / "tests" / "e2e" / "lab.py", "--once", timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    lines = ["receipt: index 0", "the same receipt", "8 stored", "under a signed checkpoint",
             "transactions 9 valid true", "everything was answered rightly"]  # fmt: skip
    if not missing("etcd", "etcdctl"):
        lines += ["etcdctl put services/web/1", "requests to 203.0.113.60 go to b1:8", "go to b2:8"]
    if not missing("knotd", "knsupdate", "kdig"):
        lines += ["knsupdate: add web.x.test.", "requests to 203.0.113.61 go to b1:8"]
    for line in lines:
        assert line in done.stdout, done.stdout
