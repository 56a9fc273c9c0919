#include "ctrl/load_config.h"

#include <utility>

#include "ctrl/config_file.h"
#include "ctrl/config_schema.h"

namespace sluice::ctrl {

tl::expected<LoadedConfig, std::vector<std::string>> load_config(const std::string& path) {
  auto file = read_config_file(path);
  if (!file) return tl::unexpected(std::vector{file.error().message});
  auto model = parse_config(file->config);
  if (model) return LoadedConfig{std::move(file->config), std::move(*model)};
  auto lines = file->describe(model.error().faults);
  if (lines.empty()) lines.push_back(path + ": " + model.error().message);
  return tl::unexpected(std::move(lines));
}

}  // namespace sluice::ctrl
