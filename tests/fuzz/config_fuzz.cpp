// The configuration on any bytes, as a YAML file and as JSON: whatever is accepted must survive being
// written out and read again, and every fault must point somewhere.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "ctrl/intent/config_file.h"
#include "ctrl/intent/config_schema.h"

namespace sluice::ctrl {
namespace {

void require(bool promise) {
  if (!promise) std::abort();
}

void check(const ConfigFile& file) {
  const auto model = parse_config(file.config);
  if (!model) {
    require(!model.error().faults.empty());
    const size_t faults = model.error().faults.size() + file.duplicates.size();
    require(file.describe(model.error().faults).size() == faults);
    for (const Fault& fault : model.error().faults) {
      require(!fault.message.empty() && (fault.pointer.empty() || fault.pointer[0] == '/'));
    }
    return;
  }
  const nlohmann::json filled = to_json(*model);
  const auto again = parse_config(filled);
  require(again && to_json(*again) == filled);
}

}  // namespace
}  // namespace sluice::ctrl

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace sluice::ctrl;
  const std::string text(reinterpret_cast<const char*>(data), size);
  const auto file = parse_config_text("fuzz.yaml", text);
  if (!file && file.error().message.empty()) std::abort();
  if (file) check(*file);
  const auto json = nlohmann::json::parse(text, nullptr, false);
  if (!json.is_discarded()) check({"fuzz.json", json, {}, {}});
  return 0;
}
