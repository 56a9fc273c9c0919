#!/usr/bin/python3
"""Debian's libvectorscan beside its libhyperscan, which have one name and one interface: both find the same matches in
streams, however these are cut, and Sluice's own tests of inspection pass with either. Blocks are compared besides: 5.4.9
of Vectorscan misses a match in one of some thousand, which it finds in a stream of the same bytes.

`./dev interop vectorscan` runs it. The package, which cannot be installed beside the other, is unpacked into
build-interop/.
"""

import ctypes
import json
import os
import random
import subprocess
import sys

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "support"))

from interop import KEPT, outcome  # noqa: E402  pylint: disable=wrong-import-position
from processes import BUILD  # noqa: E402  pylint: disable=wrong-import-position

PACKAGE = "libvectorscan5"
ROUNDS, TEXTS, CUTS = 300, 20, 3
# hs_compile.h and hs_common.h
CASELESS, DOTALL, MULTILINE, SINGLEMATCH = 1, 2, 4, 8
BLOCK, STREAM = 1, 2
ON_MATCH = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.c_uint, ctypes.c_ulonglong, ctypes.c_ulonglong, ctypes.c_uint, ctypes.c_void_p
)
OWN_TESTS = {"unit/dataplane/dataplane_test": "Inspection.*", "packet/packet_test": "*Inspect*"}


def install() -> Path:
    """The folder with Vectorscan's libhs.so.5."""
    unpacked = KEPT / "vectorscan"
    if not unpacked.exists():
        KEPT.mkdir(exist_ok=True)
        subprocess.run(["apt-get", "-qq", "download", PACKAGE], cwd=KEPT, check=True)
        subprocess.run(["dpkg", "-x", *KEPT.glob(f"{PACKAGE}_*.deb"), unpacked], check=True)
    return next(unpacked.rglob("libhs.so.5")).parent


class Library:
    """One of the two, in this process."""

    def __init__(self, path: str):
        self.hs = ctypes.CDLL(path)
        self.hs.hs_version.restype = ctypes.c_char_p

    def version(self) -> str:
        return self.hs.hs_version().decode()

    def compile(self, patterns, mode):
        """A database and a scratch for it; None where a pattern is refused."""
        count = len(patterns)
        texts = (ctypes.c_char_p * count)(*(text for text, _ in patterns))
        flags = (ctypes.c_uint * count)(*(flag for _, flag in patterns))
        numbers = (ctypes.c_uint * count)(*range(count))
        database, scratch, error = ctypes.c_void_p(), ctypes.c_void_p(), ctypes.c_void_p()
        if self.hs.hs_compile_multi(texts, flags, numbers, count, mode, None, ctypes.byref(database), ctypes.byref(error)):
            self.hs.hs_free_compile_error(error)
            return None
        assert self.hs.hs_alloc_scratch(database, ctypes.byref(scratch)) == 0
        return database, scratch

    def free(self, compiled):
        self.hs.hs_free_scratch(compiled[1])
        self.hs.hs_free_database(compiled[0])

    def scan(self, compiled, pieces, is_stream):
        """Where each pattern ends that is found, the first time."""
        database, scratch = compiled
        found = {}

        def note(number, _start, end, _flags, _context):
            found[number] = min(end, found.get(number, end))
            return 0

        note = ON_MATCH(note)
        if not is_stream:
            text = b"".join(pieces)
            assert self.hs.hs_scan(database, text, len(text), 0, scratch, note, None) == 0
            return sorted(found.items())
        stream = ctypes.c_void_p()
        assert self.hs.hs_open_stream(database, 0, ctypes.byref(stream)) == 0
        for piece in pieces:
            assert self.hs.hs_scan_stream(stream, piece, len(piece), 0, scratch, note, None) == 0
        assert self.hs.hs_close_stream(stream, scratch, note, None) == 0
        return sorted(found.items())


def any_pattern(rng):
    """What rules are made of, over few letters, so that it is found often."""
    atoms = ["a", "b", "c", "ab", "[ab]", "[^c]", ".", "(a|bc)", "(ca)+", "b{2,4}", "a.*c", "\\x00", "c+?"]
    text = "".join(rng.choice(atoms) for _ in range(rng.randint(2, 6)))
    text = rng.choice(["^", "", "", ""]) + text + rng.choice(["$", "", "", ""])
    return text.encode(), SINGLEMATCH | rng.choice([0, CASELESS, DOTALL, MULTILINE])


def pieces_of(text, rng):
    at, pieces = 0, []
    while at < len(text):
        size = rng.randint(1, 16)
        pieces.append(text[at : at + size])
        at += size
    return pieces


def verdicts(path):
    """Prints the library's version, then for each text what its patterns are found to be in a block, and in streams."""
    library, rng = Library(path), random.Random(20261129)
    print(json.dumps(library.version()))
    for _ in range(ROUNDS):
        patterns = [any_pattern(rng) for _ in range(rng.randint(1, 30))]
        texts = [bytes(rng.choice(b"aabbccA\n\0") for _ in range(rng.randint(1, 200))) for _ in range(TEXTS)]
        cuts = [[pieces_of(text, rng) for _ in range(CUTS)] for text in texts]
        block, stream = library.compile(patterns, BLOCK), library.compile(patterns, STREAM)
        assert block is not None and stream is not None
        for text, ways in zip(texts, cuts):
            print(json.dumps([library.scan(block, [text], False), [library.scan(stream, pieces, True) for pieces in ways]]))
        library.free(block)
        library.free(stream)


def told(path):
    """The version, what is in blocks, and what is in streams."""
    words = [sys.executable, __file__, "--library", str(path)]
    lines = subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()
    version, *texts = map(json.loads, lines)
    return version, [block for block, _ in texts], [streams for _, streams in texts]


def passes_with(folder, program, tests) -> bool:
    surroundings = {**os.environ, "LD_LIBRARY_PATH": str(folder)}
    binary = BUILD / "tests" / program
    linked = subprocess.run(["ldd", binary], env=surroundings, check=True, stdout=subprocess.PIPE, text=True).stdout
    assert f"{folder}/libhs" in linked, linked
    done = subprocess.run(
        [binary, f"--gtest_filter={tests}", "--gtest_brief=1"], env=surroundings, check=False, stdout=subprocess.PIPE, text=True
    )
    print(f"{program} {tests}: {done.stdout.strip().splitlines()[-1]}")
    return done.returncode == 0


def main() -> int:
    folder = install()
    (name, blocks, streams), (other_name, other_blocks, other_streams) = told("libhs.so.5"), told(folder / "libhs.so.5")
    assert name != other_name and len(streams) == len(other_streams) == ROUNDS * TEXTS
    found = sum(len(block) for block in blocks)
    assert found > len(blocks), "patterns are found"
    print(f"libhyperscan {name}, libvectorscan {other_name}: {ROUNDS} sets of patterns, {len(blocks)} texts, {found} matches")
    differing = sum(one != other for one, other in zip(streams, other_streams))
    print(f"as streams, each cut in {CUTS} ways: {outcome(differing)}")
    uneven = sum(ways != [block] * CUTS for block, ways in zip(blocks, streams))
    print(f"libhyperscan's blocks and streams: {outcome(uneven)}")
    print(f"as blocks: {outcome(sum(one != other for one, other in zip(blocks, other_blocks)))}")
    own = [passes_with(folder, program, tests) for program, tests in OWN_TESTS.items()]
    return 0 if differing == 0 and uneven == 0 and all(own) else 1


if __name__ == "__main__":
    if sys.argv[1:2] == ["--library"]:
        verdicts(sys.argv[2])
    else:
        sys.exit(main())
