// The control socket's bytes, from framing to the checking of parameters: whatever arrives, in whatever
// pieces, no value that is too deep or too large is handed on, and cutting does not depend on the pieces.
#include <cstdint>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "ctrl/rpc/json_framer.h"
#include "ctrl/rpc/method.h"

namespace sluice::ctrl {
namespace {

void require(bool promise) {
  if (!promise) std::abort();
}

unsigned depth_of(std::string_view text) {
  unsigned depth = 0, deepest = 0;
  bool in_string = false;
  for (size_t i = 0; i < text.size(); ++i) {
    if (in_string) {
      if (text[i] == '\\')
        ++i;
      else if (text[i] == '"')
        in_string = false;
    } else if (text[i] == '"') {
      in_string = true;
    } else if (text[i] == '{' || text[i] == '[') {
      deepest = std::max(deepest, ++depth);
    } else if ((text[i] == '}' || text[i] == ']') && depth > 0) {
      --depth;
    }
  }
  return deepest;
}

std::vector<std::string> events(std::string_view stream, size_t piece) {
  JsonFramer framer;
  std::vector<std::string> found;
  for (size_t at = 0; at < stream.size(); at += piece) {
    framer.append(stream.substr(at, piece));
    while (const auto event = framer.next()) {
      if (const auto* fault = std::get_if<FrameFault>(&*event)) {
        found.push_back("fault " + std::to_string(static_cast<int>(*fault)));
      } else {
        found.emplace_back(std::get<std::string_view>(*event));
      }
    }
  }
  return found;
}

const Method& example() {
  static const Method method{"example",
                             Role::kView,
                             "",
                             "",
                             {{"text", ParamType::kString, true, "", 0, 0, {"a", "b"}},
                              {"number", ParamType::kInteger, false, "", -5, 65535},
                              {"address", ParamType::kAddress, false, ""},
                              {"object", ParamType::kObject, false, ""}},
                             nullptr};
  return method;
}

void check(const std::string& value) {
  const bool is_structure = value.starts_with('{') || value.starts_with('[');
  if (is_structure) require(depth_of(value) <= JsonFramer::kMaxDepth);
  if (!is_structure && depth_of(value) > 1000) return;  // a line of garbage, which the parser refuses at once
  auto request = nlohmann::json::parse(value, nullptr, false);
  if (!request.is_object()) return;
  const auto params = request.value("params", nlohmann::json(nullptr));
  if (!params.is_null() && !params.is_structured()) return;
  if (const auto checked = check_params(example(), params)) {
    const auto text = checked->at("text");
    require(text == "a" || text == "b");
  }
}

}  // namespace
}  // namespace sluice::ctrl

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace sluice::ctrl;
  const std::string_view stream(reinterpret_cast<const char*>(data), size);
  const auto whole = events(stream, size + 1);
  require(whole == events(stream, 1));
  for (const auto& value : whole) check(value);
  return 0;
}
