#include "ctrl/source/entry.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "common/decimal.h"
#include "ctrl/net/faults.h"

namespace sluice::ctrl {
namespace {

using nlohmann::json;

constexpr size_t kMostNameBytes = 253;

/// A number without a fraction, or its digits.
std::optional<uint64_t> whole_number(const json& value) {
  if (value.is_number_unsigned()) return value.get<uint64_t>();
  if (value.is_number_integer()) return std::nullopt;  // below 0
  if (value.is_number_float()) {                       // 2.0 of a writer that knows no integers
    const double number = value.get<double>();
    if (number >= 0 && number <= 1e9 && number == static_cast<double>(static_cast<uint64_t>(number))) {
      return static_cast<uint64_t>(number);
    }
    return std::nullopt;
  }
  if (value.is_string()) return parse_decimal(value.get_ref<const std::string&>());
  return std::nullopt;
}

bool is_host_name(std::string_view text) {
  if (text.empty() || text.size() > kMostNameBytes || text.front() == '.' || text.front() == '-')
    return false;
  if (text.find("..") != std::string_view::npos) return false;
  const bool is_plain = std::ranges::all_of(text, [](char byte) {
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || (byte >= '0' && byte <= '9') ||
           byte == '-' || byte == '_' || byte == '.';
  });
  // What ends in a number is an address that cannot be read, as URLs have it: 10.20.0.256.
  text.remove_suffix(text.ends_with('.') ? 1 : 0);
  const std::string_view last = text.substr(text.rfind('.') + 1);
  return is_plain && !append_digits(0, last);
}

}  // namespace

Result<void> read_host(std::string_view text, Instance& instance) {
  if (text.empty()) return fail("no address");
  if (const auto address = IpAddress::parse(text)) {
    instance.address = *address;
    return {};
  }
  if (!is_host_name(text)) return fail("its address is neither an IP address nor a name");
  instance.name = text;
  return {};
}

Result<uint16_t> read_port(const json& value) {
  if (value.is_null()) return fail("no port");
  const auto number = whole_number(value);
  if (!number || *number < 1 || *number > 65535) return fail("its port is not 1 to 65535");
  return static_cast<uint16_t>(*number);
}

Result<uint32_t> read_weight(const json& value) {
  const auto number = whole_number(value);
  if (!number || *number > 65535) return fail("its weight is not 0 to 65535");
  return static_cast<uint32_t>(*number);
}

Result<Instance> read_host_port(std::string_view text) {
  constexpr std::string_view kBlank = " \t\r\n";
  text.remove_prefix(std::min(text.find_first_not_of(kBlank), text.size()));
  text = text.substr(0, text.find_last_not_of(kBlank) + 1);
  if (text.empty()) return fail("empty");
  std::string_view host, port;
  if (text.starts_with('[')) {
    const size_t end = text.find(']');
    if (end == std::string_view::npos) return fail("its address has no closing bracket");
    host = text.substr(1, end - 1);
    const auto address = IpAddress::parse(host);
    if (!address || address->is_v4()) return fail("what is in brackets is no IPv6 address");
    if (end + 1 == text.size() || text[end + 1] != ':') return fail("no port");
    port = text.substr(end + 2);
  } else {
    if (IpAddress::parse(text)) return fail("no port");
    const size_t colon = text.rfind(':');
    if (colon == std::string_view::npos) return fail("no port");
    host = text.substr(0, colon);
    port = text.substr(colon + 1);
  }
  Instance instance;
  if (auto read = read_host(host, instance); !read) return tl::unexpected(read.error());
  const auto number = read_port(std::string(port));
  if (!number) return tl::unexpected(number.error());
  instance.port = *number;
  return instance;
}

bool looks_like_json(std::string_view text) {
  const size_t first = text.find_first_not_of(" \t\r\n");
  return first != std::string_view::npos && text[first] == '{';
}

std::string unreadable_entry(std::string_view entry, std::string_view reason) {
  constexpr size_t kMostBytes = 200, kMostOfReason = 80;
  reason = reason.substr(0, kMostOfReason);
  std::string text(entry.substr(0, kMostBytes - 2 - reason.size()));
  text += ": ";
  text += reason;
  std::ranges::replace_if(
      text, [](char byte) { return byte < ' ' || byte > '~'; }, '?');
  return text;
}

void SnapshotBuilder::leave_out(std::string_view entry, std::string_view reason) {
  leave_out(unreadable_entry(entry, reason));
}

void SnapshotBuilder::leave_out(const std::string& entry_and_reason) {
  ++snapshot_.unreadable;
  if (snapshot_.unreadable_entries.size() < Snapshot::kMostNamed) {
    snapshot_.unreadable_entries.push_back(entry_and_reason);
  }
}

Snapshot SnapshotBuilder::finish(std::string version) {
  if (snapshot_.instances.size() > kMostInstances) {
    throw PeerFault("more than " + std::to_string(kMostInstances) + " instances");
  }
  if (snapshot_.services.size() > kMostOfferedServices) {
    throw PeerFault("more than " + std::to_string(kMostOfferedServices) + " services");
  }
  snapshot_.version = std::move(version);
  return std::move(snapshot_);
}

}  // namespace sluice::ctrl
