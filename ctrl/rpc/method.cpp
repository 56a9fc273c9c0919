#include "ctrl/rpc/method.h"

#include <algorithm>

#include "common/address.h"

namespace sluice::ctrl {
namespace {

using nlohmann::json;

std::string_view json_type(ParamType type) {
  switch (type) {
    case ParamType::kString:
    case ParamType::kAddress:
      return "string";
    case ParamType::kInteger:
      return "integer";
    case ParamType::kBoolean:
      return "boolean";
    case ParamType::kObject:
      return "object";
    case ParamType::kStrings:
      return "array";
  }
  return "";
}

bool has_type(const json& value, ParamType type) {
  switch (type) {
    case ParamType::kString:
    case ParamType::kAddress:
      return value.is_string();
    case ParamType::kInteger:
      return value.is_number_integer();
    case ParamType::kBoolean:
      return value.is_boolean();
    case ParamType::kObject:
      return value.is_object();
    case ParamType::kStrings:
      return value.is_array();
  }
  return false;
}

std::string joined(const std::vector<std::string_view>& words) {
  std::string text;
  for (const auto word : words) text += (text.empty() ? "" : ", ") + std::string(word);
  return text;
}

bool in_range(const json& value, const Param& param) {
  if (value.is_number_unsigned()) {
    return value.get<uint64_t>() <= static_cast<uint64_t>(param.maximum) &&
           (param.minimum <= 0 || value.get<uint64_t>() >= static_cast<uint64_t>(param.minimum));
  }
  return value.get<int64_t>() >= param.minimum && value.get<int64_t>() <= param.maximum;
}

bool is_choice(const Param& param, const json& word) {
  return word.is_string() &&
         (param.choices.empty() ||
          std::ranges::find(param.choices, word.get_ref<const std::string&>()) != param.choices.end());
}

/// What is wrong with a value; empty: nothing.
std::string complaint(const Param& param, const json& value) {
  if (!has_type(value, param.type)) return "must be of type " + std::string(json_type(param.type));
  switch (param.type) {
    case ParamType::kString:
      if (!is_choice(param, value)) return "must be one of " + joined(param.choices);
      break;
    case ParamType::kStrings:
      if (!std::ranges::all_of(value, [&](const json& word) { return is_choice(param, word); })) {
        return "must be a list of strings" +
               (param.choices.empty() ? "" : ", each one of " + joined(param.choices));
      }
      break;
    case ParamType::kAddress:
      if (!IpAddress::parse(value.get_ref<const std::string&>())) return "must be an IPv4 or IPv6 address";
      break;
    case ParamType::kInteger:
      if (!in_range(value, param)) {
        return "must lie within " + std::to_string(param.minimum) + " and " + std::to_string(param.maximum);
      }
      break;
    case ParamType::kBoolean:
    case ParamType::kObject:
      break;
  }
  return "";
}

json by_position(const Method& method, const json& values, std::vector<Fault>& faults) {
  json object = json::object();
  for (size_t i = 0; i < values.size(); ++i) {
    if (i >= method.params.size()) {
      faults.push_back({"/" + std::to_string(i), "one parameter too many"});
      break;
    }
    if (!values[i].is_null()) object[std::string(method.params[i].name)] = values[i];
  }
  return object;
}

std::string escaped(std::string_view token) {  // RFC 6901, 3
  std::string text;
  for (const char byte : token) text += byte == '~' ? "~0" : byte == '/' ? "~1" : std::string(1, byte);
  return text;
}

}  // namespace

Answer check_params(const Method& method, json params) {
  std::vector<Fault> faults;
  json object = params.is_array()  ? by_position(method, params, faults)
                : params.is_null() ? json::object()
                                   : std::move(params);
  for (const auto& [name, value] : object.items()) {
    const auto param = std::ranges::find(method.params, std::string_view(name), &Param::name);
    const std::string wrong = param == method.params.end() ? "unknown parameter" : complaint(*param, value);
    if (!wrong.empty()) faults.push_back({"/" + escaped(name), wrong});
  }
  for (const auto& param : method.params) {
    if (param.required && !object.contains(param.name)) {
      faults.push_back({"/" + std::string(param.name), "is missing"});
    }
  }
  if (faults.empty()) return object;
  Refusal refusal{Refusal::Kind::kInvalid, "the parameters of " + std::string(method.name) + " are wrong", "",
                  std::move(faults)};
  refusal.hint = "system.methods lists what each method takes";
  return tl::unexpected(std::move(refusal));
}

json params_schema(const Method& method) {
  json properties = json::object();
  json required = json::array();
  for (const auto& param : method.params) {
    json property = {{"type", json_type(param.type)}, {"description", param.help}};
    if (param.type == ParamType::kInteger) {
      property["minimum"] = param.minimum;
      if (param.maximum != std::numeric_limits<int64_t>::max()) property["maximum"] = param.maximum;
    }
    if (param.type == ParamType::kStrings) property["items"] = {{"type", "string"}};
    json& word = param.type == ParamType::kStrings ? property["items"] : property;
    if (!param.choices.empty()) word["enum"] = param.choices;
    properties[std::string(param.name)] = std::move(property);
    if (param.required) required.push_back(param.name);
  }
  json schema = {{"type", "object"}, {"properties", properties}, {"additionalProperties", false}};
  if (!required.empty()) schema["required"] = required;
  return schema;
}

}  // namespace sluice::ctrl
