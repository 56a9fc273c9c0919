"""How the two programs are linked and compiled, read from their ELF files by readelf."""

import pytest

from namespaces import run
from processes import SLUICECTL, SLUICED

pytestmark = pytest.mark.skipif(
    b"__asan_init" in SLUICED.read_bytes() if SLUICED.exists() else False,
    reason="a build with sanitizers replaces these checks by its own",
)


def readelf(program, *what):
    return run("readelf", "--wide", *what, program).stdout


@pytest.mark.parametrize("program", [SLUICED, SLUICECTL], ids=lambda path: path.name)
def test_a_program_is_hardened(program):
    assert "DYN (Position-Independent Executable file)" in readelf(program, "--file-header")
    segments = readelf(program, "--segments").splitlines()
    (stack,) = (line.split() for line in segments if "GNU_STACK" in line)
    assert "E" not in stack[-2] and "RWE" not in stack
    assert any("GNU_RELRO" in line for line in segments)
    dynamic = readelf(program, "--dynamic")
    assert "BIND_NOW" in dynamic and "TEXTREL" not in dynamic and "RUNPATH" not in dynamic
    imported = readelf(program, "--dyn-syms")
    assert "__stack_chk_fail" in imported
    assert "_chk@GLIBC" in imported, "nothing was compiled with _FORTIFY_SOURCE"
    # Debian's crt1.o and crti.o carry no CET note, so the linked file has none; its own code is marked up.
    code = run("objdump", "--disassemble", "--no-show-raw-insn", program).stdout
    assert code.count("endbr64") > 500
