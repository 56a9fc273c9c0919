#include "sluicectl/endpoint.h"

#include <charconv>

#include "common/address.h"

namespace sluice::sluicectl {

Result<uint16_t> parse_port(const std::string& text) {
  uint16_t port = 0;
  const char* end = text.data() + text.size();
  const auto [rest, fault] = std::from_chars(text.data(), end, port);
  if (fault != std::errc() || rest != end) return fail("\"" + text + "\" is not a port");
  return port;
}

Result<EndpointText> parse_endpoint(const std::string& text) {
  const bool bracketed = text.starts_with('[');
  // An IPv6 address without brackets has no port; IPv4 has at most one colon.
  const size_t colon = bracketed ? text.find("]:") : text.find(':');
  const bool has_port = colon != std::string::npos && (bracketed || text.rfind(':') == colon);
  const size_t end = bracketed ? text.find(']') : has_port ? colon : text.size();
  const size_t begin = bracketed ? 1 : 0;
  EndpointText endpoint;
  endpoint.address = text.substr(begin, end == std::string::npos ? end : end - begin);
  const bool ends_well = !bracketed || has_port || (end != std::string::npos && end + 1 == text.size());
  if (!ends_well || !IpAddress::parse(endpoint.address)) {
    return fail("\"" + text + "\" is not ADDRESS or ADDRESS:PORT (IPv6: [ADDRESS]:PORT)");
  }
  if (!has_port) return endpoint;
  const auto port = parse_port(text.substr(colon + (bracketed ? 2 : 1)));
  if (!port) return tl::unexpected(port.error());
  endpoint.port = *port;
  return endpoint;
}

}  // namespace sluice::sluicectl
