#include "ledger/receipt.h"

#include <algorithm>

namespace sluice::ledger {
namespace {

constexpr uint8_t kUnsigned = 0 << 5;
constexpr uint8_t kBytes = 2 << 5;
constexpr uint8_t kMap = 5 << 5;

// A head in its shortest form (RFC 8949, 3 and 4.2.1).
uint8_t* put_head(uint8_t* at, uint8_t major, uint64_t value) {
  const auto put = [&](uint8_t additional, auto number) {
    *at = major | additional;
    store(at + 1, number);
    return at + 1 + sizeof number;
  };
  if (value < 24) {
    *at = static_cast<uint8_t>(major | value);
    return at + 1;
  }
  if (value <= UINT8_MAX) return put(24, static_cast<uint8_t>(value));
  if (value <= UINT16_MAX) return put(25, Be16::from_host(static_cast<uint16_t>(value)));
  if (value <= UINT32_MAX) return put(26, Be32::from_host(static_cast<uint32_t>(value)));
  return put(27, Be64::from_host(value));
}

uint8_t* put_number(uint8_t* at, uint8_t key, uint64_t value) {
  return put_head(put_head(at, kUnsigned, key), kUnsigned, value);
}

uint8_t* put_digest(uint8_t* at, uint8_t key, const crypto::Digest& digest) {
  at = put_head(put_head(at, kUnsigned, key), kBytes, digest.size());
  return std::copy(digest.begin(), digest.end(), at);
}

}  // namespace

size_t encode_cbor(const Receipt& receipt, std::span<uint8_t, kMostReceiptBytes> out) {
  uint8_t* at = put_head(out.data(), kMap, 5);
  at = put_digest(at, 1, receipt.txid);
  at = put_number(at, 2, receipt.index);
  at = put_digest(at, 3, receipt.leaf_hash);
  at = put_number(at, 4, receipt.block);
  at = put_number(at, 5, receipt.tree_size);
  return static_cast<size_t>(at - out.data());
}

}  // namespace sluice::ledger
