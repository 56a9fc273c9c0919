// Cuts the byte stream of a control connection into JSON values before anything parses them: checks size
// and depth without recursion, and finds its feet again after garbage. Pure; one per connection.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

namespace sluice::ctrl {

/// Why no value could be cut.
enum class FrameFault : uint8_t { kMalformed, kTooDeep, kTooLarge };

/// One object or array at a time, in the order of arrival. Values may follow each other on a line, and one
/// may span several lines where JSON may be broken; what is malformed costs the rest of its line. A line
/// that begins with neither is handed on whole: the parser says what it is.
class JsonFramer {
 public:
  static constexpr size_t kMaxRequestBytes = size_t{4} << 20;
  static constexpr size_t kMaxConfigRequestBytes = size_t{64} << 20;  ///< for methods `config.*`
  static constexpr unsigned kMaxDepth = 32;

  using Event = std::variant<std::string_view, FrameFault>;

  void append(std::string_view bytes);
  /// The next value, or what is wrong with it; nothing: more bytes are needed. A view is valid until
  /// append() is called again.
  std::optional<Event> next();
  /// Erases the bytes of values that were cut: they may be secret. Views of them end.
  void erase_taken();
  /// Ends the unfinished value as malformed: the peer has stopped sending.
  FrameFault give_up();

  bool in_value() const { return state_ == State::kValue || state_ == State::kLine; }
  /// A value that was cut off, or garbage, is being skipped up to the end of its line.
  bool skipping() const { return state_ == State::kSkipping; }
  /// How much of it has been skipped so far.
  size_t skipped_bytes() const { return skipped_; }
  /// The unfinished value ends with a line end: either it goes on at once, or it never does.
  bool at_line_end() const { return state_ == State::kValue && !in_string_ && buffer_.back() == '\n'; }
  size_t buffered_bytes() const { return buffer_.size(); }

 private:
  enum class State : uint8_t { kBetween, kValue, kLine, kSkipping };
  enum class Token : uint8_t { kOpen, kComma, kColon, kValue };  ///< the last one of the value under way
  enum class Method : uint8_t { kUnseen, kNext, kConfig, kOther };

  void scan_between();
  std::optional<Event> scan_value();
  std::optional<Event> scan_line();
  void skip();
  std::optional<FrameFault> take(char byte);
  std::optional<FrameFault> take_string_byte(char byte);
  std::optional<FrameFault> open(bool object);
  void end_string();
  bool in_object() const { return (objects_ >> (depth_ - 1) & 1) != 0; }
  size_t limit() const;
  FrameFault fail(FrameFault fault);
  void drop_taken();
  void begin_value();

  std::string buffer_;
  size_t start_ = 0;     ///< of the value under way
  size_t position_ = 0;  ///< of the next byte to look at
  State state_ = State::kBetween;
  size_t skipped_ = 0;

  // Of the value under way.
  unsigned depth_ = 0;
  uint64_t objects_ = 0;  ///< bit d: level d + 1 is an object
  Token last_ = Token::kOpen;
  bool in_string_ = false;
  bool escaped_ = false;
  bool in_scalar_ = false;
  size_t string_start_ = 0;
  size_t last_line_ = std::string::npos;  ///< where its last line begins, if it has more than one
  Method method_ = Method::kUnseen;
};

}  // namespace sluice::ctrl
