#include "ctrl/intent/source_keys.h"

#include <algorithm>

namespace sluice::ctrl {

std::span<const SourceKeys> source_keys() {
  static const std::vector<SourceKeys> kKeys = {
      {"consul", {"*endpoints", "token", "datacenter", "tls"}, {"*service", "tag"}},
      {"dns", {"servers", "min_ttl", "max_ttl", "tls"}, {"*name", "record", "port"}},
      {"etcd", {"*endpoints", "username", "password", "tls"}, {"*prefix"}},
      {"file", {}, {"*path"}},
      {"kubernetes", {"endpoints", "token", "ca", "tls"}, {"*namespace", "*service", "port"}},
      {"registry", {}, {"*service"}},
      {"xds", {"*endpoints", "node", "delta", "tls"}, {"*cluster"}},
      {"zookeeper", {"*endpoints", "session_timeout", "username", "password", "tls"}, {"*path"}},
  };
  return kKeys;
}

const SourceKeys* keys_of(std::string_view type) {
  const auto keys = source_keys();
  const auto found = std::ranges::find(keys, type, &SourceKeys::type);
  return found == keys.end() ? nullptr : &*found;
}

bool SourceKeys::has(std::span<const std::string_view> keys, std::string_view key) {
  return std::ranges::any_of(keys, [&](std::string_view known) {
    return known == key || (known.starts_with('*') && known.substr(1) == key);
  });
}

}  // namespace sluice::ctrl
