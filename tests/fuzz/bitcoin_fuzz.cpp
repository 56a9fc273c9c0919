// The Bitcoin reader on any bytes: it must not read beyond them, and the bytes that an id covers must be a
// transaction themselves, with the same id and no witness.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <vector>

#include "ledger/transaction.h"

namespace sluice::ledger {
namespace {

void require(bool promise) {
  if (!promise) std::abort();
}

void check(std::span<const uint8_t> payload) {
  const Parsed parsed = parse(Profile::kBitcoin, payload);
  if (!parsed.is_valid) return;
  std::vector<uint8_t> scratch(payload.size());
  const std::span<const uint8_t> id = id_bytes(parsed, scratch);
  require(id.size() <= payload.size() && parsed.rounds == crypto::Rounds::twice);
  const Parsed again = parse(Profile::kBitcoin, id);
  require(again.is_valid && again.id_pieces[1].empty());
  require(std::equal(id.begin(), id.end(), again.id_pieces[0].begin(), again.id_pieces[0].end()));
}

}  // namespace
}  // namespace sluice::ledger

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::vector<uint8_t> exact(data, data + size);
  sluice::ledger::check(exact);
  return 0;
}
