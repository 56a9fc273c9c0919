// The key set that tokens are verified with, from a file that is read again when it changes. One thread.
#pragma once

#include <chrono>
#include <deque>
#include <functional>
#include <string>
#include <string_view>

#include "common/result.h"
#include "ctrl/wire/json_web_token.h"

namespace sluice::ctrl {

class TokenKeyFile {
 public:
  /// An Error says what is wrong with the file.
  static Result<TokenKeyFile> open(std::string path);

  /// Looks at the file after kFresh; where it is no good, what was good last holds, and `complain` is told
  /// so, once.
  void look(const std::function<void(const std::string&)>& complain);

  const TokenKeys& keys() const { return keys_; }
  /// A key of that id was in the set, and is no more.
  bool has_left(std::string_view id) const;

 private:
  static constexpr std::chrono::seconds kFresh{2};
  static constexpr size_t kMostLeft = 1000;
  TokenKeyFile(std::string path, std::string text, TokenKeys keys);
  void take(TokenKeys keys);

  std::string path_, text_;
  TokenKeys keys_;
  std::deque<std::string> left_;  ///< ids, oldest first
  std::chrono::steady_clock::time_point looked_;
};

}  // namespace sluice::ctrl
