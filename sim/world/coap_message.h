// CoAP (RFC 7252) as a client of the simulated world speaks it, and receipts (RFC 8949) as it reads them. It
// shares no code with the gateway. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "crypto/sha256_message.h"

namespace sluice::sim {

/// `POST /tx`.
struct CoapRequest {
  uint16_t message_id = 0;
  uint32_t token = 0;  ///< four bytes
  bool is_confirmable = true;
  std::string payload;
};
std::vector<uint8_t> write_coap(const CoapRequest& request);

/// What a receipt says.
struct ToldReceipt {
  crypto::Digest txid;
  uint64_t index = 0;
  crypto::Digest leaf_hash;
  uint64_t block = 0;
  uint64_t tree_size = 0;
};

struct CoapAnswer {
  bool is_acknowledgement = false;  ///< else non-confirmable
  uint16_t message_id = 0;
  uint32_t token = 0;
  unsigned code = 0;                   ///< 201, 503
  std::optional<ToldReceipt> receipt;  ///< with 201
};
/// Nothing: it is no answer, or its receipt is none, in another order or not as short as can be.
std::optional<CoapAnswer> read_coap(const std::vector<uint8_t>& datagram);

}  // namespace sluice::sim
