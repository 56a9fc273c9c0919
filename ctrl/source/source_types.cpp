#include "ctrl/source/source_types.h"

#include <vector>

#include "ctrl/source/dns_source.h"

namespace sluice::ctrl {

std::span<const SourceType> source_types() {
  static const std::vector<SourceType> kTypes = {
  };
  return kTypes;
}

}  // namespace sluice::ctrl
