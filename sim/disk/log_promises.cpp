#include "sim/disk/log_promises.h"

#include <span>

#include "crypto/sha256.h"
#include "crypto/sha256_openssl.h"
#include "ledger/checkpoint.h"
#include "ledger/log_reader.h"
#include "ledger/verify.h"

namespace sluice::sim {
namespace {

std::span<const uint8_t> bytes_of(const std::string& text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

/// RFC 6962, 2.1.
crypto::Digest root_of(const std::vector<crypto::Digest>& leaves, size_t begin, size_t end) {
  if (begin == end) return crypto::sha256({});
  if (end - begin == 1) return leaves[begin];
  size_t half = 1;
  while (2 * half < end - begin) half *= 2;
  return crypto::sha256_node(root_of(leaves, begin, begin + half), root_of(leaves, begin + half, end));
}

}  // namespace

LogPromises::LogPromises(std::string directory, uint64_t window, Trace& trace, Violate violate)
    : directory_(std::move(directory)), window_(window), trace_(trace), violate_(std::move(violate)) {}

/// A receipt is for ever: one payload for an index, and one index for a payload while that is remembered.
void LogPromises::take_receipt(uint64_t index, const crypto::Digest& leaf_hash, const std::string& payload) {
  trace_.mix(index);
  if (leaf_hash != crypto::sha256_leaf(bytes_of(payload))) violate_("a receipt has another leaf hash");
  const auto [place, is_new] = by_index_.try_emplace(index, payload);
  if (!is_new && place->second != payload) violate_("index " + std::to_string(index) + " was given twice");
  if (!is_new) return;
  const auto before = by_payload_.find(payload);
  if (before != by_payload_.end() && before->second + window_ > index) {
    violate_("a transaction was at " + std::to_string(before->second) + ", and is at " +
             std::to_string(index));
  }
  by_payload_[payload] = index;
}

void LogPromises::note_checkpoint(ledger::FileSystem& files) {
  const auto note = ledger::read_file(files, directory_ + "/checkpoint", 4096);
  const auto checkpoint = note ? ledger::Checkpoint::parse(*note) : fail("it is not there");
  if (!checkpoint) violate_("the checkpoint cannot be read: " + checkpoint.error().message);
  if (checkpoint->size < released()) violate_("a checkpoint shrinks");
  const bool is_known = has_checkpoint() && checkpoint->size == released();
  if (is_known && checkpoint->root != released_.back().root) violate_("two checkpoints of one size differ");
  if (is_known) return;
  released_.push_back({checkpoint->size, checkpoint->root});
}

void LogPromises::check_size(uint64_t tree_size) const {
  if (by_index_.empty() || by_index_.rbegin()->first < tree_size) return;
  violate_("index " + std::to_string(by_index_.rbegin()->first) + " was acknowledged, and the log has " +
           std::to_string(tree_size) + " transactions");
}

void LogPromises::check_log(ledger::FileSystem& files) const {
  auto engine = std::move(*crypto::Sha256::create(crypto::Sha256Engine::openssl));
  if (const auto report = ledger::verify_log(directory_, "", engine); !report) {
    violate_("the log does not verify: " + report.error().to_string());
  }
  auto reader = ledger::LogReader::open(files, directory_);
  if (!reader) violate_("the log cannot be read: " + reader.error().message);
  std::vector<crypto::Digest> leaves;
  for (uint64_t number = 0;; ++number) {
    const auto block = reader->block(number);
    if (!block) violate_("block " + std::to_string(number) + " cannot be read: " + block.error().message);
    if (!*block) break;
    leaves.insert(leaves.end(), (*block)->leaf_hashes.begin(), (*block)->leaf_hashes.end());
  }
  for (const auto& [index, payload] : by_index_) {
    if (index >= leaves.size()) break;  // behind the checkpoint
    if (leaves[index] != crypto::sha256_leaf(bytes_of(payload))) {
      violate_("another transaction is at index " + std::to_string(index) + " than was acknowledged there");
    }
  }
  for (const Released& released : released_) {
    if (released.size > leaves.size() || root_of(leaves, 0, released.size) != released.root) {
      violate_("the log does not extend its checkpoint of size " + std::to_string(released.size));
    }
  }
}

}  // namespace sluice::sim
