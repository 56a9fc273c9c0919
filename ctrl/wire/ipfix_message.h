// Records of flows as IPFIX (RFC 7011), both directions of a flow in one record (RFC 5103). Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "ctrl/wire/named_flow.h"

namespace sluice::ctrl::ipfix {

/// The id of a template (RFC 7011, section 3.4.1): one for flows over IPv4, one for those over IPv6.
enum class Template : uint16_t { kIpv4 = 256, kIpv6 = 257 };

inline constexpr size_t kMessageHeader = 16;  ///< bytes, as the next
inline constexpr size_t kSetHeader = 4;
inline constexpr uint32_t kObservationDomain = 1;

/// A data record, and whose form it has. Counts are those since the record before of the same flow, for its
/// elements are deltas.
struct DataRecord {
  Template form;
  std::string bytes;
};
DataRecord record_of(const NamedFlow& flow);

/// One message, sets added one after the other.
class FlowMessage {
 public:
  /// `most`: bytes that it may have.
  explicit FlowMessage(size_t most) : most_(most), bytes_(kMessageHeader, '\0') {}

  /// Adds the set of both templates.
  void add_templates();
  /// False: it does not fit.
  bool add(const DataRecord& record);
  uint32_t records() const { return records_; }
  bool is_empty() const { return bytes_.size() == kMessageHeader; }
  /// The whole message. `sequence`: data records of this stream before it, modulo 2^32.
  std::string finish(uint32_t export_seconds, uint32_t sequence);

 private:
  void begin_set(uint16_t id);
  void end_set();

  size_t most_;
  std::string bytes_;
  size_t set_ = 0;  ///< where it begins; 0: there is none
  uint16_t set_id_ = 0;
  uint32_t records_ = 0;
};

}  // namespace sluice::ctrl::ipfix
