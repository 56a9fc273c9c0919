#include "ctrl/store/ledger_answers.h"

#include <algorithm>

#include "crypto/encoding.h"

namespace sluice::ctrl {

using crypto::to_base64;
using crypto::to_hex;
using nlohmann::json;

json receipt_object(const ledger::Receipt& receipt) {
  return {{"txid", to_hex(receipt.txid)},
          {"index", receipt.index},
          {"leaf_hash", to_hex(receipt.leaf_hash)},
          {"block", receipt.block},
          {"tree_size", receipt.tree_size}};
}

json block_object(const ledger::BlockView& block) {
  json leaf_hashes = json::array();
  for (const crypto::Digest& hash : block.leaf_hashes) leaf_hashes.push_back(to_hex(hash));
  const auto& previous = block.header.previous_hash;
  return {{"number", block.number},
          {"time", block.metadata.time_ns},
          {"first_index", block.metadata.first_index},
          {"tree_size", block.metadata.tree_size},
          {"root", to_hex(block.metadata.root)},
          {"previous_hash", previous ? to_hex(*previous) : ""},
          {"data_hash", to_hex(block.header.data_hash)},
          {"hash", to_hex(block.hash)},
          {"leaf_hashes", std::move(leaf_hashes)},
          {"header", to_base64(block.header_der)},
          {"metadata", to_base64(block.metadata.encode())}};
}

json totals_object(const dataplane::LedgerPlane& ledger) {
  json totals{{"received", ledger.received()}};
  for (size_t i = 0; i < ledger::kOutcomes; ++i) {
    const auto outcome = static_cast<ledger::Outcome>(i);
    totals[std::string(ledger::name_of(outcome))] = ledger.ended(outcome);
  }
  return totals;
}

std::optional<crypto::Digest> digest_of(std::string_view hex) {
  const auto bytes = crypto::from_hex(hex);
  crypto::Digest digest;
  if (!bytes || bytes->size() != digest.size() || to_hex(*bytes) != hex) return std::nullopt;
  std::ranges::copy(*bytes, digest.begin());
  return digest;
}

}  // namespace sluice::ctrl
