#include "crypto/merkle_proof.h"

#include <algorithm>
#include <bit>
#include <string>

#include "crypto/sha256_openssl.h"

namespace sluice::crypto {
namespace {

/// The leaves [begin, end): a subtree that RFC 6962's recursion splits off.
struct Range {
  uint64_t begin;
  uint64_t end;
};

/// The largest power of two below `size`, which is 2 or more: where a tree splits.
uint64_t split(uint64_t size) {
  return std::bit_floor(size - 1);
}

/// MTH(D[begin:end]). `begin` is a multiple of the range's largest complete subtree, so each piece is
/// a complete subtree of the whole tree.
Result<Digest> hash_of(Range range, const NodeReader& read) {
  std::vector<Digest> pieces;
  for (uint64_t at = range.begin; at < range.end;) {
    const auto height = static_cast<unsigned>(std::bit_width(range.end - at)) - 1;
    const Result<Digest> piece = read(height, at >> height);
    if (!piece) return piece;
    pieces.push_back(*piece);
    at += uint64_t{1} << height;
  }
  Digest right = pieces.back();
  for (size_t i = pieces.size() - 1; i-- > 0;) right = sha256_node(pieces[i], right);
  return right;
}

/// The proof whose parts are the hashes of `ranges`, last range first.
Result<Proof> proof_of(std::vector<Range> ranges, const NodeReader& read) {
  Proof proof;
  for (auto range = ranges.rbegin(); range != ranges.rend(); ++range) {
    const Result<Digest> part = hash_of(*range, read);
    if (!part) return tl::unexpected(part.error());
    proof.push_back(*part);
  }
  return proof;
}

}  // namespace

Result<Proof> inclusion_proof(uint64_t index, uint64_t size, const NodeReader& read) {
  if (index >= size)
    return fail("leaf " + std::to_string(index) + " is not in a tree of " + std::to_string(size) + " leaves");
  std::vector<Range> ranges;
  for (Range within{0, size}; within.end - within.begin > 1;) {
    const uint64_t middle = within.begin + split(within.end - within.begin);
    if (index < middle) {
      ranges.push_back({middle, within.end});
      within.end = middle;
    } else {
      ranges.push_back({within.begin, middle});
      within.begin = middle;
    }
  }
  return proof_of(std::move(ranges), read);
}

Result<Proof> consistency_proof(uint64_t old_size, uint64_t size, const NodeReader& read) {
  if (old_size == 0 || old_size > size)
    return fail("a tree of " + std::to_string(size) + " leaves has no consistency proof from size " +
                std::to_string(old_size));
  std::vector<Range> ranges;
  Range within{0, size};
  while (within.end != old_size) {
    const uint64_t middle = within.begin + split(within.end - within.begin);
    if (old_size <= middle) {
      ranges.push_back({middle, within.end});
      within.end = middle;
    } else {
      ranges.push_back({within.begin, middle});
      within.begin = middle;
    }
  }
  if (within.begin != 0) ranges.push_back(within);  // else it is the old root, which is known
  return proof_of(std::move(ranges), read);
}

Result<Digest> tree_root(uint64_t size, const NodeReader& read) {
  if (size == 0) return sha256({});
  return hash_of({0, size}, read);
}

bool inclusion_holds(uint64_t index, uint64_t size, const Digest& leaf, std::span<const Digest> proof,
                     const Digest& root) {
  if (index >= size) return false;
  uint64_t node = index, last = size - 1;
  Digest hash = leaf;
  for (const Digest& sibling : proof) {
    if (last == 0) return false;
    if ((node & 1) != 0 || node == last) {
      hash = sha256_node(sibling, hash);
      const int skipped = std::countr_zero(node);  // levels on which the last node has no sibling
      node >>= skipped;
      last >>= skipped;
    } else {
      hash = sha256_node(hash, sibling);
    }
    node >>= 1;
    last >>= 1;
  }
  return last == 0 && hash == root;
}

bool consistency_holds(uint64_t old_size, uint64_t size, std::span<const Digest> proof,
                       const Digest& old_root, const Digest& root) {
  if (old_size == 0 || old_size > size) return false;
  if (old_size == size) return proof.empty() && old_root == root;
  if (proof.empty()) return false;
  const int complete = std::countr_one(old_size - 1);
  uint64_t node = (old_size - 1) >> complete, last = (size - 1) >> complete;
  Digest old_hash = old_root;
  if (!std::has_single_bit(old_size)) {
    old_hash = proof.front();
    proof = proof.subspan(1);
  }
  Digest hash = old_hash;
  for (const Digest& sibling : proof) {
    if (last == 0) return false;
    if ((node & 1) != 0 || node == last) {
      old_hash = sha256_node(sibling, old_hash);
      hash = sha256_node(sibling, hash);
      const int skipped = std::countr_zero(node);
      node >>= skipped;
      last >>= skipped;
    } else {
      hash = sha256_node(hash, sibling);
    }
    node >>= 1;
    last >>= 1;
  }
  return last == 0 && old_hash == old_root && hash == root;
}

}  // namespace sluice::crypto
