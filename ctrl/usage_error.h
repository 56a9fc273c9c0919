// What is said of a command line that is no good.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

namespace sluice::ctrl {

/// Prints help, version or what is wrong; returns 0 for the former two. Where something is missing only
/// because of a word that was not understood, that word is what is wrong.
inline int show_usage_error(const CLI::App& app, const CLI::ParseError& error) {
  const std::vector<std::string> not_understood = app.remaining(true);
  const bool is_missing = dynamic_cast<const CLI::RequiredError*>(&error) != nullptr;
  if (is_missing && !not_understood.empty()) {
    return app.exit(CLI::ExtrasError(app.get_name(), not_understood));
  }
  return app.exit(error);
}

}  // namespace sluice::ctrl
