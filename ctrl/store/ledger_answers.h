// What the ledger holds, as the control socket and HTTP show it. Pure.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string_view>

#include "dataplane/roles/ledger_plane.h"
#include "ledger/log_reader.h"
#include "ledger/receipt.h"

namespace sluice::ctrl {

/// `{txid, index, leaf_hash, block, tree_size}`, hashes in hex.
nlohmann::json receipt_object(const ledger::Receipt& receipt);

/// `{number, time, first_index, tree_size, root, previous_hash, data_hash, hash, leaf_hashes, header,
/// metadata}`: hashes in hex, header and metadata in base64, time in Unix nanoseconds.
nlohmann::json block_object(const ledger::BlockView& block);

/// `{received, stored, duplicate, refused_..., dropped_...}`: every outcome, zeros included.
nlohmann::json totals_object(const dataplane::LedgerPlane& ledger);

/// The hash that 64 lower-case hex digits write; nothing otherwise.
std::optional<crypto::Digest> digest_of(std::string_view hex);

}  // namespace sluice::ctrl
