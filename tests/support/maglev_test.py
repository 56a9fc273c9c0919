"""The twin itself is held against vectors that it does not share code with."""

import subprocess

import pytest

import maglev

KEY = bytes(range(16))

# From the reference implementation's vectors.h: the hash of 00 01 02 ... of each length, as bytes.
REFERENCE = """
310e0edd47db6f72 fd67dc93c539f874 5a4fa9d909806c0d 2d7efbd796666785
b7877127e09427cf 8da699cd64557618 cee3fe586e46c9cb 37d1018bf50002ab
6224939a79f5f593 b0e4a90bdf82009e f3b9dd94c5bb5d7a a7ad6b22462fb3f4
fbe50e86bc8f1e75 903d84c02756ea14 eef27a8e90ca23f7 e545be4961ca29a1
""".split()


@pytest.mark.parametrize("length", range(len(REFERENCE)))
def test_siphash_meets_the_reference_vectors(length):
    assert maglev.siphash24(KEY, bytes(range(length))).to_bytes(8, "little").hex() == REFERENCE[length]


@pytest.mark.parametrize("length", [19, 20, 37, 255, 256, 1000])
def test_siphash_meets_openssl(length):
    data = bytes((7 * i) & 0xFF for i in range(length))
    command = ["openssl", "mac", "-macopt", f"hexkey:{KEY.hex()}", "-macopt", "size:8", "SIPHASH"]
    answer = subprocess.run(command, input=data, capture_output=True, check=True).stdout.decode().strip()
    assert maglev.siphash24(KEY, data).to_bytes(8, "little").hex() == answer.lower()


def backends(count, **changes):
    return [maglev.Backend(f"198.18.1.{i + 1}", 8080, changes.get(f"w{i}", 1)) for i in range(count)]


def test_order_in_the_file_does_not_matter():
    listed = backends(7)
    assert maglev.build_table(KEY, listed, maglev.TCP) == maglev.build_table(KEY, listed[::-1], maglev.TCP)


def test_weights_share_the_slots():
    counts = maglev.slot_counts(maglev.build_table(KEY, backends(3, w1=3, w2=0), maglev.TCP))
    assert sum(counts.values()) == 65537
    assert counts["198.18.1.2:8080"] == pytest.approx(3 * counts["198.18.1.1:8080"], abs=3)
    assert "198.18.1.3:8080" not in counts


def test_one_of_a_hundred_moves_few_others():
    listed = backends(100)
    before = maglev.build_table(KEY, listed, maglev.TCP)
    after = maglev.build_table(KEY, [b._replace(weight=0) if b == listed[50] else b for b in listed], 6)
    moved = sum(1 for old, new in zip(before, after) if old != new and old != listed[50])
    assert moved <= 0.007 * len(before)
