// The hash of a configuration's canonical JSON, without making that JSON as a whole: what pools and services
// are as text is remembered by object, and models share the objects that did not change. One thread at a
// time.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>

#include "ctrl/intent/model.h"

namespace sluice::ctrl {

class ConfigHash {
 public:
  /// SHA-256 in hex of to_json(model).dump(): keys sorted, no spaces.
  std::string of(const Model& model);
  /// That JSON itself.
  std::string text(const Model& model);

 private:
  struct Text {
    std::shared_ptr<const void> object;  ///< alive, so that its address is its own
    std::string text;
    uint64_t used = 0;  ///< by which call last
  };
  template <typename Object>
  const std::string& text_of(const std::shared_ptr<const Object>& object);
  template <typename Stream>
  void add(Stream& stream, const Model& model);
  template <typename Stream, typename Objects>
  void add_list(Stream& stream, const Objects& objects);

  std::unordered_map<const void*, Text> texts_;
  uint64_t calls_ = 0;
};

}  // namespace sluice::ctrl
