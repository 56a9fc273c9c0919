#include "ctrl/intent/config_values.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>
#include <optional>
#include <utility>

#include "ctrl/intent/file_reference.h"
#include "lb/policies/all.h"

namespace sluice::ctrl {
namespace {

/// The whole text as a decimal number without sign.
template <typename T>
std::optional<T> parse_decimal(std::string_view text) {
  T number{};
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (code != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return number;
}

std::string quoted(std::string_view text) {
  return "\"" + std::string(text.substr(0, 64)) + "\"";
}

bool is_visible(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c >= '!' && c <= '~'; });
}

template <typename Enum, size_t kSize>
using Words = std::array<std::pair<const char*, Enum>, kSize>;

constexpr Words<IpProtocol, 2> kProtocols{{{"tcp", IpProtocol::kTcp}, {"udp", IpProtocol::kUdp}}};
constexpr Words<dataplane::IdleMode, 2> kIdleModes{
    {{"poll", dataplane::IdleMode::kPoll}, {"adaptive", dataplane::IdleMode::kAdaptive}}};
constexpr Words<Framing, 2> kFramings{{{"raw", Framing::kRaw}, {"coap", Framing::kCoap}}};
constexpr std::array<std::pair<std::string_view, uint64_t>, 4> kSizeUnits{
    {{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"B", 1}}};

template <typename Enum, size_t kSize>
Enum value_of(const Words<Enum, kSize>& words, std::string_view word) {
  for (const auto& [text, value] : words) {
    if (word == text) return value;
  }
  return words.front().second;
}

template <typename Enum, size_t kSize>
const char* word_of(const Words<Enum, kSize>& words, Enum value) {
  for (const auto& [text, candidate] : words) {
    if (candidate == value) return text;
  }
  return "unknown";
}

}  // namespace

Result<PortRange> parse_port_range(std::string_view text) {
  if (text == "any") return PortRange{};
  const size_t dash = text.find('-');
  const auto first = parse_decimal<uint16_t>(text.substr(0, dash));
  const auto last = dash == std::string_view::npos ? first : parse_decimal<uint16_t>(text.substr(dash + 1));
  if (!first || !last || *first == 0) {
    return fail(quoted(text) + " is not a port, a range of ports such as 8000-8099, or any");
  }
  if (*first > *last) return fail("the range " + std::string(text) + " ends before it begins");
  return PortRange{*first, *last};
}

Result<std::chrono::milliseconds> parse_duration(std::string_view text) {
  using std::chrono::milliseconds;
  constexpr milliseconds kLongest = std::chrono::hours(24);
  constexpr std::array<std::pair<std::string_view, int64_t>, 4> kUnits{
      {{"ms", 1}, {"s", 1000}, {"m", 60'000}, {"h", 3'600'000}}};
  const size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
  const auto number = parse_decimal<uint32_t>(text.substr(0, digits));
  for (const auto& [unit, factor] : kUnits) {
    if (!number || text.substr(digits) != unit) continue;
    const milliseconds duration(static_cast<int64_t>(*number) * factor);
    if (duration > kLongest) return fail(quoted(text) + " is longer than 24h");
    return duration;
  }
  return fail(quoted(text) + " is not a duration such as 500ms, 2s, 5m or 1h");
}

std::string format_duration(std::chrono::milliseconds duration) {
  const int64_t count = duration.count();
  if (count % 1000 != 0) return std::to_string(count) + "ms";
  return std::to_string(count / 1000) + "s";
}

Result<uint64_t> parse_size(std::string_view text) {
  const size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
  const auto number = parse_decimal<uint32_t>(text.substr(0, digits));
  for (const auto& [unit, factor] : kSizeUnits) {
    const bool fits = text.substr(digits) == unit || (factor == 1 && digits == text.size());
    if (number && fits) return *number * factor;
  }
  return fail(quoted(text) + " is not a size such as 4096, 64KiB, 1MiB or 1GiB");
}

std::string format_size(uint64_t bytes) {
  for (const auto& [unit, factor] : kSizeUnits) {
    if (bytes != 0 && bytes % factor == 0) return std::to_string(bytes / factor) + std::string(unit);
  }
  return "0B";
}

Result<SipKey> parse_hash_key(std::string_view text) {
  std::array<uint8_t, 16> bytes{};
  bool valid = text.size() == 32;
  for (size_t i = 0; valid && i < 16; ++i) {
    const char* digits = text.data() + i * 2;
    const auto [end, code] = std::from_chars(digits, digits + 2, bytes[i], 16);
    valid = code == std::errc{} && end == digits + 2;
  }
  if (!valid) return fail("must be 32 hexadecimal digits (openssl rand -hex 16 makes them)");
  return SipKey{load<uint64_t>(bytes.data()), load<uint64_t>(bytes.data() + 8)};
}

std::string format_hash_key(const SipKey& key) {
  std::array<uint8_t, 16> bytes{};
  store(bytes.data(), key.k0);
  store(bytes.data() + 8, key.k1);
  std::string text;
  for (const uint8_t byte : bytes) {
    char digits[3];
    std::snprintf(digits, sizeof digits, "%02x", byte);
    text += digits;
  }
  return text;
}

Result<std::string> parse_name(std::string_view text) {
  if (!is_visible(text)) return fail("a name is made of visible ASCII characters, without spaces");
  return std::string(text);
}

Result<MacAddress> parse_station_mac(std::string_view text) {
  auto mac = MacAddress::parse(text);
  if (mac && (mac->is_multicast() || mac->is_zero())) {
    return fail(std::string(text) + " is not the MAC address of one station");
  }
  return mac;
}

bool is_host_address(const IpAddress& address) {
  const uint8_t first = address.bytes()[address.is_v4() ? 12 : 0];
  const bool multicast = address.is_v4() ? first >= 224 : first == 0xff;
  const bool unspecified = address.is_v4() ? first == 0 : address == IpAddress{};
  return !multicast && !unspecified;
}

Result<IpAddress> parse_host_address(std::string_view text) {
  auto address = IpAddress::parse(text);
  if (address && !is_host_address(*address)) return fail(quoted(text) + " is not the address of one host");
  return address;
}

bool is_link_local(const IpAddress& address) {
  return address.bytes()[0] == 0xfe && (address.bytes()[1] & 0xc0) == 0x80;
}

Result<ZonedAddress> parse_zoned_address(std::string_view text) {
  const size_t percent = text.find('%');
  const auto address = parse_host_address(text.substr(0, percent));
  if (!address) return tl::unexpected(address.error());
  if (percent == std::string_view::npos) return ZonedAddress{*address, ""};
  if (!is_link_local(*address)) {
    return fail("only a link-local address (fe80::/10) is followed by the port that it is on");
  }
  return ZonedAddress{*address, std::string(text.substr(percent + 1))};
}

Result<Prefix> parse_interface_address(std::string_view text) {
  auto prefix = Prefix::parse(text, true);
  if (!prefix) return prefix;
  if (auto host = parse_host_address(text.substr(0, text.find('/'))); !host) {
    return tl::unexpected(host.error());
  }
  return prefix;
}

Result<Prefix> parse_network(std::string_view text) {
  return Prefix::parse(text);
}

Result<unsigned> parse_file_mode(std::string_view text) {
  unsigned mode = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), mode, 8);
  const bool digits = text.size() == 3 || (text.size() == 4 && text.front() == '0');
  if (!digits || code != std::errc{} || end != text.data() + text.size()) {
    return fail(quoted(text) + " is not an octal file mode such as \"0660\"");
  }
  return mode;
}

std::string format_file_mode(unsigned mode) {
  char text[8];
  std::snprintf(text, sizeof text, "%04o", mode & 0777);
  return text;
}

Result<std::string> parse_http_path(std::string_view text) {
  if (text.empty() || text.front() != '/' || !is_visible(text)) {
    return fail(quoted(text) + " is not a path such as /healthz");
  }
  return std::string(text);
}

Result<std::string> parse_listen(std::string_view text) {
  if (text.empty()) return std::string();
  const size_t colon = text.rfind(':');
  std::string_view address = text.substr(0, colon);
  const bool brackets = address.size() > 2 && address.front() == '[' && address.back() == ']';
  if (brackets) address = address.substr(1, address.size() - 2);
  const auto parsed = IpAddress::parse(address);
  const auto port =
      colon == std::string_view::npos ? std::nullopt : parse_decimal<uint16_t>(text.substr(colon + 1));
  if (!parsed || !port || brackets != parsed->is_v6()) {
    return fail(quoted(text) + " is not an address and port such as 127.0.0.1:9464 or [::1]:9464");
  }
  return std::string(text);
}

Result<std::string> parse_absolute_path(std::string_view text) {
  if (text.empty() || text.front() != '/' || text.find('\0') != std::string_view::npos) {
    return fail(quoted(text) + " is not an absolute path");
  }
  return std::string(text);
}

Result<std::string> parse_origin(std::string_view text) {
  if (text.empty() || !is_visible(text) || text.find('+') != std::string_view::npos) {
    return fail("a log's name is made of visible ASCII characters, without spaces and \"+\"");
  }
  return std::string(text);
}

Result<std::string> parse_key_reference(std::string_view text) {
  if (!parse_secret_file(text)) {
    return fail(quoted(text) + " is not a reference such as file:/etc/sluice/ledger.key");
  }
  return std::string(text);
}

lb::Policy policy_of(std::string_view word) {
  const auto found = std::ranges::find(lb::kPolicies, word, &lb::PolicyRow::name);
  return found == lb::kPolicies.end() ? lb::Policy{} : found->policy;
}
const char* word_for(lb::Policy policy) {
  return lb::row_of(policy).name.data();
}
lb::ForwardMode forward_of(std::string_view word) {
  const auto found = std::ranges::find(lb::kForwardModes, word, &lb::ForwardModeRow::name);
  return found == lb::kForwardModes.end() ? lb::ForwardMode{} : found->mode;
}
const char* word_for(lb::ForwardMode mode) {
  return lb::row_of(mode).name.data();
}
IpProtocol protocol_of(std::string_view word) {
  return value_of(kProtocols, word);
}
const char* word_for(IpProtocol protocol) {
  return word_of(kProtocols, protocol);
}
HealthType health_of(std::string_view word) {
  const auto found = std::ranges::find(kHealthTypeNames, word);
  return found == kHealthTypeNames.end() ? HealthType{}
                                         : static_cast<HealthType>(found - kHealthTypeNames.begin());
}
const char* word_for(HealthType type) {
  return kHealthTypeNames[static_cast<size_t>(type)].data();
}
dataplane::IdleMode idle_of(std::string_view word) {
  return value_of(kIdleModes, word);
}
const char* word_for(dataplane::IdleMode mode) {
  return word_of(kIdleModes, mode);
}

Framing framing_of(std::string_view word) {
  return value_of(kFramings, word);
}
const char* word_for(Framing framing) {
  return word_of(kFramings, framing);
}

const char* word_for(AdminState state) {
  switch (state) {
    case AdminState::kActive:
      return "active";
    case AdminState::kDraining:
      return "draining";
    case AdminState::kMaintenance:
      return "maintenance";
  }
  return "unknown";
}

const char* word_for(lb::BackendState state) {
  switch (state) {
    case lb::BackendState::kActive:
      return "active";
    case lb::BackendState::kDraining:
      return "draining";
    case lb::BackendState::kDown:
      return "down";
    case lb::BackendState::kMaintenance:
      return "maintenance";
    case lb::BackendState::kRemoved:
      return "removed";
  }
  return "unknown";
}

std::string endpoint_text(const IpAddress& address, uint16_t port) {
  const std::string host = address.is_v4() ? address.to_string() : "[" + address.to_string() + "]";
  return host + ":" + std::to_string(port);
}

}  // namespace sluice::ctrl
