// A block: its header as Hyperledger Fabric encodes it, its metadata, and the record that holds it in the
// journal. Pure; any thread.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>

#include "common/bytes.h"
#include "crypto/sha256_message.h"

namespace sluice::ledger {

/// What a block says of the log besides its leaves.
struct BlockMetadata {
  static constexpr size_t kBytes = 56;

  uint64_t time_ns = 0;  ///< Unix time; never below the block's before
  uint64_t first_index = 0;
  uint64_t tree_size = 0;  ///< after the block
  crypto::Digest root{};   ///< at that size

  /// The numbers in network order, then the root.
  std::array<uint8_t, kBytes> encode() const;
  static BlockMetadata decode(std::span<const uint8_t, kBytes> bytes);
};

/// Fabric's header: DER SEQUENCE { INTEGER number, OCTET STRING previous_hash, OCTET STRING data_hash }.
struct BlockHeader {
  static constexpr size_t kMostBytes = 2 + (2 + 9) + (2 + 32) + (2 + 32);

  uint64_t number = 0;
  std::optional<crypto::Digest> previous_hash;  ///< none for block 0 alone
  crypto::Digest data_hash{};                   ///< SHA-256(metadata | leaf hashes in order)

  /// Writes the DER form and returns its size.
  size_t encode(std::span<uint8_t, kMostBytes> out) const;
  /// Reads a DER form; nothing where encode() would not have written it.
  static std::optional<BlockHeader> decode(std::span<const uint8_t> der);
  /// SHA-256 of the DER form: the next block's previous_hash.
  crypto::Digest hash() const;
};

/// data_hash of a block.
crypto::Digest data_hash(const BlockMetadata& metadata, std::span<const crypto::Digest> leaf_hashes);

/// The head of a record, docs/reference/ledger-format.md. Payloads follow, then a RecordEntry for each, then
/// zeros up to the next multiple of kRecordAlignment.
struct RecordHead {
  static constexpr uint32_t kMagic = 0x534c424b;  // "SLBK"
  static constexpr uint8_t kVersion = 1;          // 0: the last three fields are zero and say nothing

  Be32 magic;
  Be32 crc;            ///< CRC-32C of the record from `length` to its end
  Be32 length;         ///< bytes from `magic` to the last RecordEntry
  Be32 count;          ///< transactions, at least 1
  Be32 payload_bytes;  ///< of all payloads
  Be32 header_bytes;   ///< used in `header`
  std::array<uint8_t, BlockMetadata::kBytes> metadata;
  std::array<uint8_t, BlockHeader::kMostBytes> header;  ///< DER, then zeros
  uint8_t version;
  Be16 under_way;  ///< blocks right before this one that were not known to be durable when it was written
  Be32 mark;       ///< of the log, never zero and told to nobody: no payload can pass for a record
};
static_assert(sizeof(RecordHead) == 168);

/// One transaction of a record.
struct RecordEntry {
  Be16 size;  ///< of the payload, at least 1
  uint8_t profile;
  uint8_t zero;
};
static_assert(sizeof(RecordEntry) == 4);

inline constexpr size_t kRecordAlignment = 4096;

/// The longest record that a configuration allows (`seal` at its limits, and one transaction more). What
/// claims to be longer is none.
inline constexpr uint64_t kMostRecordBytes =
    sizeof(RecordHead) + (uint64_t{64} << 20) + 65535 + 65536 * sizeof(RecordEntry);

/// What a record says of the journal, beside its block.
struct RecordState {
  uint16_t under_way = 0;
  uint32_t mark = 0;
};

/// The checksum of a record of `length` bytes: all of it from RecordHead::length on.
uint32_t record_checksum(std::span<const uint8_t> record);

/// `bytes` rounded up to the next record's start.
constexpr uint64_t record_span(uint64_t bytes) {
  return (bytes + kRecordAlignment - 1) / kRecordAlignment * kRecordAlignment;
}

}  // namespace sluice::ledger
