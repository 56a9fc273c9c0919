#include "ctrl/intent/yaml_reader.h"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <deque>
#include <sstream>
#include <utility>
#include <vector>

#include "ctrl/intent/json_schema.h"
#include "ctrl/intent/yaml_scalar.h"

namespace sluice::ctrl {
namespace {

using nlohmann::json;

constexpr size_t kDeepest = 32;
constexpr size_t kMostValues = 5'000'000;
constexpr size_t kMostCopiedValues = 1'000'000;
constexpr size_t kMostDuplicates = 1000;

struct Refused {
  FilePosition position;
  std::string message;
};

FilePosition position_of(const YAML::Mark& mark) {
  return {std::max(mark.line, 0) + 1, std::max(mark.column, 0) + 1};
}

size_t count_values(const json& value) {
  size_t count = 1;
  if (value.is_structured()) {
    for (const json& child : value) count += count_values(child);
  }
  return count;
}

size_t height_of(const json& value) {
  size_t height = 0;
  if (value.is_structured()) {
    for (const json& child : value) height = std::max(height, height_of(child));
    ++height;
  }
  return height;
}

/// Builds the JSON value while the parser reports events. yaml-cpp's own tree of nodes would take ten
/// times the memory and several times the time for a large configuration.
class Builder : public YAML::EventHandler {
 public:
  json document;
  FieldPositions positions;
  std::vector<DuplicateKey> duplicates;

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (documents_++ > 0) refuse(mark, "there is more than one document in this file");
  }
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    if (!take_key(mark, nullptr)) scalar(mark, anchor, nullptr);
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    if (take_key(mark, &value)) return;
    if (tag == "?") {
      scalar(mark, anchor, resolve_plain_scalar(value));
    } else if (tag == "!" || tag == "tag:yaml.org,2002:str") {
      scalar(mark, anchor, value);
    } else {
      refuse(mark, "the tag " + tag + " has no meaning here");
    }
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    if (take_key(mark, nullptr)) return;
    const auto found = anchors_.find(anchor);
    if (found == anchors_.end()) refuse(mark, "an alias inside of what it stands for");
    count_copies(mark, found->second);
    if (frames_.size() + height_of(found->second) > kDeepest) refuse_depth(mark);
    place(mark, found->second);
    leave_field();
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    open(mark, tag, anchor, json::array());
  }
  void OnSequenceEnd() override { close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    open(mark, tag, anchor, json::object());
  }
  void OnMapEnd() override { close(); }

  bool has_document() const { return documents_ > 0; }

 private:
  struct Frame {
    json* container;
    YAML::anchor_t anchor;
    FilePosition position;
    size_t pointer_length;  ///< of pointer_ without the container's own token
    std::string key;        ///< of a mapping: the one whose value comes next
    FilePosition key_position;
    bool has_key = false;
    bool is_duplicate = false;  ///< the key was there before: its value goes nowhere
  };

  [[noreturn]] static void refuse(const YAML::Mark& mark, std::string message) {
    throw Refused{position_of(mark), std::move(message)};
  }
  [[noreturn]] static void refuse_depth(const YAML::Mark& mark) {
    refuse(mark, "nested deeper than " + std::to_string(kDeepest) + " levels");
  }

  /// True: this node was the key of a mapping's next member. `text` is null where it is no scalar.
  bool take_key(const YAML::Mark& mark, const std::string* text) {
    if (frames_.empty() || !frames_.back().container->is_object() || frames_.back().has_key) return false;
    if (!text) refuse(mark, "a key must be text, and a list or mapping must be closed");  // both look alike
    Frame& frame = frames_.back();
    frame.key = *text;
    frame.key_position = position_of(mark);
    frame.has_key = true;
    frame.is_duplicate = frame.container->contains(*text);
    if (frame.is_duplicate && duplicates.size() < kMostDuplicates) {
      duplicates.push_back({pointer_ + "/" + escape_pointer_token(*text), frame.key_position});
    }
    return true;
  }

  /// Puts a value where it belongs, notes its position, and leaves pointer_ at it.
  json& place(const YAML::Mark& mark, json value) {
    if (++values_ > kMostValues) refuse(mark, "more than " + std::to_string(kMostValues) + " values");
    if (frames_.empty()) {
      document = std::move(value);
      positions.emplace("", position_of(mark));
      return document;
    }
    Frame& frame = frames_.back();
    field_length_ = pointer_.size();
    pointer_ += '/';
    if (frame.container->is_object()) {
      frame.has_key = false;
      pointer_ += escape_pointer_token(frame.key);
      if (frame.is_duplicate) return discarded_.emplace_back(std::move(value));
      positions.emplace(pointer_, frame.key_position);
      return frame.container->get_ref<json::object_t&>().emplace(frame.key, std::move(value)).first->second;
    }
    pointer_ += std::to_string(frame.container->size());
    positions.emplace(pointer_, position_of(mark));
    frame.container->push_back(std::move(value));
    return frame.container->back();
  }

  void leave_field() { pointer_.resize(frames_.empty() ? 0 : field_length_); }

  void scalar(const YAML::Mark& mark, YAML::anchor_t anchor, json value) {
    remember(mark, anchor, value);
    place(mark, std::move(value));
    leave_field();
  }

  void open(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, json empty) {
    take_key(mark, nullptr);
    if (tag != "?" && tag != "!") refuse(mark, "the tag " + tag + " has no meaning here");
    if (frames_.size() >= kDeepest) refuse_depth(mark);
    const size_t length = pointer_.size();
    json& container = place(mark, std::move(empty));
    Frame frame;
    frame.container = &container;
    frame.anchor = anchor;
    frame.position = position_of(mark);
    frame.pointer_length = length;
    frames_.push_back(std::move(frame));
  }

  void close() {
    const Frame frame = std::move(frames_.back());
    frames_.pop_back();
    pointer_.resize(frame.pointer_length);
    YAML::Mark mark;
    mark.line = frame.position.line - 1;
    mark.column = frame.position.column - 1;
    remember(mark, frame.anchor, *frame.container);
  }

  void remember(const YAML::Mark& mark, YAML::anchor_t anchor, const json& value) {
    if (anchor == YAML::NullAnchor) return;
    count_copies(mark, value);
    anchors_[anchor] = value;
  }

  void count_copies(const YAML::Mark& mark, const json& value) {
    copied_ += count_values(value);
    if (copied_ > kMostCopiedValues) refuse(mark, "anchors and aliases stand for too many values");
  }

  std::vector<Frame> frames_;
  std::deque<json> discarded_;  ///< where the values of duplicate keys are built: their places must not move
  std::string pointer_;
  size_t field_length_ = 0;
  std::unordered_map<YAML::anchor_t, json> anchors_;
  size_t values_ = 0;
  size_t copied_ = 0;
  int documents_ = 0;
};

/// How many bytes a well-formed UTF-8 sequence at the start of `text` has (RFC 3629); 0 for none.
size_t utf8_length(std::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(text[i]); };
  const uint8_t first = byte(0);
  if (first < 0x80) return 1;
  const size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4 || text.size() < length) return 0;
  for (size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return 0;
  }
  const bool overlong = (first == 0xe0 && byte(1) < 0xa0) || (first == 0xf0 && byte(1) < 0x90);
  const bool surrogate = first == 0xed && byte(1) >= 0xa0;
  const bool too_great = first == 0xf4 && byte(1) >= 0x90;
  return overlong || surrogate || too_great ? 0 : length;
}

std::optional<YamlDocument::SyntaxError> check_characters(const std::string& text) {
  FilePosition position;
  for (size_t i = 0; i < text.size();) {
    const char c = text[i];
    const size_t length = utf8_length(std::string_view(text).substr(i));
    if (length == 0) return YamlDocument::SyntaxError{position, "is not UTF-8 text"};
    if ((c >= 0 && c < 0x20 && c != '\t' && c != '\n' && c != '\r') || c == 0x7f) {
      return YamlDocument::SyntaxError{position, "has a control character"};
    }
    i += length;
    position =
        c == '\n' ? FilePosition{position.line + 1, 1} : FilePosition{position.line, position.column + 1};
  }
  return std::nullopt;
}

}  // namespace

YamlDocument read_yaml(const std::string& text) {
  YamlDocument result;
  if (result.error = check_characters(text); result.error) return result;
  Builder builder;
  constexpr size_t kUsualBytesPerField = 16;
  builder.positions.reserve(std::min(text.size() / kUsualBytesPerField, kMostValues));
  try {
    std::istringstream stream(text);
    YAML::Parser parser(stream);
    while (parser.HandleNextDocument(builder)) {
    }
  } catch (const Refused& refused) {
    result.error = {refused.position, refused.message};
    return result;
  } catch (const YAML::Exception& error) {
    result.error = {position_of(error.mark), error.msg};
    return result;
  }
  if (!builder.has_document() || builder.document.is_null()) {
    result.error = {FilePosition{}, "the file is empty"};
    return result;
  }
  result.value = std::move(builder.document);
  result.positions = std::move(builder.positions);
  result.duplicates = std::move(builder.duplicates);
  return result;
}

}  // namespace sluice::ctrl
