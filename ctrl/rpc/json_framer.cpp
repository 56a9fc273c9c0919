#include "ctrl/rpc/json_framer.h"

#include <algorithm>

namespace sluice::ctrl {
namespace {

bool is_space(char byte) {
  return byte == ' ' || byte == '\t' || byte == '\r' || byte == '\n';
}

bool is_scalar(char byte) {
  return (byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
         byte == '-' || byte == '+' || byte == '.';
}

}  // namespace

void JsonFramer::drop_taken() {
  buffer_.erase(0, start_);
  position_ -= start_;
  string_start_ -= start_;
  if (last_line_ != std::string::npos) last_line_ -= start_;
  start_ = 0;
}

void JsonFramer::erase_taken() {
  const size_t size = buffer_.size();
  drop_taken();
  // What has moved to the front left its bytes behind.
  const size_t left = buffer_.size();
  buffer_.append(size - left, '\0');
  buffer_.resize(left);
}

void JsonFramer::append(std::string_view bytes) {
  constexpr size_t kKeptCapacity = size_t{256} << 10;
  drop_taken();
  if (buffer_.empty() && buffer_.capacity() > kKeptCapacity) buffer_ = std::string();
  buffer_.append(bytes);
}

std::optional<JsonFramer::Event> JsonFramer::next() {
  while (position_ < buffer_.size()) {
    std::optional<Event> event;
    switch (state_) {
      case State::kBetween:
        scan_between();
        break;
      case State::kValue:
        event = scan_value();
        break;
      case State::kLine:
        event = scan_line();
        break;
      case State::kSkipping:
        skip();
        break;
    }
    if (event) return event;
  }
  return std::nullopt;
}

void JsonFramer::skip() {
  const size_t line_end = buffer_.find('\n', position_);
  const size_t end = line_end == std::string::npos ? buffer_.size() : line_end + 1;
  skipped_ += end - position_;
  start_ = position_ = end;
  if (line_end != std::string::npos) state_ = State::kBetween;
}

FrameFault JsonFramer::give_up() {
  state_ = State::kBetween;
  start_ = position_ = buffer_.size();
  return FrameFault::kMalformed;
}

void JsonFramer::scan_between() {
  while (position_ < buffer_.size() && is_space(buffer_[position_])) ++position_;
  start_ = position_;
  if (position_ == buffer_.size()) return;
  begin_value();
  if (buffer_[position_] != '{' && buffer_[position_] != '[') state_ = State::kLine;
}

std::optional<JsonFramer::Event> JsonFramer::scan_line() {
  position_ = std::min(buffer_.find('\n', position_), buffer_.size());
  if (position_ - start_ > kMaxRequestBytes) return fail(FrameFault::kTooLarge);
  if (position_ == buffer_.size()) return std::nullopt;
  const auto line = std::string_view(buffer_).substr(start_, position_ - start_);
  start_ = ++position_;
  state_ = State::kBetween;
  return line;
}

void JsonFramer::begin_value() {
  state_ = State::kValue;
  depth_ = 0;
  objects_ = 0;
  last_ = Token::kOpen;
  in_string_ = escaped_ = in_scalar_ = false;
  last_line_ = std::string::npos;
  method_ = Method::kUnseen;
}

std::optional<JsonFramer::Event> JsonFramer::scan_value() {
  for (; position_ < buffer_.size(); ++position_) {
    const auto fault = in_string_ ? take_string_byte(buffer_[position_]) : take(buffer_[position_]);
    if (fault) return fail(*fault);
    if (depth_ == 0) {
      const size_t begin = start_;
      start_ = ++position_;
      state_ = State::kBetween;
      if (start_ - begin > limit()) return FrameFault::kTooLarge;
      return std::string_view(buffer_).substr(begin, start_ - begin);
    }
  }
  if (position_ - start_ > limit()) return fail(FrameFault::kTooLarge);
  return std::nullopt;
}

std::optional<FrameFault> JsonFramer::take_string_byte(char byte) {
  if (escaped_) {
    escaped_ = false;
  } else if (byte == '\\') {
    escaped_ = true;
  } else if (byte == '"') {
    in_string_ = false;
    end_string();
  }
  // RFC 8259, 7: control characters are escaped in strings. A line end in one is a request cut short.
  return byte == '\n' ? std::optional(FrameFault::kMalformed) : std::nullopt;
}

std::optional<FrameFault> JsonFramer::take(char byte) {
  if (is_space(byte)) {
    in_scalar_ = false;
    if (byte == '\n') last_line_ = position_ + 1;
    return std::nullopt;
  }
  if (is_scalar(byte)) {
    if (in_scalar_) return std::nullopt;
    if (last_ == Token::kValue || (in_object() && last_ != Token::kColon)) return FrameFault::kMalformed;
    in_scalar_ = true;
    last_ = Token::kValue;
    if (method_ == Method::kNext) method_ = Method::kOther;
    return std::nullopt;
  }
  in_scalar_ = false;
  switch (byte) {
    case '{':
    case '[':
      return open(byte == '{');
    case '}':
    case ']':
      if (in_object() != (byte == '}') || last_ == Token::kComma || last_ == Token::kColon) break;
      --depth_;
      last_ = Token::kValue;
      return std::nullopt;
    case '"':
      if (last_ == Token::kValue) break;
      in_string_ = true;
      string_start_ = position_ + 1;
      return std::nullopt;
    case ',':
    case ':':
      if (last_ != Token::kValue || (byte == ':' && !in_object())) break;
      last_ = byte == ',' ? Token::kComma : Token::kColon;
      return std::nullopt;
  }
  return FrameFault::kMalformed;
}

std::optional<FrameFault> JsonFramer::open(bool object) {
  if (depth_ > 0 && (last_ == Token::kValue || (in_object() && last_ != Token::kColon))) {
    return FrameFault::kMalformed;
  }
  if (depth_ == kMaxDepth) return FrameFault::kTooDeep;
  if (method_ == Method::kNext) method_ = Method::kOther;
  if (depth_ == 0 && !object) method_ = Method::kOther;  // a batch
  objects_ = (objects_ & ~(uint64_t{1} << depth_)) | uint64_t{object} << depth_;
  ++depth_;
  last_ = Token::kOpen;
  return std::nullopt;
}

void JsonFramer::end_string() {
  const auto text = std::string_view(buffer_).substr(string_start_, position_ - string_start_);
  if (method_ == Method::kNext) {
    method_ = text.starts_with("config.") ? Method::kConfig : Method::kOther;
  } else if (depth_ == 1 && in_object() && last_ != Token::kColon && text == "method") {
    method_ = Method::kNext;
  }
  last_ = Token::kValue;
}

size_t JsonFramer::limit() const {
  // Until its method is seen a request has the benefit of the doubt: members come in any order.
  return method_ == Method::kOther ? kMaxRequestBytes : kMaxConfigRequestBytes;
}

FrameFault JsonFramer::fail(FrameFault fault) {
  // The next request may begin on the line where this one stopped making sense, if that is another line
  // than the one it began on; else the rest of the line goes with it.
  if (fault == FrameFault::kMalformed && last_line_ != std::string::npos) {
    start_ = position_ = last_line_;
    state_ = State::kBetween;
  } else if (fault == FrameFault::kMalformed && position_ < buffer_.size() && buffer_[position_] == '\n') {
    start_ = ++position_;
    state_ = State::kBetween;
  } else {
    start_ = position_;
    skipped_ = 0;
    state_ = State::kSkipping;
  }
  return fault;
}

}  // namespace sluice::ctrl
