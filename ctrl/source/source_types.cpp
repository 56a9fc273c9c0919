#include "ctrl/source/source_types.h"

#include <vector>

namespace sluice::ctrl {

std::span<const SourceType> source_types() {
  static const std::vector<SourceType> kTypes = {
      // {"dns", make_dns_source}, ...: in order of name
  };
  return kTypes;
}

}  // namespace sluice::ctrl
