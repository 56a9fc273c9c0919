#include "ctrl/intent/config_tracing.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "ctrl/intent/file_reference.h"
#include "ctrl/wire/url.h"

namespace sluice::ctrl {
namespace {

using nlohmann::json;

constexpr size_t kMostTexts = 64;
constexpr size_t kMostTextBytes = 4096;

Result<std::string> parse_receiver(std::string_view text) {
  const bool has_scheme = text.starts_with("http://") || text.starts_with("https://");
  if (!has_scheme) return fail("must be the URL of a receiver, such as http://127.0.0.1:4318");
  if (const auto url = parse_server_url(text, {}); !url) {
    return fail("must be the URL of a receiver, such as http://127.0.0.1:4318: " + url.error().message);
  }
  return std::string(text);
}

/// A token of RFC 9110, 5.6.2.
bool is_field_name(std::string_view name) {
  const auto is_token = [](char byte) {
    const bool is_letter = (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z');
    return is_letter || (byte >= '0' && byte <= '9') ||
           std::string_view("!#$%&'*+-.^_`|~").find(byte) != std::string_view::npos;
  };
  return !name.empty() && name.size() <= 256 && std::ranges::all_of(name, is_token);
}

/// Whether a field is the exporter's own business.
bool is_written_anyway(std::string_view name) {
  constexpr std::array<std::string_view, 6> kReserved = {"host",       "content-length",    "content-type",
                                                         "connection", "transfer-encoding", "expect"};
  const auto is_same = [](char a, char b) { return (a >= 'A' && a <= 'Z' ? a + 32 : a) == b; };
  return std::ranges::any_of(kReserved, [&](auto word) { return std::ranges::equal(name, word, is_same); });
}

bool is_one_line(std::string_view text) {
  return std::ranges::all_of(text, [](char byte) {
    return static_cast<unsigned char>(byte) >= ' ' && static_cast<unsigned char>(byte) != 0x7f;
  });
}

/// A mapping of names to texts, each of which `judge` finds nothing wrong with: it answers why, or nothing.
template <typename Judge>
void read_texts(const Cursor& mapping, std::map<std::string, std::string>& texts, Judge judge) {
  if (!mapping) return;
  if (mapping.value().size() > kMostTexts) {
    return mapping.fault("has more than " + std::to_string(kMostTexts) + " entries");
  }
  for (const auto& [name, value] : mapping.value().items()) {
    const Cursor place = mapping.member(name);
    if (!place) continue;
    if (!value.is_string()) {
      place.fault("must be a string");
      continue;
    }
    const auto& text = value.template get_ref<const std::string&>();
    std::string wrong = judge(name, text);
    if (text.empty() || text.size() > kMostTextBytes) wrong = "must have 1 to 4096 bytes";
    if (wrong.empty()) {
      texts.emplace(name, text);
    } else {
      place.fault(std::move(wrong));
    }
  }
}

std::string wrong_with_header(const std::string& name, const std::string& text) {
  if (!is_field_name(name)) return "\"" + name + "\" is no name of an HTTP header";
  if (is_written_anyway(name)) return "is what the gateway writes by itself";
  if (!is_one_line(text)) return "must be one line of text";
  const bool is_file = text.starts_with("file:") || text.starts_with("credential:");
  if (is_file && !parse_secret_file(text)) return "must be a reference such as file:/etc/sluice/otlp.token";
  return "";
}

std::string wrong_with_attribute(const std::string& name, const std::string& text) {
  if (name.empty() || name.size() > 256 || !is_one_line(name)) return "has no name of an attribute";
  return is_one_line(text) ? "" : "must be one line of text";
}

}  // namespace

std::optional<TracingModel> decode_tracing(const Cursor& tracing) {
  if (!tracing) return std::nullopt;
  TracingModel model;
  tracing.parse("otlp", parse_receiver, model.otlp);
  tracing.read("flows", model.flows);
  tracing.read("transactions", model.transactions);
  read_texts(tracing.member("headers"), model.headers, wrong_with_header);
  read_texts(tracing.member("resource"), model.resource, wrong_with_attribute);
  return model;
}

json encode_tracing(const TracingModel& tracing) {
  json object = {{"otlp", tracing.otlp}, {"flows", tracing.flows}, {"transactions", tracing.transactions}};
  if (!tracing.headers.empty()) object["headers"] = tracing.headers;
  if (!tracing.resource.empty()) object["resource"] = tracing.resource;
  return object;
}

}  // namespace sluice::ctrl
