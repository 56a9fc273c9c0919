#include "ctrl/intent/config_events.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "ctrl/wire/url.h"

namespace sluice::ctrl {
namespace {

using nlohmann::json;

constexpr std::string_view kScheme = "nats://";

Result<std::string> parse_server(std::string_view text) {
  std::string_view rest = text;
  if (rest.starts_with(kScheme)) rest.remove_prefix(kScheme.size());
  const bool has_other_scheme = rest.find("://") != std::string_view::npos;
  const auto url = has_other_scheme ? fail("") : parse_server_url(rest, {.port = 4222});
  if (!url || !url->path.empty()) return fail("must be such as nats://192.0.2.1:4222");
  return std::string(text);
}

/// A subject without wildcards (docs.nats.io, "Subject-Based Messaging").
Result<std::string> parse_subject(std::string_view text) {
  std::string plain(text);
  for (const std::string_view placeholder : {"{gateway}", "{kind}"}) {
    for (size_t at; (at = plain.find(placeholder)) != std::string::npos;) {
      plain.replace(at, placeholder.size(), "x");
    }
  }
  const auto has_no_place = [](char byte) {
    return byte <= ' ' || byte > '~' || byte == '*' || byte == '>' || byte == '{' || byte == '}';
  };
  const auto tokens = parts_of(plain, '.');
  const bool has_empty = std::ranges::any_of(tokens, [](std::string_view token) { return token.empty(); });
  if (has_empty || std::ranges::any_of(plain, has_no_place)) {
    return fail("must be a subject without wildcards, such as sluice.{gateway}.{kind}");
  }
  return std::string(text);
}

}  // namespace

EventsModel decode_events(const Cursor& events) {
  EventsModel model;
  const Cursor nats = events.member("nats");
  if (!nats) return model;
  model.nats.emplace();
  nats.member("servers").each([&](const Cursor& text, size_t) {
    std::string server;
    if (text.parse(parse_server, server)) model.nats->servers.push_back(std::move(server));
  });
  nats.parse("subject", parse_subject, model.nats->subject);
  return model;
}

json encode_events(const EventsModel& events) {
  if (!events.nats) return nullptr;
  return {{"nats", {{"servers", events.nats->servers}, {"subject", events.nats->subject}}}};
}

}  // namespace sluice::ctrl
