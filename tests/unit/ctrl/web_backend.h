// Backends of the sample's pool `web`.
#pragma once

#include <string>

#include "ctrl/intent/model.h"

namespace sluice::ctrl {

inline BackendKey web(int number) {
  return {"web", *IpAddress::parse("198.51.100." + std::to_string(number)), 8080};
}

}  // namespace sluice::ctrl
