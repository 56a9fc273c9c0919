// What the values of key-value registries say of an instance. Pure. Errors are for people: "no port".
#pragma once

#include <optional>
#include <string_view>

#include "common/result.h"
#include "ctrl/source/source.h"

namespace sluice::ctrl {

/// Of etcd: `{"Op":0,"Addr":"10.20.0.11:8080","Metadata":{"weight":2}}` as etcd's own naming writes it,
/// `{"address":..,"port":..,"weight":..}`, or `host:port`.
Result<Instance> read_etcd_value(std::string_view value);

/// Of ZooKeeper: a member of a serverset (`serviceEndpoint`, `status`), an instance of Curator's service
/// discovery (`address`, `port`), or `host:port`. Nothing: it says that it does not serve.
Result<std::optional<Instance>> read_zookeeper_value(std::string_view value);

}  // namespace sluice::ctrl
