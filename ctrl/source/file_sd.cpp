#include "ctrl/source/file_sd.h"

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>
#include <optional>
#include <string_view>

#include "ctrl/intent/yaml_reader.h"

namespace sluice::ctrl {
namespace {

using nlohmann::json;

constexpr uint32_t kGreatestWeight = 65535;
constexpr size_t kLongestName = 253;  // RFC 1035, 2.3.4, as text
constexpr size_t kShown = 120;

template <typename Number>
std::optional<Number> parse_number(std::string_view text) {
  Number number = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (code != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return number;
}

bool is_name(std::string_view text) {
  const auto may_stand = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_';
  };
  return !text.empty() && text.size() <= kLongestName && std::ranges::all_of(text, may_stand);
}

/// What stands in a log line: no control characters, no more than fits.
std::string shown(std::string_view text) {
  std::string result(text.substr(0, kShown));
  std::ranges::replace_if(
      result, [](char c) { return c < ' ' || c == 0x7f || c == '"'; }, '?');
  return result + (text.size() > kShown ? "..." : "");
}

class Reader {
 public:
  Result<Snapshot> read(const json& groups) {
    if (!groups.is_array()) return fail("is not a list of groups of targets");
    for (size_t i = 0; i < groups.size(); ++i) {
      group(groups[i], i);
      if (snapshot_.instances.size() > kMostInstances) {
        return fail("has more than " + std::to_string(kMostInstances) + " targets");
      }
    }
    if (!groups.empty() && !has_targets_) return fail("has no group with a list of targets");
    return std::move(snapshot_);
  }

 private:
  void leave_out(const std::string& what, const std::string& why) {
    ++snapshot_.unreadable;
    if (snapshot_.unreadable_entries.size() < Snapshot::kMostNamed) {
      snapshot_.unreadable_entries.push_back(what + ": " + why);
    }
  }

  void group(const json& group, size_t number) {
    const std::string place = "group " + std::to_string(number);
    if (!group.is_object()) return leave_out(place, "is no object");
    const auto targets = group.find("targets");
    if (targets == group.end() || !targets->is_array()) return leave_out(place, "has no list of targets");
    has_targets_ = true;
    const auto weight = weight_of(group);
    for (const json& target : *targets) {
      if (!target.is_string()) {
        leave_out(place, "has a target that is no text");
        continue;
      }
      const auto& text = target.get_ref<const std::string&>();
      auto instance = parse_target(text);
      if (!instance || !weight) {
        leave_out(shown(text), instance ? "its weight is not 0 to 65535" : instance.error().message);
        continue;
      }
      instance->weight = *weight;
      snapshot_.instances.push_back(std::move(*instance));
    }
  }

  /// Nothing: it is no weight.
  static std::optional<uint32_t> weight_of(const json& group) {
    const auto labels = group.find("labels");
    if (labels == group.end() || !labels->is_object()) return 1;
    const auto label = labels->find("weight");
    if (label == labels->end()) return 1;
    std::optional<uint32_t> weight;
    if (label->is_string()) weight = parse_number<uint32_t>(label->get_ref<const std::string&>());
    if (label->is_number_unsigned()) {
      weight = static_cast<uint32_t>(std::min<uint64_t>(label->get<uint64_t>(), kGreatestWeight + 1));
    }
    return weight && *weight <= kGreatestWeight ? weight : std::nullopt;
  }

  Snapshot snapshot_;
  bool has_targets_ = false;  ///< some group has; else this is another kind of file
};

}  // namespace

Result<Instance> parse_target(std::string_view text) {
  const size_t colon = text.rfind(':');
  const bool is_bracketed = text.starts_with('[');
  const bool has_port = colon != std::string_view::npos && (!is_bracketed || text[colon - 1] == ']') &&
                        (is_bracketed || text.find(':') == colon);
  if (!has_port) return fail("no port");
  const auto port = parse_number<uint16_t>(text.substr(colon + 1));
  if (!port || *port == 0) return fail("its port is not 1 to 65535");
  std::string_view host = text.substr(0, colon);
  if (is_bracketed) host = host.substr(1, host.size() - 2);
  Instance instance;
  instance.port = *port;
  if (const auto address = IpAddress::parse(host); address && address->is_v6() == is_bracketed) {
    instance.address = *address;
  } else if (!is_bracketed && is_name(host) && !address) {
    instance.name = host;
  } else {
    return fail("no address");
  }
  return instance;
}

Result<Snapshot> parse_file_sd(const std::string& text) {
  const size_t first = text.find_first_not_of(" \t\r\n");
  if (first == std::string::npos) return fail("is empty");
  // JSON is read as such: it is YAML too, but a parser for that takes twenty times as long.
  if (text[first] == '[' || text[first] == '{') {
    const json document = json::parse(text, nullptr, false);
    if (!document.is_discarded()) return Reader().read(document);
  }
  const YamlDocument document = read_yaml(text);
  if (document.error) {
    return fail("line " + std::to_string(document.error->position.line) + ": " + document.error->message);
  }
  return Reader().read(document.value);
}

}  // namespace sluice::ctrl
