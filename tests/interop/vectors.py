#!/usr/bin/python3
"""The AES-GCM of ESP against published vectors: NIST's response files, which Debian has for python3-cryptography, and
Wycheproof's, which are a Go module.

`./dev interop vectors` runs the unit tests that judge them. Files are put into build-interop/; nothing else is touched.
"""

import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "support"))

from interop import KEPT, run_go  # noqa: E402  pylint: disable=wrong-import-position
from processes import BUILD  # noqa: E402  pylint: disable=wrong-import-position

NIST = pathlib.Path("/usr/lib/python3/dist-packages/cryptography_vectors/ciphers/AES/GCM")
WYCHEPROOF = "github.com/c2sp/wycheproof@latest"
TESTS = ("AesGcm.JudgesWycheproofAsPublished", "AesGcm.JudgesNistsResponseFilesAsPublished")


def install() -> pathlib.Path:
    folder = KEPT / "vectors"
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "nist").mkdir(parents=True)
    for file in NIST.glob("*.rsp"):
        shutil.copy(file, folder / "nist")
    module = json.loads(run_go(folder, "mod", "download", "-json", WYCHEPROOF, GO111MODULE="on"))
    (folder / "wycheproof").mkdir()
    shutil.copy(pathlib.Path(module["Dir"]) / "testvectors_v1" / "aes_gcm_test.json", folder / "wycheproof")
    return folder


def main() -> int:
    program = BUILD / "tests" / "unit" / "crypto" / "crypto_test"
    done = subprocess.run([program, f"--gtest_filter={':'.join(TESTS)}"], text=True, capture_output=True, check=False,
                          env={**os.environ, "SLUICE_VECTORS": str(install())})  # fmt: skip
    passed = re.search(r"PASSED\D+(\d+) test", done.stdout)
    are_right = done.returncode == 0 and "SKIPPED" not in done.stdout and passed and int(passed[1]) == len(TESTS)
    if not are_right:
        print(done.stdout + done.stderr, file=sys.stderr)
    print(f"vectors: NIST's and Wycheproof's of AES-GCM are judged as published: {'yes' if are_right else 'NO'}")
    return 0 if are_right else 1


if __name__ == "__main__":
    sys.exit(main())
