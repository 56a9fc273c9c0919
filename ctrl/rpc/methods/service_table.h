// The answer of service.table. Pure.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "lb/pool_table.h"

namespace sluice::ctrl {

/// `{service, size, slots, sha256}`: how many slots each endpoint has, and the hash over the 19-byte
/// endpoint of every slot in slot order.
nlohmann::json table_object(const std::string& service, const lb::PoolTable& table);

}  // namespace sluice::ctrl
