#include "ctrl/wire/flow_json.h"

#include <array>
#include <charconv>

namespace sluice::ctrl {
namespace {

constexpr std::array<std::string_view, 9> kFlowEndWords = {
    "fin", "rst", "idle", "evicted", "flushed", "moved", "removed", "shutdown", "active"};

void add_number(std::string& text, uint64_t number) {
  std::array<char, 20> digits;
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), number).ptr;
  text.append(digits.data(), end);
}

/// Of microseconds.
void add_seconds(std::string& text, uint64_t microseconds) {
  add_number(text, microseconds / 1'000'000);
  const auto rest = static_cast<unsigned>(microseconds % 1'000'000);
  text += '.';
  for (unsigned unit = 100'000; unit != 0; unit /= 10) text += static_cast<char>('0' + rest / unit % 10);
}

/// RFC 8259, section 7.
void add_text(std::string& text, std::string_view value) {
  text += '"';
  for (const char byte : value) {
    if (byte == '"' || byte == '\\') {
      text += '\\';
      text += byte;
    } else if (static_cast<unsigned char>(byte) < 0x20) {
      constexpr std::string_view kHex = "0123456789abcdef";
      text += "\\u00";
      text += kHex[static_cast<unsigned char>(byte) >> 4];
      text += kHex[static_cast<unsigned char>(byte) & 15];
    } else {
      text += byte;
    }
  }
  text += '"';
}

void add_name(std::string& text, std::string_view name) {
  text += ",\"";
  text += name;
  text += "\":";
}
void add_member(std::string& text, std::string_view name, uint64_t number) {
  add_name(text, name);
  add_number(text, number);
}
void add_member(std::string& text, std::string_view name, std::string_view value) {
  add_name(text, name);
  add_text(text, value);
}

}  // namespace

std::string_view word_for(lb::FlowEnd end) {
  return kFlowEndWords[static_cast<size_t>(end)];
}

std::string flow_endpoint_text(const IpAddress& address, uint16_t port) {
  const std::string text = address.to_string();
  return (address.is_v4() ? text : "[" + text + "]") + ":" + std::to_string(port);
}

void add_flow_line(std::string& text, const NamedFlow& flow) {
  const lb::FlowRecord& record = flow.record;
  text += "{\"start\":";
  add_seconds(text, flow.begin_ns / 1000);
  add_name(text, "end");
  add_seconds(text, flow.end_ns / 1000);
  add_member(text, "protocol", record.key.protocol == IpProtocol::kTcp ? "tcp" : "udp");
  add_member(text, "source", record.key.source.to_string());
  add_member(text, "source_port", uint64_t{record.key.source_port.host()});
  add_member(text, "destination", record.key.destination.to_string());
  add_member(text, "destination_port", uint64_t{record.key.destination_port.host()});
  add_member(text, "service", flow.service);
  add_member(text, "pool", flow.pool);
  add_member(text, "backend", flow_endpoint_text(flow.backend, flow.backend_port));
  add_member(text, "packets_in", record.counts.packets_in);
  add_member(text, "packets_out", record.counts.packets_out);
  add_member(text, "bytes_in", record.counts.bytes_in);
  add_member(text, "bytes_out", record.counts.bytes_out);
  add_name(text, "handshake");
  if (record.handshake_us == lb::FlowRecord::kNoHandshake) {
    text += "null";
  } else {
    add_seconds(text, record.handshake_us);
  }
  add_member(text, "reason", word_for(record.end));
  text += "}\n";
}

}  // namespace sluice::ctrl
