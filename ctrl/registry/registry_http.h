// Registration over HTTP and JSON: what a request asks for, and how it is answered. But for lists that wait,
// everything is answered at once. The registry's thread alone.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "common/result.h"
#include "ctrl/registry/registry_session.h"

namespace sluice::ctrl {

struct RegistryHttpRequest {
  std::string method;
  std::string target;  ///< path and query
  std::string body;
};

struct RegistryHttpAnswer {
  unsigned status = 200;
  std::string body = {};
  std::optional<uint64_t> index = {};
  std::string allow = {};  ///< of 405
};

/// A list that is to be answered once its index is another one, or the time is over.
struct RegistryWait {
  std::string service;
  uint64_t index = 0;
  std::chrono::milliseconds time{0};
};

struct RegistryHttpOutcome {
  RegistryHttpAnswer answer;
  std::optional<RegistryWait> wait = {};  ///< then `answer` is not it yet: answer_list()
};

RegistryHttpOutcome answer_http(RegistryParts& parts, const RegistryHttpRequest& request);
RegistryHttpAnswer answer_list(const RegistryParts& parts, const std::string& service);
RegistryHttpAnswer answer_refusal(const RegistryRefusal& refusal);

/// What a target names. Nothing: no resource of the registry.
struct RegistryTarget {
  std::string service;   ///< empty: all
  std::string instance;  ///< empty: none
  bool renews = false;
  std::optional<uint64_t> index = {};
  std::chrono::milliseconds wait{0};
};
/// An Error says which part cannot be read.
Result<std::optional<RegistryTarget>> parse_registry_target(std::string_view target);

}  // namespace sluice::ctrl
