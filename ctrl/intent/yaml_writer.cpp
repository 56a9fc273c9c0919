#include "ctrl/intent/yaml_writer.h"

#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <nlohmann/json.hpp>

namespace sluice::ctrl {
namespace {

using nlohmann::json;

/// Whether nothing could take it for anything but a string.
bool is_plain_word(const std::string& text) {
  const auto is_letter = [](char byte) { return (byte >= 'a' && byte <= 'z') || byte == '_'; };
  constexpr std::string_view kOther[] = {"yes", "no", "true", "false", "null", "on", "off", "y", "n"};
  return !text.empty() && std::ranges::all_of(text, is_letter) &&
         std::ranges::find(kOther, text) == std::end(kOther);
}

void emit(YAML::Emitter& out, const json& value) {
  switch (value.type()) {
    case json::value_t::object:
      out << (value.empty() ? YAML::Flow : YAML::Block) << YAML::BeginMap;
      for (const auto& [name, member] : value.items()) {
        out << YAML::Key << (is_plain_word(name) ? YAML::Auto : YAML::DoubleQuoted) << name << YAML::Value;
        emit(out, member);
      }
      out << YAML::EndMap;
      break;
    case json::value_t::array:
      out << (value.empty() ? YAML::Flow : YAML::Block) << YAML::BeginSeq;
      for (const auto& item : value) emit(out, item);
      out << YAML::EndSeq;
      break;
    case json::value_t::string:
      out << YAML::DoubleQuoted << value.get_ref<const std::string&>();
      break;
    case json::value_t::null:
      out << YAML::Null;
      break;
    default:
      out << value.dump();  // numbers and booleans read alike in both
  }
}

}  // namespace

std::string yaml_text(const json& value) {
  YAML::Emitter out;
  emit(out, value);
  return std::string(out.c_str()) + "\n";
}

}  // namespace sluice::ctrl
