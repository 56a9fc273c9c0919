// What is said of a command line that is no good.
#pragma once

#include <CLI/CLI.hpp>
#include <algorithm>
#include <string>
#include <vector>

namespace sluice::ctrl {

/// Prints help, version or what is wrong; returns 0 for the former two. Where something is missing only
/// because of a word that was not understood, that word is what is wrong.
inline int show_usage_error(const CLI::App& app, const CLI::ParseError& error) {
  std::vector<std::string> not_understood = app.remaining(true);
  const bool is_missing = dynamic_cast<const CLI::RequiredError*>(&error) != nullptr;
  const bool is_extra = dynamic_cast<const CLI::ExtrasError*>(&error) != nullptr;
  if ((is_missing || is_extra) && !not_understood.empty()) {
    std::ranges::reverse(not_understood);  // ExtrasError joins them from the last to the first
    return app.exit(CLI::ExtrasError(app.get_name(), not_understood));
  }
  return app.exit(error);
}

}  // namespace sluice::ctrl
