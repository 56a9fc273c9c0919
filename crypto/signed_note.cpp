#include "crypto/signed_note.h"

#include <algorithm>
#include <optional>

#include "common/bytes.h"
#include "crypto/encoding.h"
#include "crypto/sha256_openssl.h"

namespace sluice::crypto {
namespace {

constexpr uint8_t kEd25519 = 0x01;
constexpr std::string_view kPrivate = "PRIVATE+KEY+";
constexpr std::string_view kSignatureMark = "\xe2\x80\x94 ";  // an em dash and a space
constexpr size_t kMostSignatures = 100;
constexpr size_t kIdBytes = 4;

std::span<const uint8_t> bytes_of(std::string_view text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

/// Takes one code point off the front of `text`; nothing where it is not well-formed UTF-8 (RFC 3629).
std::optional<uint32_t> take_code_point(std::string_view& text) {
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(text[i]); };
  const uint8_t first = byte(0);
  const size_t size = first < 0x80 ? 1 : first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
  if (size == 0 || first > 0xf4 || size > text.size()) return std::nullopt;
  uint32_t point = size == 1 ? first : first & (0x7fu >> size);
  for (size_t i = 1; i < size; ++i) {
    if (byte(i) >> 6 != 2) return std::nullopt;
    point = point << 6 | (byte(i) & 0x3f);
  }
  constexpr uint32_t kLeast[] = {0, 0, 0x80, 0x800, 0x10000};
  if (point < kLeast[size] || point > 0x10ffff || (point >= 0xd800 && point < 0xe000)) return std::nullopt;
  text.remove_prefix(size);
  return point;
}

/// Unicode's White_Space property.
bool is_space(uint32_t point) {
  return (point >= 0x09 && point <= 0x0d) || point == 0x20 || point == 0x85 || point == 0xa0 ||
         point == 0x1680 || (point >= 0x2000 && point <= 0x200a) || point == 0x2028 || point == 0x2029 ||
         point == 0x202f || point == 0x205f || point == 0x3000;
}

/// UTF-8 without control characters other than newline.
bool is_note_text(std::string_view text) {
  while (!text.empty()) {
    const auto point = take_code_point(text);
    if (!point || (*point < 0x20 && *point != '\n')) return false;
  }
  return true;
}

bool is_key_name(std::string_view name) {
  if (name.empty()) return false;
  while (!name.empty()) {
    const auto point = take_code_point(name);
    if (!point || is_space(*point) || *point < 0x20 || *point == '+') return false;
  }
  return true;
}

/// Takes the part before the next `mark` and the mark off the front of `text`.
std::string_view take_until(std::string_view& text, char mark) {
  const size_t at = std::min(text.find(mark), text.size());
  const std::string_view part = text.substr(0, at);
  text.remove_prefix(std::min(at + 1, text.size()));
  return part;
}

std::string_view without_line_end(std::string_view line) {
  if (line.ends_with('\n')) line.remove_suffix(1);
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

std::string hex_id(uint32_t id) {
  std::array<uint8_t, kIdBytes> bytes;
  store(bytes.data(), Be32::from_host(id));
  return to_hex(bytes);
}

/// `<name>+<key id>+<base64 of the algorithm and 32 bytes>`, whatever the 32 bytes are. The caller
/// erases them where they are secret.
struct KeyLine {
  std::string_view name;
  std::string_view id;
  std::vector<uint8_t> bytes;  // 33, the algorithm first
};

Result<KeyLine> parse_key_line(std::string_view line) {
  KeyLine key;
  key.name = take_until(line, '+');
  key.id = take_until(line, '+');
  if (!is_key_name(key.name)) return fail("the key's name is empty or has a space or a plus sign");
  auto bytes = from_base64(line);
  if (!bytes) return fail("the key is not in base64");
  key.bytes = std::move(*bytes);
  if (key.bytes.size() != 33 || key.bytes[0] != kEd25519) {
    erase(key.bytes);
    return fail("the key is not an Ed25519 key of 32 bytes");
  }
  return key;
}

/// The two spellings that hex has are both taken.
bool is_id(std::string_view text, uint32_t id) {
  const auto bytes = from_hex(text);
  return bytes && bytes->size() == kIdBytes && load<Be32>(bytes->data()).host() == id;
}

}  // namespace

uint32_t note_key_id(std::string_view name, const Ed25519PublicBytes& key) {
  const std::array<uint8_t, 2> between = {'\n', kEd25519};
  Sha256Stream stream;
  stream.update(bytes_of(name));
  stream.update(between);
  stream.update(key);
  return load<Be32>(stream.finish().data()).host();
}

NoteVerifier::NoteVerifier(std::string_view name, Ed25519PublicKey key)
    : name_(name), key_id_(note_key_id(name, key.bytes())), key_(std::move(key)) {}

Result<NoteVerifier> NoteVerifier::create(std::string_view name, const Ed25519PublicBytes& key) {
  if (!is_key_name(name)) return fail("the key's name is empty or has a space or a plus sign");
  Result<Ed25519PublicKey> made = Ed25519PublicKey::from_bytes(key);
  if (!made) return tl::unexpected(made.error());
  return NoteVerifier(name, std::move(*made));
}

Result<NoteVerifier> NoteVerifier::parse(std::string_view line) {
  const Result<KeyLine> parsed = parse_key_line(without_line_end(line));
  if (!parsed) return tl::unexpected(parsed.error());
  Ed25519PublicBytes key;
  std::copy(parsed->bytes.begin() + 1, parsed->bytes.end(), key.begin());
  if (!is_id(parsed->id, note_key_id(parsed->name, key)))
    return fail("the key id does not belong to the verifier key's name and bytes");
  return create(parsed->name, key);
}

std::string NoteVerifier::line() const {
  std::vector<uint8_t> bytes = {kEd25519};
  bytes.insert(bytes.end(), key_.bytes().begin(), key_.bytes().end());
  return name_ + "+" + hex_id(key_id_) + "+" + to_base64(bytes);
}

bool NoteVerifier::verify(std::string_view text, std::span<const uint8_t> signature) const {
  return key_.verify(bytes_of(text), signature);
}

Result<NoteSigner> NoteSigner::create(std::string_view name, Ed25519PrivateKey key) {
  Result<NoteVerifier> verifier = NoteVerifier::create(name, key.public_bytes());
  if (!verifier) return tl::unexpected(verifier.error());
  return NoteSigner(std::move(key), std::move(*verifier));
}

Result<NoteSigner> NoteSigner::parse(std::string_view line) {
  line = without_line_end(line);
  if (!line.starts_with(kPrivate)) return fail("a private key begins with PRIVATE+KEY+");
  Result<KeyLine> parsed = parse_key_line(line.substr(kPrivate.size()));
  if (!parsed) return tl::unexpected(parsed.error());
  Ed25519Seed seed(std::span(parsed->bytes).subspan<1, 32>());
  erase(parsed->bytes);
  Result<Ed25519PrivateKey> key = Ed25519PrivateKey::from_seed(std::move(seed));
  if (!key) return tl::unexpected(key.error());
  if (!is_id(parsed->id, note_key_id(parsed->name, key->public_bytes())))
    return fail("the key id does not belong to the private key's name and bytes");
  return create(parsed->name, std::move(*key));
}

Result<NoteSigner> NoteSigner::generate(std::string_view name) {
  Result<Ed25519PrivateKey> key = Ed25519PrivateKey::generate();
  if (!key) return tl::unexpected(key.error());
  return create(name, std::move(*key));
}

SecretText NoteSigner::private_line() const {
  SecretBytes<33> bytes;
  bytes.reveal()[0] = kEd25519;
  std::ranges::copy(key_.seed().reveal(), bytes.reveal().begin() + 1);
  const SecretText encoded(to_base64(bytes.reveal()));
  std::string line;
  line.reserve(kPrivate.size() + verifier_.name().size() + 64);  // so that no copy is left behind
  line.append(kPrivate).append(verifier_.name()).append("+").append(hex_id(verifier_.key_id()));
  line.append("+").append(encoded.reveal());
  return SecretText(std::move(line));
}

Result<std::string> NoteSigner::sign(std::string_view text) const {
  if (!text.ends_with('\n') || !is_note_text(text))
    return fail("the text of a note is UTF-8 without control characters and ends with a newline");
  const Result<Ed25519Signature> signature = key_.sign(bytes_of(text));
  if (!signature) return tl::unexpected(signature.error());
  std::array<uint8_t, kIdBytes + sizeof(Ed25519Signature)> bytes;
  store(bytes.data(), Be32::from_host(verifier_.key_id()));
  std::ranges::copy(*signature, bytes.begin() + kIdBytes);
  std::string note(text);
  note.append("\n").append(kSignatureMark).append(verifier_.name());
  note.append(" ").append(to_base64(bytes)).append("\n");
  return note;
}

Result<std::string_view> open_note(std::string_view note, std::span<const NoteVerifier> known) {
  const size_t end_of_text = note.rfind("\n\n");
  if (!is_note_text(note) || end_of_text == std::string_view::npos || !note.ends_with('\n'))
    return fail("not a signed note: UTF-8 text, an empty line and signature lines");
  const std::string_view text = note.substr(0, end_of_text + 1);
  std::string_view lines = note.substr(end_of_text + 2);
  bool verified = false;
  for (size_t count = 0; !lines.empty(); ++count) {
    std::string_view line = take_until(lines, '\n');
    if (count == kMostSignatures) return fail("the note has more than 100 signatures");
    if (!line.starts_with(kSignatureMark)) return fail("a signature line does not begin with a dash");
    line.remove_prefix(kSignatureMark.size());
    const std::string_view name = take_until(line, ' ');
    const auto bytes = from_base64(line);
    if (!is_key_name(name) || !bytes || bytes->size() <= kIdBytes)
      return fail("a signature line is not a name and a signature in base64");
    const uint32_t id = load<Be32>(bytes->data()).host();
    for (const NoteVerifier& key : known) {
      if (key.name() != name || key.key_id() != id) continue;
      if (!key.verify(text, std::span(*bytes).subspan(kIdBytes)))
        return fail("the signature of " + key.name() + " is wrong");
      verified = true;
    }
  }
  if (!verified) return fail("the note has no signature of a known key");
  return text;
}

}  // namespace sluice::crypto
