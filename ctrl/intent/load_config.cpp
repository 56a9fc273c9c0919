#include "ctrl/intent/load_config.h"

#include <utility>

#include "ctrl/intent/config_file.h"
#include "ctrl/intent/config_schema.h"

namespace sluice::ctrl {

tl::expected<LoadedConfig, std::vector<std::string>> load_config(const std::string& path) {
  const auto began = std::chrono::system_clock::now();
  auto file = read_config_file(path);
  if (!file) return tl::unexpected(std::vector{file.error().message});
  auto config = check_config_file(std::move(*file));
  if (config) config->reading_began = began;
  return config;
}

tl::expected<LoadedConfig, std::vector<std::string>> check_config_file(ConfigFile file) {
  auto model = parse_config(file.config);
  if (model && file.duplicates.empty()) return LoadedConfig{std::move(file), std::move(*model)};
  auto lines = file.describe(model ? std::vector<Fault>{} : model.error().faults);
  if (lines.empty()) lines.push_back(file.path + ": " + model.error().message);
  return tl::unexpected(std::move(lines));
}

}  // namespace sluice::ctrl
