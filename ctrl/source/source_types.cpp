#include "ctrl/source/source_types.h"

#include <vector>

#include "ctrl/source/file_source.h"

namespace sluice::ctrl {

std::span<const SourceType> source_types() {
  static const std::vector<SourceType> kTypes = {
      {"file", make_file_source},
  };
  return kTypes;
}

}  // namespace sluice::ctrl
