// The messages of gRPC's health protocol (grpc.health.v1.Health/Check), with gRPC's five bytes before them.
// Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace sluice::ctrl {

enum class ServingStatus : uint8_t { kUnknown, kServing, kNotServing, kServiceUnknown };

/// HealthCheckRequest{service}.
std::string grpc_health_request(std::string_view service);

/// HealthCheckResponse.status; nothing where the bytes are not one whole, uncompressed response. Fields that
/// the protocol does not know are passed over; a status that it does not know is kUnknown.
std::optional<ServingStatus> grpc_health_response(std::span<const uint8_t> bytes);

/// `SERVING`, as the protocol spells it.
const char* name_of(ServingStatus status);

}  // namespace sluice::ctrl
