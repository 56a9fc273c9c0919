#include "ctrl/access/token_key_file.h"

#include <algorithm>
#include <fstream>
#include <utility>

namespace sluice::ctrl {
namespace {

using Clock = std::chrono::steady_clock;

constexpr size_t kMostBytes = size_t{1} << 20;

Result<std::string> text_in_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return fail("cannot read " + path);
  std::string text(kMostBytes + 1, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<size_t>(file.gcount()));
  if (file.bad() || text.size() > kMostBytes) return fail("cannot read " + path);
  return text;
}

}  // namespace

TokenKeyFile::TokenKeyFile(std::string path, std::string text, TokenKeys keys)
    : path_(std::move(path)), text_(std::move(text)), keys_(std::move(keys)), looked_(Clock::now()) {}

Result<TokenKeyFile> TokenKeyFile::open(std::string path) {
  auto text = text_in_file(path);
  if (!text) return tl::unexpected(text.error());
  auto keys = TokenKeys::parse(*text);
  if (!keys) return fail(path + " " + keys.error().message);
  return TokenKeyFile(std::move(path), std::move(*text), std::move(*keys));
}

/// The file is small, so that its text says whether it has changed.
void TokenKeyFile::look(const std::function<void(const std::string&)>& complain) {
  const auto now = Clock::now();
  if (now - looked_ < kFresh) return;
  looked_ = now;
  const auto text = text_in_file(path_);
  if (text && *text == text_) return;
  if (!text) {
    if (!std::exchange(text_, {}).empty()) complain(text.error().message);
    return;
  }
  text_ = *text;
  auto keys = TokenKeys::parse(*text);
  if (!keys) return complain(path_ + " " + keys.error().message);
  take(std::move(*keys));
}

void TokenKeyFile::take(TokenKeys keys) {
  for (std::string& id : keys_.ids()) {
    if (!keys.has(id) && !has_left(id)) left_.push_back(std::move(id));
  }
  std::erase_if(left_, [&](const std::string& id) { return keys.has(id); });
  while (left_.size() > kMostLeft) left_.pop_front();
  keys_ = std::move(keys);
}

bool TokenKeyFile::has_left(std::string_view id) const {
  return std::ranges::find(left_, id) != left_.end();
}

}  // namespace sluice::ctrl
