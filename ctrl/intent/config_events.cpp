#include "ctrl/intent/config_events.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "ctrl/intent/client_tls.h"
#include "ctrl/intent/file_reference.h"
#include "ctrl/wire/url.h"

namespace sluice::ctrl {
namespace {

using nlohmann::json;

Result<std::string> parse_server(std::string_view text) {
  std::string_view rest = text;
  for (const std::string_view scheme : {"nats://", "tls://"}) {
    if (text.starts_with(scheme)) rest.remove_prefix(scheme.size());
  }
  const bool has_other_scheme = rest.find("://") != std::string_view::npos;
  const auto url = has_other_scheme ? fail("") : parse_server_url(rest, {.port = 4222});
  if (!url || !url->path.empty())
    return fail("must be such as nats://192.0.2.1:4222 or tls://nats.example.test:4222");
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

void decode_nats_access(const Cursor& nats, NatsModel& model) {
  nats.read("user", model.user);
  nats.parse("password", parse_secret_file, model.password_file);
  nats.parse("token", parse_secret_file, model.token_file);
  nats.parse("nkey", parse_secret_file, model.nkey_file);
  decode_client_tls(nats.member("tls"), model.tls);
  const auto has = [&nats](std::string_view key) { return nats.member(key) || nats.spoilt(key); };
  if (has("user") != has("password")) nats.fault("\"user\" and \"password\" belong together");
  if (has("user") + has("token") + has("nkey") > 1) {
    nats.fault("has one of \"user\", \"token\" and \"nkey\" at most");
  }
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
  decode_nats_access(nats, *model.nats);
  return model;
}

json encode_events(const EventsModel& events) {
  if (!events.nats) return nullptr;
  const NatsModel& model = *events.nats;
  json nats = {{"servers", model.servers}, {"subject", model.subject}};
  if (!model.user.empty()) nats["user"] = model.user;
  const auto set = [&nats](const char* key, const std::string& file) {
    if (!file.empty()) nats[key] = secret_reference(file);
  };
  set("password", model.password_file);
  set("token", model.token_file);
  set("nkey", model.nkey_file);
  if (model.tls.enabled) nats["tls"] = encode_client_tls(model.tls);
  return {{"nats", std::move(nats)}};
}

}  // namespace sluice::ctrl
