#include "ctrl/wire/ipfix_message.h"

#include <array>
#include <cstddef>
#include <string_view>
#include <utility>

#include "ctrl/wire/flow_json.h"

namespace sluice::ctrl::ipfix {
namespace {

constexpr uint16_t kVersion = 10;
constexpr uint16_t kTemplateSet = 2;
constexpr uint16_t kVariable = 65'535;    ///< RFC 7011, section 7
constexpr uint16_t kEnterprise = 0x8000;  ///< bit of an element's id: a number of who defines it follows
constexpr uint32_t kReverse = 29'305;     ///< RFC 5103, section 6.1
constexpr size_t kMostText = 200;         ///< bytes of a name

/// An information element: IANA's registry "IPFIX Information Elements".
struct Element {
  uint16_t id;
  uint16_t bytes;
  bool is_reverse = false;
};
constexpr std::array<Element, 16> kElements = {{
    {152, 8},          // flowStartMilliseconds
    {153, 8},          // flowEndMilliseconds
    {8, 4},            // sourceIPv4Address, or sourceIPv6Address
    {12, 4},           // destinationIPv4Address, or destinationIPv6Address
    {7, 2},            // sourceTransportPort
    {11, 2},           // destinationTransportPort
    {4, 1},            // protocolIdentifier
    {136, 1},          // flowEndReason
    {2, 8},            // packetDeltaCount
    {352, 8},          // layer2OctetDeltaCount
    {2, 8, true},      // reversePacketDeltaCount
    {352, 8, true},    // reverseLayer2OctetDeltaCount
    {96, kVariable},   // applicationName: the service
    {374, kVariable},  // applicationGroupName: the pool
    {94, kVariable},   // applicationDescription: the backend
    {239, 1},          // biflowDirection
}};
constexpr uint16_t kSourceIpv4 = 8, kDestinationIpv4 = 12, kSourceIpv6 = 27, kDestinationIpv6 = 28;

template <typename Number>
void add_number(std::string& bytes, Number number) {
  for (size_t shift = sizeof number * 8; shift != 0; shift -= 8) {
    bytes += static_cast<char>(static_cast<uint8_t>(number >> (shift - 8)));
  }
}
void put16(std::string& bytes, size_t at, size_t number) {
  bytes[at] = static_cast<char>(static_cast<uint8_t>(number >> 8));
  bytes[at + 1] = static_cast<char>(static_cast<uint8_t>(number));
}

/// Of one byte's length: none of ours is longer.
void add_text(std::string& bytes, std::string_view text) {
  const std::string_view shown = text.substr(0, kMostText);
  add_number(bytes, static_cast<uint8_t>(shown.size()));
  bytes += shown;
}

/// flowEndReason.
uint8_t reason_of(lb::FlowEnd end) {
  constexpr uint8_t kIdleTimeout = 1, kActiveTimeout = 2, kEndDetected = 3, kForced = 4, kNoResources = 5;
  switch (end) {
    case lb::FlowEnd::kFin:
    case lb::FlowEnd::kReset:
      return kEndDetected;
    case lb::FlowEnd::kIdle:
      return kIdleTimeout;
    case lb::FlowEnd::kEvicted:
      return kNoResources;
    case lb::FlowEnd::kActive:
      return kActiveTimeout;
    case lb::FlowEnd::kFlushed:
    case lb::FlowEnd::kMoved:
    case lb::FlowEnd::kRemoved:
    case lb::FlowEnd::kShutdown:
      return kForced;
  }
  return kForced;
}

void add_address(std::string& bytes, const IpAddress& address, bool is_v4) {
  const auto all = address.bytes();
  const auto* const first = reinterpret_cast<const char*>(all.data());
  bytes.append(is_v4 ? first + 12 : first, is_v4 ? 4 : 16);
}

void add_template(std::string& bytes, Template form) {
  add_number(bytes, static_cast<uint16_t>(form));
  add_number(bytes, static_cast<uint16_t>(kElements.size()));
  for (Element element : kElements) {
    if (form == Template::kIpv6 && (element.id == kSourceIpv4 || element.id == kDestinationIpv4)) {
      element = {element.id == kSourceIpv4 ? kSourceIpv6 : kDestinationIpv6, 16};
    }
    add_number(bytes, static_cast<uint16_t>(element.id | (element.is_reverse ? kEnterprise : 0)));
    add_number(bytes, element.bytes);
    if (element.is_reverse) add_number(bytes, kReverse);
  }
}

}  // namespace

DataRecord record_of(const NamedFlow& flow) {
  const lb::FlowRecord& from = flow.record;
  const bool is_v4 = from.key.source.is_v4();
  DataRecord record{is_v4 ? Template::kIpv4 : Template::kIpv6, {}};
  std::string& bytes = record.bytes;
  add_number(bytes, flow.begin_ns / 1'000'000);
  add_number(bytes, flow.end_ns / 1'000'000);
  add_address(bytes, from.key.source, is_v4);
  add_address(bytes, from.key.destination, is_v4);
  add_number(bytes, from.key.source_port.host());
  add_number(bytes, from.key.destination_port.host());
  add_number(bytes, static_cast<uint8_t>(from.key.protocol));
  add_number(bytes, reason_of(from.end));
  add_number(bytes, from.counts.packets_in - from.told.packets_in);
  add_number(bytes, from.counts.bytes_in - from.told.bytes_in);
  add_number(bytes, from.counts.packets_out - from.told.packets_out);
  add_number(bytes, from.counts.bytes_out - from.told.bytes_out);
  add_text(bytes, flow.service);
  add_text(bytes, flow.pool);
  add_text(bytes, flow_endpoint_text(flow.backend, flow.backend_port));
  constexpr uint8_t kFromInitiator = 1;
  add_number(bytes, kFromInitiator);
  return record;
}

void FlowMessage::begin_set(uint16_t id) {
  end_set();
  set_ = bytes_.size();
  set_id_ = id;
  add_number(bytes_, id);
  add_number(bytes_, uint16_t{0});  // its length, by end_set()
}

void FlowMessage::end_set() {
  if (set_ != 0) put16(bytes_, set_ + 2, bytes_.size() - set_);
  set_ = 0;
}

void FlowMessage::add_templates() {
  begin_set(kTemplateSet);
  add_template(bytes_, Template::kIpv4);
  add_template(bytes_, Template::kIpv6);
}

bool FlowMessage::add(const DataRecord& record) {
  const auto id = static_cast<uint16_t>(record.form);
  const bool needs_set = set_ == 0 || set_id_ != id;
  if (bytes_.size() + (needs_set ? kSetHeader : 0) + record.bytes.size() > most_) return false;
  if (needs_set) begin_set(id);
  bytes_ += record.bytes;
  ++records_;
  return true;
}

/// RFC 7011, section 3.1.
std::string FlowMessage::finish(uint32_t export_seconds, uint32_t sequence) {
  end_set();
  std::string header;
  add_number(header, kVersion);
  add_number(header, static_cast<uint16_t>(bytes_.size()));
  add_number(header, export_seconds);
  add_number(header, sequence);
  add_number(header, kObservationDomain);
  bytes_.replace(0, kMessageHeader, header);
  return std::move(bytes_);
}

}  // namespace sluice::ctrl::ipfix
