// JSON that strangers send, and streams of it, bounded before anything is parsed. Pure.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "common/result.h"

namespace sluice::ctrl {

/// One value of at most 64 levels. An Error says why there is none, and quotes nothing.
Result<nlohmann::json> parse_bounded_json(std::string_view text);

/// The member `key` of an object; null where there is none, or no object.
const nlohmann::json& member(const nlohmann::json& object, std::string_view key);
/// A text; empty where it is none.
std::string_view text_in(const nlohmann::json& value);
/// A whole number, or its digits as a text; nothing where it is none, or does not fit.
std::optional<int64_t> integer_in(const nlohmann::json& value);
/// Whether it is true; `otherwise` where it is no boolean.
bool is_true(const nlohmann::json& value, bool otherwise);

/// Cuts a stream into the lines of which it consists. A line of more than kMostBytes is too long: the stream
/// cannot be read on.
class LineSplitter {
 public:
  static constexpr size_t kMostBytes = size_t{16} << 20;

  void put(std::string_view bytes);
  /// The next whole line without its end; blank ones are passed over.
  std::optional<std::string> next();
  /// What came behind the last line end has more bytes than a line may have.
  bool is_too_long() const { return pending_.size() - start_ > kMostBytes; }
  /// Something came behind the last line end.
  bool has_part() const { return pending_.size() > start_; }

 private:
  std::string pending_;
  size_t start_ = 0;   ///< of what has not been handed out
  size_t search_ = 0;  ///< where to look for the next line end
};

}  // namespace sluice::ctrl
