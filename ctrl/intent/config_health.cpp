#include "ctrl/intent/config_health.h"

#include <algorithm>
#include <array>
#include <span>
#include <string>

#include "ctrl/intent/config_values.h"
#include "ctrl/wire/check_payload.h"
#include "ctrl/wire/dns_message.h"

namespace sluice::ctrl {
namespace {

using std::chrono::milliseconds;
constexpr std::string_view kFile = "file:";

/// Which types a key is for.
struct KeyUse {
  const char* key;
  std::array<HealthType, 3> types;
  const char* words;
};

constexpr std::array kKeyUses = {
    KeyUse{"host", {HealthType::kHttp, HealthType::kHttps, HealthType::kGrpc}, "http, https and grpc"},
    KeyUse{"path", {HealthType::kHttp, HealthType::kHttps, HealthType::kHttps}, "http and https"},
    KeyUse{"expect_body", {HealthType::kHttp, HealthType::kHttps, HealthType::kHttps}, "http and https"},
    KeyUse{"server_name", {HealthType::kTls, HealthType::kHttps, HealthType::kHttps}, "tls and https"},
    KeyUse{"insecure", {HealthType::kTls, HealthType::kHttps, HealthType::kHttps}, "tls and https"},
    KeyUse{"ca", {HealthType::kTls, HealthType::kHttps, HealthType::kHttps}, "tls and https"},
    KeyUse{"service", {HealthType::kGrpc, HealthType::kGrpc, HealthType::kGrpc}, "grpc"},
    KeyUse{"name", {HealthType::kDns, HealthType::kDns, HealthType::kDns}, "dns"},
    KeyUse{"send", {HealthType::kUdp, HealthType::kUdp, HealthType::kUdp}, "udp"},
};

bool is_http(HealthType type) {
  return type == HealthType::kHttp || type == HealthType::kHttps;
}

/// What older versions wrote for every type, and what changes nothing.
bool is_a_default(const Cursor& value, std::string_view key) {
  return (key == "path" && value.value() == HealthCheck().path) ||
         (key == "insecure" && value.value() == false) ||
         (key == "expect" && value.value() == nlohmann::json(HealthCheck().expect));
}

void check_keys(const Cursor& from, HealthType type) {
  for (const KeyUse& use : kKeyUses) {
    const Cursor value = from.member(use.key);
    if (!value || std::ranges::find(use.types, type) != use.types.end() || is_a_default(value, use.key))
      continue;
    value.fault(std::string("is for checks of type ") + use.words + ", not " + word_for(type));
  }
}

void read_milliseconds(const Cursor& parent, const char* key, milliseconds& target) {
  constexpr milliseconds kShortest{10};
  const Cursor text = parent.member(key);
  milliseconds duration{};
  if (!text.parse(parse_duration, duration)) return;
  if (duration < kShortest) return text.fault("must be at least " + format_duration(kShortest));
  target = duration;
}

void read_expect(const Cursor& from, HealthCheck& check) {
  const Cursor expect = from.member("expect");
  if (!expect) return;
  if (expect.value().is_string()) {
    if (check.type != HealthType::kUdp) return expect.fault("is a list of status codes, but for type udp");
    if (const auto bytes = payload_bytes(expect.value().get<std::string>()); !bytes) {
      return expect.fault(bytes.error().message);
    }
    check.expect_text = expect.value().get<std::string>();
  } else if (is_http(check.type)) {
    from.read("expect", check.expect);
  } else if (!is_a_default(expect, "expect")) {
    expect.fault(std::string("status codes are for checks of type http and https, not ") +
                 word_for(check.type));
  }
}

Result<std::string> parse_certificates(std::string_view text) {
  auto reference = parse_key_reference(text);
  if (!reference)
    return fail("\"" + std::string(text) + "\" is not a reference such as file:/etc/sluice/ca.pem");
  return reference->substr(kFile.size());
}

Result<std::string> parse_dns_name(std::string_view text) {
  if (const auto query = dns_query(0, text); !query) return fail(query.error().message);
  return std::string(text);
}

Result<std::string> parse_payload(std::string_view text) {
  if (const auto bytes = payload_bytes(text); !bytes) return fail(bytes.error().message);
  return std::string(text);
}

/// A key without which the type asks for nothing.
void need(const Cursor& from, const char* key, HealthType type, HealthType needed_by) {
  if (type != needed_by || from.member(key) || from.spoilt(key)) return;
  from.fault(std::string("a check of type ") + word_for(type) + " needs \"" + key + "\"");
}

}  // namespace

HealthCheck decode_health(const Cursor& from) {
  HealthCheck check;
  if (!from) return check;
  if (const Cursor type = from.member("type"))
    check.type = health_of(type.value().get_ref<const std::string&>());
  if (!from.spoilt("type")) {
    check_keys(from, check.type);
    read_expect(from, check);
    need(from, "name", check.type, HealthType::kDns);
    need(from, "send", check.type, HealthType::kUdp);
  }
  if (const Cursor via = from.member("via")) check.via_service = via.value() == "service";
  from.read("port", check.port);
  from.parse("host", parse_name, check.host);
  from.parse("path", parse_http_path, check.path);
  from.read("expect_body", check.expect_body);
  from.parse("server_name", parse_name, check.server_name);
  from.read("insecure", check.insecure);
  from.parse("ca", parse_certificates, check.ca);
  from.read("service", check.service);
  from.parse("name", parse_dns_name, check.name);
  from.parse("send", parse_payload, check.send);
  read_milliseconds(from, "interval", check.interval);
  read_milliseconds(from, "timeout", check.timeout);
  from.read("rise", check.rise);
  from.read("fall", check.fall);
  return check;
}

nlohmann::json encode_health(const HealthCheck& check) {
  nlohmann::json object{{"type", word_for(check.type)},
                        {"port", check.port},
                        {"interval", format_duration(check.interval)},
                        {"timeout", format_duration(check.timeout)},
                        {"rise", check.rise},
                        {"fall", check.fall}};
  const auto add = [&](const char* key, const std::string& text) {
    if (!text.empty()) object[key] = text;
  };
  if (is_http(check.type)) {
    object["path"] = check.path;
    object["expect"] = check.expect;
  }
  if (check.type == HealthType::kTls || check.type == HealthType::kHttps) object["insecure"] = check.insecure;
  if (check.type == HealthType::kUdp) object["send"] = check.send;
  if (check.via_service) object["via"] = "service";
  add("host", check.host);
  add("expect_body", check.expect_body);
  add("server_name", check.server_name);
  add("ca", check.ca.empty() ? "" : std::string(kFile) + check.ca);
  add("service", check.service);
  add("name", check.name);
  if (check.type == HealthType::kUdp) add("expect", check.expect_text);
  return object;
}

}  // namespace sluice::ctrl
