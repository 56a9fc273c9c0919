"""The reader of the log against vectors that others made."""

import pytest

import tlog

# The tree of the Certificate Transparency reference implementations, and its roots by size.
LEAVES = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
ROOTS = {
    0: "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    1: "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    2: "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    3: "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    5: "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    8: "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
}
HASHES = [tlog.leaf_hash(bytes.fromhex(leaf)) for leaf in LEAVES]


@pytest.mark.parametrize("size", ROOTS)
def test_roots_are_those_of_rfc_6962(size):
    assert tlog.tree_root(HASHES[:size]).hex() == ROOTS[size]


def test_a_proof_leads_to_the_root():
    # Leaf 4 of five hangs directly below the root; leaf 0 has a sibling, its uncle and leaf 4.
    root = bytes.fromhex(ROOTS[5])
    whole = tlog.tree_root(HASHES[:4])
    assert tlog.root_by_proof(4, 5, HASHES[4], [whole]) == root
    path = [HASHES[1], tlog.node_hash(HASHES[2], HASHES[3]), HASHES[4]]
    assert tlog.root_by_proof(0, 5, HASHES[0], path) == root
    assert tlog.root_by_proof(1, 5, HASHES[0], path) != root
    for wrong in (path[:-1], path + [root]):
        with pytest.raises(tlog.Wrong):
            tlog.root_by_proof(0, 5, HASHES[0], wrong)


def test_paths_are_those_of_tlog_tiles():
    assert tlog.tile_path(0, 5, 256) == "tile/0/005"
    assert tlog.tile_path("entries", 1234067, 17) == "tile/entries/x001/x234/067.p/17"


def test_a_bundle_that_is_cut_is_refused():
    assert tlog.entries_of(b"\0\1a\0\2bc") == [b"a", b"bc"]
    with pytest.raises(tlog.Wrong):
        tlog.entries_of(b"\0\2a")
