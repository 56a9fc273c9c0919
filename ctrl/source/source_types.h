// Every type of source that there is: a new one is a file of its own and a row here.
#pragma once

#include <memory>
#include <span>
#include <string_view>

#include "ctrl/source/source.h"

namespace sluice::ctrl {

struct SourceType {
  std::string_view name;  ///< `type` in the configuration
  std::shared_ptr<Source> (*make)(const SourceModel& model, SourceContext context);
};

/// Which keys of `sources` and `discover` a type has: ctrl/intent/source_keys.h.
std::span<const SourceType> source_types();

}  // namespace sluice::ctrl
