#include "ctrl/intent/json_schema.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>
#include <stdexcept>
#include <utility>

namespace sluice::ctrl {

using nlohmann::json;

enum TypeBit : uint8_t {
  kObject = 1,
  kArray = 2,
  kString = 4,
  kInteger = 8,
  kNumber = 16,
  kBoolean = 32,
};

struct JsonSchema::Node {
  uint8_t type = 0;  ///< TypeBit; 0: any
  std::map<std::string, std::shared_ptr<const Node>, std::less<>> properties;
  std::vector<std::string> keys;  ///< of properties, for suggestions
  bool additional_properties = true;
  std::vector<std::string> required;
  std::shared_ptr<const Node> items;
  std::vector<std::shared_ptr<const Node>> any_of;
  std::vector<std::string> choices;  ///< enum
  size_t min_items = 0, max_items = std::numeric_limits<size_t>::max();
  size_t min_length = 0, max_length = std::numeric_limits<size_t>::max();
  std::optional<double> minimum, maximum;
};

namespace {

uint8_t type_bit(const std::string& name) {
  if (name == "object") return kObject;
  if (name == "array") return kArray;
  if (name == "string") return kString;
  if (name == "integer") return kInteger;
  if (name == "number") return kNumber;
  if (name == "boolean") return kBoolean;
  throw std::invalid_argument("JSON Schema: unknown type " + name);
}

const char* describe_types(uint8_t types) {
  switch (types) {
    case kObject:
      return "a mapping";
    case kArray:
      return "a list";
    case kString:
      return "a string";
    case kInteger:
      return "an integer";
    case kNumber:
      return "a number";
    case kBoolean:
      return "true or false";
    case kInteger | kArray:
      return "an integer or a list";
    case kInteger | kString:
      return "an integer or a string";
    default:
      return "another type";
  }
}

/// The types that a value has; an integer is a number too, and so is 1.0 an integer (draft-06 and later).
uint8_t types_of(const json& value) {
  switch (value.type()) {
    case json::value_t::object:
      return kObject;
    case json::value_t::array:
      return kArray;
    case json::value_t::string:
      return kString;
    case json::value_t::boolean:
      return kBoolean;
    case json::value_t::number_integer:
    case json::value_t::number_unsigned:
      return kInteger | kNumber;
    case json::value_t::number_float: {
      const double number = value.get<double>();
      return static_cast<uint8_t>(std::trunc(number) == number ? kInteger | kNumber : kNumber);
    }
    default:
      return 0;
  }
}

std::string show(const json& value) {
  switch (value.type()) {
    case json::value_t::null:
      return "empty";
    case json::value_t::object:
      return "a mapping";
    case json::value_t::array:
      return "a list";
    case json::value_t::string: {
      const auto& text = value.get_ref<const std::string&>();
      return text.size() <= 64 ? json(text).dump() : "a string of " + std::to_string(text.size()) + " bytes";
    }
    default:
      return value.dump();
  }
}

std::string show_number(double number) {
  return std::to_string(static_cast<int64_t>(number));
}

/// Characters, not bytes: what minLength and maxLength count.
size_t code_points(const std::string& text) {
  return static_cast<size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xc0) != 0x80; }));
}

std::string join(const std::vector<std::string>& words) {
  std::string text;
  for (size_t i = 0; i < words.size(); ++i) {
    if (i > 0) text += i + 1 == words.size() ? " or " : ", ";
    text += words[i];
  }
  return text;
}

/// Letters added, left out, mistaken, or swapped with their neighbor (optimal string alignment).
size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<size_t> before_last, last(b.size() + 1), row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    before_last = std::exchange(last, row);
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, last[j - 1] + (a[i - 1] != b[j - 1])});
      const bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
      if (swapped) row[j] = std::min(row[j], before_last[j - 2] + 1);
    }
  }
  return row[b.size()];
}

std::string suggestion(std::string_view word, const std::vector<std::string>& candidates) {
  const auto near = nearest(word, candidates);
  return near ? " (did you mean \"" + *near + "\"?)" : "";
}

}  // namespace

std::string escape_pointer_token(std::string_view token) {
  std::string escaped;
  escaped.reserve(token.size());
  for (const char c : token) {
    if (c == '~') {
      escaped += "~0";
    } else if (c == '/') {
      escaped += "~1";
    } else {
      escaped += c;
    }
  }
  return escaped;
}

std::optional<std::string> nearest(std::string_view word, const std::vector<std::string>& candidates) {
  constexpr size_t kLongestWord = 64;  // bounds the work for a hostile key
  if (word.size() > kLongestWord) return std::nullopt;
  const std::string* best = nullptr;
  size_t best_distance = std::max<size_t>(1, word.size() / 3) + 1;
  for (const std::string& candidate : candidates) {
    const size_t distance = edit_distance(word, candidate);
    if (distance < best_distance) {
      best = &candidate;
      best_distance = distance;
    }
  }
  return best ? std::optional(*best) : std::nullopt;
}

JsonSchema::JsonSchema(const json& schema) : root_(parse(schema, schema, 0)) {}

std::shared_ptr<const JsonSchema::Node> JsonSchema::parse(const json& schema, const json& root, int depth) {
  static const std::set<std::string> kAnnotations{
      "$schema", "$id", "title", "description", "default", "examples", "definitions", "pattern", "format"};
  constexpr int kDeepest = 64;
  if (depth > kDeepest) throw std::invalid_argument("JSON Schema: references form a cycle");
  // Draft-07: what stands beside $ref is not looked at.
  if (const auto reference = schema.find("$ref"); reference != schema.end()) {
    const auto target = reference->get<std::string>();
    if (!target.starts_with("#")) throw std::invalid_argument("JSON Schema: reference to " + target);
    return parse(root.at(json::json_pointer(target.substr(1))), root, depth + 1);
  }
  auto node = std::make_shared<Node>();
  for (const auto& [keyword, value] : schema.items()) {
    if (keyword == "type") {
      node->type = type_bit(value.get<std::string>());
    } else if (keyword == "properties") {
      for (const auto& [key, child] : value.items()) {
        node->properties.emplace(key, parse(child, root, depth + 1));
        node->keys.push_back(key);
      }
    } else if (keyword == "additionalProperties") {
      node->additional_properties = value.get<bool>();
    } else if (keyword == "required") {
      node->required = value.get<std::vector<std::string>>();
    } else if (keyword == "items") {
      node->items = parse(value, root, depth + 1);
    } else if (keyword == "anyOf") {
      for (const json& child : value) node->any_of.push_back(parse(child, root, depth + 1));
    } else if (keyword == "enum") {
      node->choices = value.get<std::vector<std::string>>();
    } else if (keyword == "minItems") {
      node->min_items = value.get<size_t>();
    } else if (keyword == "maxItems") {
      node->max_items = value.get<size_t>();
    } else if (keyword == "minLength") {
      node->min_length = value.get<size_t>();
    } else if (keyword == "maxLength") {
      node->max_length = value.get<size_t>();
    } else if (keyword == "minimum") {
      node->minimum = value.get<double>();
    } else if (keyword == "maximum") {
      node->maximum = value.get<double>();
    } else if (!kAnnotations.contains(keyword)) {
      throw std::invalid_argument("JSON Schema: unknown keyword " + keyword);
    }
  }
  return node;
}

/// One run over a document. The pointer is one string that grows and shrinks with the descent.
class JsonSchema::Check {
 public:
  std::vector<Fault> faults;

  void value(const Node& node, const json& value) {
    if (faults.size() >= kMostFaults) return;
    if (!node.any_of.empty()) return any_of(node, value);
    if (node.type != 0 && (node.type & types_of(value)) == 0) {
      return fault(std::string("must be ") + describe_types(node.type) + ", not " + show(value));
    }
    if (value.is_object()) {
      object(node, value);
    } else if (value.is_array()) {
      array(node, value);
    } else if (value.is_string()) {
      string(node, value.get_ref<const std::string&>());
    } else if (value.is_number()) {
      number(node, value);
    }
  }

 private:
  void fault(std::string message) { faults.push_back({pointer_, std::move(message)}); }

  template <typename Visit>
  void at(std::string_view token, Visit&& visit) {
    const size_t length = pointer_.size();
    pointer_ += '/';
    pointer_ += escape_pointer_token(token);
    visit();
    pointer_.resize(length);
  }

  /// The alternatives differ in type, so that the value's own type tells which one was meant.
  void any_of(const Node& node, const json& document) {
    uint8_t allowed = 0;
    for (const auto& alternative : node.any_of) {
      if ((alternative->type & types_of(document)) != 0) return value(*alternative, document);
      allowed |= alternative->type;
    }
    fault(std::string("must be ") + describe_types(allowed) + ", not " + show(document));
  }

  void object(const Node& node, const json& document) {
    const auto& members = document.get_ref<const json::object_t&>();
    for (const auto& entry : members) {
      if (faults.size() >= kMostFaults) return;
      const std::string& key = entry.first;
      if (const auto known = node.properties.find(key); known != node.properties.end()) {
        at(key, [&] { value(*known->second, entry.second); });
      } else if (!node.additional_properties) {
        at(key, [&] { fault("unknown key " + show(key) + suggestion(key, node.keys)); });
      }
    }
    for (const std::string& key : node.required) {
      if (!members.contains(key)) at(key, [&] { fault("\"" + key + "\" is missing"); });
    }
  }

  void array(const Node& node, const json& document) {
    if (document.size() < node.min_items) {
      fault("must have at least " + std::to_string(node.min_items) +
            (node.min_items == 1 ? " element" : " elements"));
    }
    if (document.size() > node.max_items) {
      return fault("must have at most " + std::to_string(node.max_items) + " elements, not " +
                   std::to_string(document.size()));
    }
    if (!node.items) return;
    for (size_t i = 0; i < document.size() && faults.size() < kMostFaults; ++i) {
      at(std::to_string(i), [&] { value(*node.items, document[i]); });
    }
  }

  void string(const Node& node, const std::string& text) {
    if (!node.choices.empty() &&
        std::find(node.choices.begin(), node.choices.end(), text) == node.choices.end()) {
      return fault("must be " + join(node.choices) + ", not " + show(text) + suggestion(text, node.choices));
    }
    const size_t length = code_points(text);
    if (length < node.min_length) {
      fault(length == 0
                ? "must not be empty"
                : "must have at least " + std::to_string(node.min_length) + " characters, not " + show(text));
    }
    if (length > node.max_length) {
      fault("must have at most " + std::to_string(node.max_length) + " characters, not " +
            std::to_string(length));
    }
  }

  void number(const Node& node, const json& document) {
    const double number = document.get<double>();
    if ((!node.minimum || number >= *node.minimum) && (!node.maximum || number <= *node.maximum)) return;
    if (node.minimum && node.maximum) {
      fault("must be " + show_number(*node.minimum) + " to " + show_number(*node.maximum) + ", not " +
            document.dump());
    } else {
      fault(node.minimum ? "must be at least " + show_number(*node.minimum) + ", not " + document.dump()
                         : "must be at most " + show_number(*node.maximum) + ", not " + document.dump());
    }
  }

  std::string pointer_;
};

std::vector<Fault> JsonSchema::check(const json& document) const {
  Check check;
  check.value(*root_, document);
  return std::move(check.faults);
}

}  // namespace sluice::ctrl
