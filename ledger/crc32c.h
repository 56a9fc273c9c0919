// CRC-32C (Castagnoli; RFC 3720, appendix B.4), with the CPU's instruction. Any thread; pure.
#pragma once

#include <cstdint>
#include <span>

namespace sluice::ledger {

uint32_t crc32c(std::span<const uint8_t> data);

}  // namespace sluice::ledger
