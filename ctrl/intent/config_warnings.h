// What a configuration may say, and yet hardly means: told by --check-config, at the start, and with the
// answer to an apply. Control thread.
#pragma once

#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <vector>

#include "common/address.h"
#include "ctrl/intent/fault.h"
#include "ctrl/intent/model.h"

namespace sluice::ctrl {

/// The source address that this host's kernel takes towards an address; nothing where it has no route.
using KernelSource = std::function<std::optional<IpAddress>(const IpAddress&)>;

/// The kernel's own answer: a lookup of its routing table, without a packet.
std::optional<IpAddress> kernel_source(const IpAddress& destination);

/// At most kMostFaults warnings, for the model that `config` was made into; the pointers are of `config`.
/// Backends that are asked about at the kernel are bounded, so that this takes milliseconds.
std::vector<Fault> warnings_of(const Model& model, const nlohmann::json& config,
                               const KernelSource& source = kernel_source);

}  // namespace sluice::ctrl
