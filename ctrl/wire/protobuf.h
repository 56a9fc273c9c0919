// Protocol Buffers' wire format: read field by field, forwards, and written. Pure; what is read is bounded by
// its bytes, and nothing is copied.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace sluice::ctrl {

class ProtobufReader {
 public:
  enum class Type : uint8_t { kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 };
  struct Field {
    uint32_t number = 0;
    Type type = Type::kVarint;
    uint64_t integer = 0;         ///< but of kBytes
    std::string_view bytes = {};  ///< of kBytes alone

    bool is_bytes(uint32_t wanted) const { return number == wanted && type == Type::kBytes; }
    bool is_integer(uint32_t wanted) const { return number == wanted && type == Type::kVarint; }
  };

  explicit ProtobufReader(std::string_view message) : rest_(message) {}

  /// The next field; nothing at the end, or where what follows is none.
  std::optional<Field> next();
  /// After next() had nothing: the message is cut, or no message.
  bool is_faulty() const { return is_faulty_; }

 private:
  std::optional<uint64_t> varint();
  std::optional<std::string_view> take(uint64_t size);

  std::string_view rest_;
  bool is_faulty_ = false;
};

/// Appends fields to a message. Integers that are 0 and empty texts are not written, as proto3 has it.
class ProtobufWriter {
 public:
  void integer(uint32_t number, uint64_t value) {
    if (value != 0) present_integer(number, value);
  }
  /// Written even where it is 0: `optional` fields.
  void present_integer(uint32_t number, uint64_t value);
  /// Written even where it is 0.
  void fixed64(uint32_t number, uint64_t value);
  void text(uint32_t number, std::string_view value) {
    if (!value.empty()) message(number, value);
  }
  /// Written even where it is empty: elements of lists, and messages.
  void message(uint32_t number, std::string_view value);

  std::string take() { return std::move(bytes_); }

 private:
  void varint(uint64_t value);

  std::string bytes_;
};

}  // namespace sluice::ctrl
