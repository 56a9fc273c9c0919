// Inclusion and consistency proofs of RFC 6962, 2.1: which nodes make one, and whether one holds. Off
// the hot path: proofs are vectors. Any thread; nothing is kept.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "common/result.h"
#include "crypto/sha256_message.h"

namespace sluice::crypto {

using Proof = std::vector<Digest>;

/// Reads the root of the complete subtree `index` (from 0, left to right) of 2^height leaves.
using NodeReader = std::function<Result<Digest>(unsigned height, uint64_t index)>;

/// The proof that leaf `index` is in the tree of `size` leaves (2.1.1), from the leaf upwards. Fails
/// where the index is not below the size or a node cannot be read.
Result<Proof> inclusion_proof(uint64_t index, uint64_t size, const NodeReader& read);

/// The proof that the tree of `size` leaves extends that of `old_size` (2.1.2). Fails where old_size
/// is 0 or above size or a node cannot be read. Empty where the sizes are equal.
Result<Proof> consistency_proof(uint64_t old_size, uint64_t size, const NodeReader& read);

/// The root of the tree of `size` leaves from its complete subtrees.
Result<Digest> tree_root(uint64_t size, const NodeReader& read);

/// Whether `proof` shows `leaf` at `index` of the tree of `size` leaves and that root (RFC 9162,
/// 2.1.3.2).
bool inclusion_holds(uint64_t index, uint64_t size, const Digest& leaf, std::span<const Digest> proof,
                     const Digest& root);

/// Whether `proof` shows that the second tree extends the first (RFC 9162, 2.1.4.2). The empty tree is
/// refused: that everything extends it needs no proof.
bool consistency_holds(uint64_t old_size, uint64_t size, std::span<const Digest> proof,
                       const Digest& old_root, const Digest& root);

}  // namespace sluice::crypto
