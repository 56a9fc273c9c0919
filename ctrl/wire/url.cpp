#include "ctrl/wire/url.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "common/decimal.h"

namespace sluice::ctrl {
namespace {

bool is_unreserved(char byte) {
  return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || (byte >= '0' && byte <= '9') ||
         byte == '-' || byte == '.' || byte == '_' || byte == '~';
}

/// `host`, `host:port`, `[address]` or `[address]:port`.
Result<void> read_authority(std::string_view text, ServerUrl& url) {
  if (text.find('@') != std::string_view::npos) return fail("a user does not belong into an endpoint");
  size_t colon;
  if (text.starts_with('[')) {
    const size_t end = text.find(']');
    if (end == std::string_view::npos) return fail("its address has no closing bracket");
    url.host = text.substr(1, end - 1);
    text.remove_prefix(end + 1);
    if (!text.empty() && text.front() != ':') return fail("only a port follows a bracket");
    colon = text.empty() ? std::string_view::npos : 0;
  } else {
    colon = text.find(':');
    url.host = text.substr(0, colon);
  }
  const bool is_host =
      std::ranges::all_of(url.host, [](char byte) { return is_unreserved(byte) || byte == ':'; });
  if (url.host.empty() || url.host.size() > 253 || !is_host) return fail("it has no host");
  if (colon == std::string_view::npos) return {};
  const auto port = parse_decimal(text.substr(colon + 1));
  if (!port || *port < 1 || *port > 65535) return fail("its port is not 1 to 65535");
  url.port = static_cast<uint16_t>(*port);
  return {};
}

}  // namespace

std::string ServerUrl::authority() const {
  const bool is_v6 = host.find(':') != std::string::npos;
  return (is_v6 ? '[' + host + ']' : host) + ':' + std::to_string(port);
}

Result<ServerUrl> parse_server_url(std::string_view text, const UrlDefaults& defaults) {
  constexpr std::string_view kPlain = "http://", kTls = "https://";
  ServerUrl url;
  url.is_tls = defaults.is_tls;
  if (text.starts_with(kPlain)) {
    url.is_tls = false;
    text.remove_prefix(kPlain.size());
  } else if (text.starts_with(kTls)) {
    url.is_tls = true;
    text.remove_prefix(kTls.size());
  } else if (text.find("://") != std::string_view::npos) {
    return fail("its scheme is neither http nor https");
  }
  url.port = url.is_tls ? defaults.tls_port : defaults.port;
  const size_t slash = std::min(text.find('/'), text.size());
  if (auto read = read_authority(text.substr(0, slash), url); !read) return tl::unexpected(read.error());
  url.path = text.substr(slash);
  while (url.path.ends_with('/')) url.path.pop_back();
  const bool is_path = std::ranges::all_of(
      url.path, [](char byte) { return is_unreserved(byte) || byte == '/' || byte == '%' || byte == '+'; });
  if (!is_path) return fail("its path has characters that a path has not");
  return url;
}

std::string percent_encoded(std::string_view text) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  std::string encoded;
  for (const char byte : text) {
    if (is_unreserved(byte)) {
      encoded += byte;
      continue;
    }
    encoded += '%';
    encoded += kDigits[static_cast<uint8_t>(byte) >> 4];
    encoded += kDigits[static_cast<uint8_t>(byte) & 15];
  }
  return encoded;
}

std::optional<std::string> percent_decoded(std::string_view text) {
  std::string decoded;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      decoded += text[i];
      continue;
    }
    uint8_t byte = 0;
    const char* const digits = text.data() + i + 1;
    if (i + 3 > text.size()) return std::nullopt;
    const auto [end, code] = std::from_chars(digits, digits + 2, byte, 16);
    if (code != std::errc{} || end != digits + 2) return std::nullopt;
    decoded += static_cast<char>(byte);
    i += 2;
  }
  return decoded;
}

std::vector<std::string_view> parts_of(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  for (;;) {
    const size_t end = text.find(separator);
    parts.push_back(text.substr(0, end));
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + 1);
  }
}

}  // namespace sluice::ctrl
