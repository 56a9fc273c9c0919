#include "crypto/encoding.h"

#include <algorithm>
#include <array>
#include <cstring>

namespace sluice::crypto {
namespace {

constexpr std::string_view kBase64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::string_view kHex = "0123456789abcdef";
constexpr int8_t kNoDigit = -1;

constexpr std::array<int8_t, 256> values_of(std::string_view alphabet) {
  std::array<int8_t, 256> values{};
  values.fill(kNoDigit);
  for (size_t i = 0; i < alphabet.size(); ++i)
    values[static_cast<uint8_t>(alphabet[i])] = static_cast<int8_t>(i);
  return values;
}

/// The two digits of twelve bits.
constexpr std::array<std::array<char, 2>, 4096> pairs_of(std::string_view alphabet) {
  std::array<std::array<char, 2>, 4096> pairs{};
  for (size_t bits = 0; bits < pairs.size(); ++bits) pairs[bits] = {alphabet[bits >> 6], alphabet[bits & 63]};
  return pairs;
}

constexpr std::array<std::array<char, 2>, 4096> kBase64Pairs = pairs_of(kBase64);
constexpr std::array<int8_t, 256> kBase64Values = values_of(kBase64);

int hex_value(char digit) {
  if (digit >= '0' && digit <= '9') return digit - '0';
  if (digit >= 'a' && digit <= 'f') return digit - 'a' + 10;
  if (digit >= 'A' && digit <= 'F') return digit - 'A' + 10;
  return kNoDigit;
}

}  // namespace

std::string to_base64(std::span<const uint8_t> bytes) {
  std::string text;
  add_base64(text, bytes);
  return text;
}

void add_base64(std::string& text, std::span<const uint8_t> bytes) {
  const size_t begin = text.size();
  text.resize(begin + (bytes.size() + 2) / 3 * 4, '=');
  char* to = text.data() + begin;
  for (; bytes.size() >= 3; bytes = bytes.subspan(3), to += 4) {
    const uint32_t group = uint32_t{bytes[0]} << 16 | uint32_t{bytes[1]} << 8 | bytes[2];
    std::memcpy(to, kBase64Pairs[group >> 12].data(), 2);
    std::memcpy(to + 2, kBase64Pairs[group & 0xfff].data(), 2);
  }
  if (bytes.empty()) return;
  const uint32_t group = uint32_t{bytes[0]} << 16 | (bytes.size() > 1 ? uint32_t{bytes[1]} << 8 : 0);
  std::memcpy(to, kBase64Pairs[group >> 12].data(), 2);
  if (bytes.size() > 1) to[2] = kBase64[group >> 6 & 63];
}

std::optional<std::vector<uint8_t>> from_base64(std::string_view text) {
  if (text.size() % 4 != 0) return std::nullopt;
  if (text.empty()) return std::vector<uint8_t>();
  const size_t padding = text.back() != '=' ? 0 : text[text.size() - 2] != '=' ? 1 : 2;
  std::vector<uint8_t> bytes(text.size() / 4 * 3);
  int8_t any = 0;  // negative where one was no digit
  const auto decode = [&](size_t group, size_t count) {
    std::array<int8_t, 4> digits{};
    for (size_t i = 0; i < count; ++i) {
      digits[i] = kBase64Values[static_cast<uint8_t>(text[4 * group + i])];
      any |= digits[i];
    }
    const uint32_t bits = static_cast<uint32_t>(digits[0]) << 18 | static_cast<uint32_t>(digits[1]) << 12 |
                          static_cast<uint32_t>(digits[2]) << 6 | static_cast<uint32_t>(digits[3]);
    for (size_t i = 0; i < 3; ++i) bytes[3 * group + i] = static_cast<uint8_t>(bits >> (16 - 8 * i));
  };
  const size_t last = text.size() / 4 - 1;
  for (size_t group = 0; group < last; ++group) decode(group, 4);
  decode(last, 4 - padding);  // what is padded stands for zeros
  if (any < 0) return std::nullopt;
  const auto end = bytes.end() - static_cast<ptrdiff_t>(padding);
  const bool has_unused_bits = std::any_of(end, bytes.end(), [](uint8_t byte) { return byte != 0; });
  if (has_unused_bits) return std::nullopt;
  bytes.erase(end, bytes.end());
  return bytes;
}

std::string to_hex(std::span<const uint8_t> bytes) {
  std::string text;
  text.reserve(2 * bytes.size());
  for (uint8_t byte : bytes) {
    text += kHex[byte >> 4];
    text += kHex[byte & 15];
  }
  return text;
}

std::optional<std::vector<uint8_t>> from_hex(std::string_view text) {
  if (text.size() % 2 != 0) return std::nullopt;
  std::vector<uint8_t> bytes;
  bytes.reserve(text.size() / 2);
  for (size_t i = 0; i < text.size(); i += 2) {
    const int high = hex_value(text[i]), low = hex_value(text[i + 1]);
    if (high == kNoDigit || low == kNoDigit) return std::nullopt;
    bytes.push_back(static_cast<uint8_t>(high << 4 | low));
  }
  return bytes;
}

}  // namespace sluice::crypto
