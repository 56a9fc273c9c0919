#include "ctrl/config_history.h"

#include <cstdio>
#include <nlohmann/json.hpp>
#include <utility>

#include "crypto/sha256.h"
#include "ctrl/config_schema.h"

namespace sluice::ctrl {
namespace {

std::string sha256_hex(const std::string& text) {
  auto engine = crypto::Sha256::create(crypto::Sha256Engine::openssl);
  if (!engine) return "";  // OpenSSL always has SHA-256
  crypto::Digest digest{};
  const crypto::Message message{.data = reinterpret_cast<const uint8_t*>(text.data()),
                                .digest = &digest,
                                .size = static_cast<uint32_t>(text.size())};
  engine->hash({&message, 1});
  std::string hex;
  for (const uint8_t byte : digest) {
    char digits[3];
    std::snprintf(digits, sizeof digits, "%02x", byte);
    hex += digits;
  }
  return hex;
}

}  // namespace

void ConfigHistory::add(HistoryEntry entry, std::shared_ptr<const Model> model) {
  items_.push_front({std::move(entry), std::move(model)});
  if (items_.size() > limit_) items_.pop_back();
}

std::vector<HistoryEntry> ConfigHistory::entries() const {
  std::vector<HistoryEntry> entries;
  for (Item& item : items_) {
    if (item.entry.sha256.empty()) item.entry.sha256 = sha256_hex(to_json(*item.model).dump());
    entries.push_back(item.entry);
  }
  return entries;
}

std::shared_ptr<const Model> ConfigHistory::find(uint64_t generation) const {
  for (const Item& item : items_) {
    if (item.entry.generation == generation) return item.model;
  }
  return nullptr;
}

}  // namespace sluice::ctrl
