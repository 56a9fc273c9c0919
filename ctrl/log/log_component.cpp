#include "ctrl/log/log_component.h"

#include <algorithm>

namespace sluice::ctrl {
namespace {

struct Folder {
  const char* begin;  ///< of a source file's path from the root on
  LogComponent component;
};

/// The first that fits counts.
constexpr auto kFolders = std::to_array<Folder>({
    {"ctrl/observed/source_log", LogComponent::kSource},
    {"ctrl/observed/", LogComponent::kBackend},
    {"ctrl/source/", LogComponent::kSource},
    {"ctrl/store/gateway_sources", LogComponent::kSource},
    {"ctrl/store/", LogComponent::kGateway},
    {"ctrl/health/", LogComponent::kHealth},
    {"ctrl/http/", LogComponent::kHttp},
    {"ctrl/ledger/", LogComponent::kLedger},
    {"ctrl/registry/", LogComponent::kRegistry},
    {"ctrl/rpc/", LogComponent::kControl},
    {"ctrl/access/", LogComponent::kControl},
    {"ctrl/remote/", LogComponent::kControl},
    {"ctrl/tunnel/", LogComponent::kTunnel},
    {"dataplane/", LogComponent::kDataplane},
});

/// `../ctrl/log/log.cpp`, as the compiler was told it, from the root on.
std::string_view from_root(std::string_view file) {
  const size_t folder = std::min(file.rfind("ctrl/"), file.rfind("dataplane/"));
  return folder == std::string_view::npos ? file : file.substr(folder);
}

}  // namespace

LogComponent log_component_of(std::string_view source_file) {
  const std::string_view file = from_root(source_file);
  const auto* folder =
      std::ranges::find_if(kFolders, [&](const Folder& row) { return file.starts_with(row.begin); });
  return folder == kFolders.end() ? LogComponent::kDaemon : folder->component;
}

const char* log_source_for(LogComponent component) {
  const auto* folder = std::ranges::find(kFolders, component, &Folder::component);
  return folder == kFolders.end() ? "ctrl/daemon/" : folder->begin;
}

std::optional<LogComponent> log_component_named(std::string_view name) {
  const auto* found = std::ranges::find(kLogComponents, name);
  if (found == kLogComponents.end()) return std::nullopt;
  return static_cast<LogComponent>(found - kLogComponents.begin());
}

}  // namespace sluice::ctrl
