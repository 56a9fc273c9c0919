#include "ledger/verify_note.h"

#include <algorithm>
#include <optional>
#include <vector>

#include "crypto/sha256_openssl.h"
#include "crypto/signature.h"

namespace sluice::ledger {
namespace {

constexpr uint8_t kEd25519 = 0x01;
constexpr std::string_view kSignatureMark = "\xe2\x80\x94 ";  // an em dash and a space

int sextet_of(char c) {
  constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  const size_t place = kAlphabet.find(c);
  return place == std::string_view::npos ? -1 : static_cast<int>(place);
}

// Standard base64 with padding, in its one canonical form (RFC 4648, 3.5 and 4).
std::optional<std::vector<uint8_t>> decode_base64(std::string_view text) {
  if (text.size() % 4 != 0 || text.empty()) return std::nullopt;
  const size_t padding = text.ends_with("==") ? 2 : text.ends_with('=') ? 1 : 0;
  text.remove_suffix(padding);
  std::vector<uint8_t> bytes;
  uint32_t bits = 0;
  unsigned count = 0;
  for (const char c : text) {
    const int sextet = sextet_of(c);
    if (sextet < 0) return std::nullopt;
    bits = bits << 6 | static_cast<uint32_t>(sextet);
    count += 6;
    if (count >= 8) {
      count -= 8;
      bytes.push_back(static_cast<uint8_t>(bits >> count));
      bits &= (1u << count) - 1;
    }
  }
  return bits == 0 ? std::optional(bytes) : std::nullopt;
}

std::span<const uint8_t> bytes_of(std::string_view text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

std::array<uint8_t, 4> key_id(const VerifyKey& key) {
  std::string hashed = key.name + "\n" + static_cast<char>(kEd25519);
  hashed.append(key.key.begin(), key.key.end());
  const crypto::Digest digest = crypto::sha256(bytes_of(hashed));
  return {digest[0], digest[1], digest[2], digest[3]};
}

std::string hex_of_bytes(std::span<const uint8_t> bytes) {
  std::string text;
  for (const uint8_t byte : bytes) {
    text += "0123456789abcdef"[byte >> 4];
    text += "0123456789abcdef"[byte & 15];
  }
  return text;
}

// The lines of a checkpoint with the place where each begins.
class Lines {
 public:
  explicit Lines(std::string_view text) : text_(text) {}
  size_t place() const { return place_; }
  bool at_end() const { return place_ == text_.size(); }
  std::optional<std::string_view> next() {
    const size_t end = text_.find('\n', place_);
    if (end == std::string_view::npos) return std::nullopt;
    const std::string_view line = text_.substr(place_, end - place_);
    place_ = end + 1;
    return line;
  }

 private:
  std::string_view text_;
  size_t place_ = 0;
};

std::optional<uint64_t> decode_size(std::string_view digits) {
  if (digits.empty() || digits.size() > 20 || (digits.size() > 1 && digits[0] == '0')) return std::nullopt;
  uint64_t size = 0;
  for (const char digit : digits) {
    if (digit < '0' || digit > '9') return std::nullopt;
    const auto value = static_cast<uint64_t>(digit - '0');
    if (size > (UINT64_MAX - value) / 10) return std::nullopt;
    size = size * 10 + value;
  }
  return size;
}

// The 64 bytes of a signature line by that key.
std::optional<std::vector<uint8_t>> decode_signature(std::string_view line, const VerifyKey& key) {
  const std::string start = std::string(kSignatureMark) + key.name + " ";
  if (!line.starts_with(start)) return std::nullopt;
  const auto bytes = decode_base64(line.substr(start.size()));
  if (!bytes || bytes->size() != 4 + 64 || !std::equal(key.id.begin(), key.id.end(), bytes->begin()))
    return std::nullopt;
  return std::vector<uint8_t>(bytes->begin() + 4, bytes->end());
}

bool is_signed(std::string_view text, std::span<const uint8_t> signature, const VerifyKey& key) {
  const auto public_key = crypto::Ed25519PublicKey::from_bytes(key.key);
  return public_key && public_key->verify(bytes_of(text), signature);
}

}  // namespace

std::string hex_of(const crypto::Digest& digest) {
  return hex_of_bytes(digest);
}

Verified<VerifyKey> read_verify_key(std::string_view line, const std::string& file) {
  const auto wrong = [&](const char* what) { return tl::unexpected(VerifyFault{file, 0, what}); };
  if (!line.ends_with('\n')) return wrong("the verifier key is no whole line");
  line.remove_suffix(1);
  const size_t id_at = line.find('+') + 1;
  if (id_at <= 1) return wrong("a verifier key is <name>+<id>+<base64>");
  const size_t key_at = line.find('+', id_at) + 1;
  if (key_at != id_at + 9) return wrong("a key id has eight hexadecimal digits");
  const auto bytes = decode_base64(line.substr(key_at));
  if (!bytes || bytes->size() != 33 || bytes->front() != kEd25519) return wrong("this is no Ed25519 key");
  VerifyKey key{std::string(line.substr(0, id_at - 1)), {}, {}};
  std::copy(bytes->begin() + 1, bytes->end(), key.key.begin());
  key.id = key_id(key);
  if (hex_of_bytes(key.id) != line.substr(id_at, 8)) return wrong("the id is not that of name and key");
  return key;
}

Verified<VerifyCheckpoint> read_verify_checkpoint(std::string_view note, const VerifyKey& key) {
  Lines lines(note);
  size_t place = 0;
  const auto wrong = [&](const char* what) { return tl::unexpected(VerifyFault{"checkpoint", place, what}); };
  if (lines.next() != key.name) return wrong("the first line is not the log's origin");
  place = lines.place();
  const auto size_line = lines.next();
  const auto size = size_line ? decode_size(*size_line) : std::nullopt;
  if (!size) return wrong("the second line is no size");
  place = lines.place();
  const auto root_line = lines.next();
  const auto root = root_line ? decode_base64(*root_line) : std::nullopt;
  if (!root || root->size() != 32) return wrong("the third line is no hash");
  const std::string_view text = note.substr(0, lines.place());
  place = lines.place();
  if (lines.next() != "") return wrong("no empty line follows the text");
  place = lines.place();
  const auto line = lines.next();
  const auto signature = line ? decode_signature(*line, key) : std::nullopt;
  if (!signature) return wrong("no signature line of the log's key");
  place = lines.place();
  if (!lines.at_end()) return wrong("something follows the signature");
  place = 0;  // any byte of it may be the wrong one
  if (!is_signed(text, *signature, key)) return wrong("the signature does not fit the text");
  VerifyCheckpoint checkpoint{*size, {}};
  std::copy(root->begin(), root->end(), checkpoint.root.begin());
  return checkpoint;
}

}  // namespace sluice::ledger
