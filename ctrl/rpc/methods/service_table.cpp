#include "ctrl/rpc/methods/service_table.h"

#include <array>
#include <string_view>
#include <unordered_map>

#include "crypto/sha256_openssl.h"
#include "ctrl/intent/config_values.h"

namespace sluice::ctrl {
namespace {

struct Share {
  std::array<uint8_t, lb::Endpoint::kBytes> endpoint;
  uint64_t slots = 0;
};

std::string hex(const crypto::Digest& digest) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  for (const uint8_t byte : digest) (text += kDigits[byte >> 4]) += kDigits[byte & 15];
  return text;
}

}  // namespace

nlohmann::json table_object(const std::string& service, const lb::PoolTable& table) {
  std::unordered_map<lb::BackendId, Share> shares;
  for (const auto& candidate : table.candidates()) shares[candidate.id] = {candidate.endpoint.bytes()};
  crypto::Sha256Stream hash;
  for (const lb::BackendId backend : table.slots()) {
    Share& share = shares.at(backend);
    ++share.slots;
    hash.update(share.endpoint);
  }
  auto slots = nlohmann::json::object();
  for (const auto& candidate : table.candidates()) {
    const auto& endpoint = candidate.endpoint;
    slots[endpoint_text(endpoint.address, endpoint.port.host())] = shares[candidate.id].slots;
  }
  return {{"service", service},
          {"size", table.slots().size()},
          {"slots", std::move(slots)},
          {"sha256", hex(hash.finish())}};
}

}  // namespace sluice::ctrl
