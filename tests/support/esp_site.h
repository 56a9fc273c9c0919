// An ESP tunnel for packet tests: Tables that reach backends by it, and its other end, which is OpenSSL's.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>

#include "dataplane/esp/tunnel_tables.h"
#include "tests/support/packet_builder.h"
#include "tests/support/test_tables.h"

namespace sluice::test {

struct EspSpec {
  bool is_v4 = true;  ///< the outer headers
  bool is_udp = false;
  bool is_extended = false;
  unsigned workers = 1;
  uint64_t first = 1;  ///< sequence number that the gateway sends
};

/// The tunnel leads to 10.30.0.0/16 and fd30::/32, by core, to `backend2` of test_tables.h.
class EspSite {
 public:
  static constexpr const char* kBackend4 = "10.30.0.11";
  static constexpr const char* kBackend6 = "fd30::11";

  explicit EspSite(const EspSpec& spec = {});

  /// Has the tables' backends within those networks be reached by the tunnel.
  void lead(dataplane::Tables& tables) const;

  struct Opened {
    uint64_t number;
    Bytes inner;
  };
  /// What the other end finds in a frame of the gateway's, whose number's upper half is `high`; nothing: it
  /// is no packet of the tunnel's, or its ICV is wrong.
  std::optional<Opened> opened(const Bytes& frame, uint32_t high = 0) const;
  /// The frame that the other end makes of an IP packet.
  Bytes sealed(const Bytes& inner, uint64_t number) const;

  /// What it counts of the gateway's workers.
  const dataplane::TunnelState& state() const { return *state_; }
  const dataplane::OutboundSa& out() const { return *out_; }
  const dataplane::InboundSa& in() const { return *in_; }

 private:
  const Family& family() const { return spec_.is_v4 ? kIpv4 : kIpv6; }

  EspSpec spec_;
  std::shared_ptr<std::atomic<uint64_t>> highest_ = std::make_shared<std::atomic<uint64_t>>(0);
  std::shared_ptr<dataplane::TunnelState> state_;
  std::shared_ptr<const dataplane::InboundSa> in_;
  std::shared_ptr<const dataplane::OutboundSa> out_;
};

}  // namespace sluice::test
