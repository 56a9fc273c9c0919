// The kinds of health checks, as the configuration has them. What each does: ctrl/health/checks.h.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace sluice::ctrl {

enum class HealthType : uint8_t { kNone, kTcp, kTls, kHttp, kHttps, kGrpc, kDns, kUdp };
/// In the order of the enumeration.
inline constexpr auto kHealthTypeNames =
    std::to_array<std::string_view>({"none", "tcp", "tls", "http", "https", "grpc", "dns", "udp"});

}  // namespace sluice::ctrl
