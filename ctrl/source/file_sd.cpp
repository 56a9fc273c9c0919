#include "ctrl/source/file_sd.h"

#include <nlohmann/json.hpp>
#include <string>

#include "ctrl/intent/yaml_reader.h"
#include "ctrl/source/entry.h"
#include "ctrl/wire/bounded_json.h"

namespace sluice::ctrl {
namespace {

using nlohmann::json;

class Reader {
 public:
  Result<Snapshot> read(const json& groups) {
    if (!groups.is_array()) return fail("is not a list of groups of targets");
    for (size_t i = 0; i < groups.size(); ++i) group(groups[i], "group " + std::to_string(i));
    if (targets_ > kMostInstances)
      return fail("has more than " + std::to_string(kMostInstances) + " targets");
    if (!groups.empty() && !has_targets_) return fail("has no group with a list of targets");
    return builder_.finish("");
  }

 private:
  void group(const json& group, const std::string& place) {
    if (!group.is_object()) return builder_.leave_out(place, "is no object");
    const auto targets = group.find("targets");
    if (targets == group.end() || !targets->is_array()) {
      return builder_.leave_out(place, "has no list of targets");
    }
    has_targets_ = true;
    const json& labels = member(group, "labels");
    const json& weight = member(labels, "weight");
    const auto read = weight.is_null() ? Result<uint32_t>(1) : read_weight(weight);
    for (const json& target : *targets) {
      if (!target.is_string()) {
        builder_.leave_out(place, "has a target that is no text");
      } else if (++targets_ <= kMostInstances) {
        add(target.get_ref<const std::string&>(), read);
      }
    }
  }

  void add(const std::string& target, const Result<uint32_t>& weight) {
    auto instance = read_host_port(target);
    if (!instance || !weight) {
      return builder_.leave_out(target, (instance ? weight.error() : instance.error()).message);
    }
    instance->weight = *weight;
    builder_.add(std::move(*instance));
  }

  SnapshotBuilder builder_;
  size_t targets_ = 0;
  bool has_targets_ = false;  ///< some group has; else this is another kind of file
};

}  // namespace

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
