#include "ctrl/intent/config_hash.h"

#include <cstdio>
#include <nlohmann/json.hpp>
#include <span>
#include <string_view>
#include <utility>

#include "crypto/sha256_openssl.h"
#include "ctrl/intent/config_schema.h"

namespace sluice::ctrl {
namespace {

using nlohmann::json;

class HashedText {
 public:
  void add(std::string_view text) {
    stream_.update(std::span(reinterpret_cast<const uint8_t*>(text.data()), text.size()));
  }
  std::string finish() {
    std::string hex;
    for (const uint8_t byte : stream_.finish()) {
      char digits[3];
      std::snprintf(digits, sizeof digits, "%02x", byte);
      hex += digits;
    }
    return hex;
  }

 private:
  crypto::Sha256Stream stream_;
};

class WholeText {
 public:
  void add(std::string_view text) { text_ += text; }
  std::string finish() { return std::move(text_); }

 private:
  std::string text_;
};

}  // namespace

template <typename Object>
const std::string& ConfigHash::text_of(const std::shared_ptr<const Object>& object) {
  Text& known = texts_[object.get()];
  if (!known.object) known = {object, to_json(*object).dump(), 0};
  known.used = calls_;
  return known.text;
}

template <typename Stream, typename Objects>
void ConfigHash::add_list(Stream& stream, const Objects& objects) {
  stream.add("[");
  bool is_first = true;
  for (const auto& [name, object] : objects) {
    if (!is_first) stream.add(",");
    is_first = false;
    stream.add(text_of(object));
  }
  stream.add("]");
}

template <typename Stream>
void ConfigHash::add(Stream& text, const Model& model) {
  ++calls_;
  json settings = settings_to_json(model);
  settings["pools"] = nullptr;  // written out below, each in its place
  settings["services"] = nullptr;
  std::string_view separator = "{";
  for (const auto& [key, value] : settings.items()) {
    text.add(separator);
    separator = ",";
    text.add(json(key).dump() + ":");
    if (key == "pools") {
      add_list(text, model.pools);
    } else if (key == "services") {
      add_list(text, model.services);
    } else {
      text.add(value.dump());
    }
  }
  text.add("}");
  if (texts_.size() > 2 * (model.pools.size() + model.services.size()) + 1024) {
    std::erase_if(texts_, [this](const auto& entry) { return entry.second.used != calls_; });
  }
}

std::string ConfigHash::of(const Model& model) {
  HashedText text;
  add(text, model);
  return text.finish();
}

std::string ConfigHash::text(const Model& model) {
  WholeText text;
  add(text, model);
  return text.finish();
}

}  // namespace sluice::ctrl
