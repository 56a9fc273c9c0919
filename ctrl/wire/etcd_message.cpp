#include "ctrl/wire/etcd_message.h"

#include <algorithm>

#include "crypto/encoding.h"
#include "ctrl/wire/bounded_json.h"

namespace sluice::ctrl {
namespace {

using nlohmann::json;

std::string base64(std::string_view bytes) {
  return crypto::to_base64({reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()});
}

/// Behind the last key that begins with `prefix`: etcd's own way to say "by prefix". A single zero byte means
/// that there is no such key.
std::string end_of_prefix(std::string prefix) {
  while (!prefix.empty() && static_cast<uint8_t>(prefix.back()) == 0xff) prefix.pop_back();
  if (prefix.empty()) return std::string(1, '\0');
  prefix.back() = static_cast<char>(static_cast<uint8_t>(prefix.back()) + 1);
  return prefix;
}

std::string first_key(std::string_view prefix) {
  return prefix.empty() ? std::string(1, '\0') : std::string(prefix);
}

/// A text of JSON without a copy that is not erased.
void put_quoted(std::string& out, std::string_view text) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  out += '"';
  for (const char byte : text) {
    if (byte == '"' || byte == '\\') out += '\\';
    if (static_cast<uint8_t>(byte) >= ' ') {
      out += byte;
    } else {
      out += "\\u00";
      out += kDigits[static_cast<uint8_t>(byte) >> 4];
      out += kDigits[static_cast<uint8_t>(byte) & 15];
    }
  }
  out += '"';
}

Result<std::string> bytes_in(const json& value) {
  const auto bytes = crypto::from_base64(text_in(value));
  if (!bytes) return fail("a key or value that is not base64");
  return std::string(bytes->begin(), bytes->end());
}

Result<EtcdKeyValue> read_entry(const json& value) {
  auto key = bytes_in(member(value, "key"));
  if (!key) return tl::unexpected(key.error());
  if (key->empty()) return fail("an entry without a key");
  auto bytes = bytes_in(member(value, "value"));
  if (!bytes) return tl::unexpected(bytes.error());
  return EtcdKeyValue{std::move(*key), std::move(*bytes)};
}

std::string short_text(std::string_view text) {
  constexpr size_t kMostBytes = 200;
  std::string copy(text.substr(0, kMostBytes));
  std::ranges::replace_if(
      copy, [](char byte) { return byte < ' ' || byte > '~'; }, '?');
  return copy;
}

Result<void> read_events(const json& list, std::vector<EtcdEvent>& events) {
  if (list.is_null()) return {};
  if (!list.is_array()) return fail("events that are no list");
  for (const json& event : list) {
    const std::string_view type = text_in(member(event, "type"));  // zero values are left out: PUT
    if (!type.empty() && type != "PUT" && type != "DELETE") return fail("an event of an unknown type");
    auto entry = read_entry(member(event, "kv"));
    if (!entry) return tl::unexpected(entry.error());
    events.push_back({std::move(*entry), type == "DELETE"});
  }
  return {};
}

}  // namespace

std::string etcd_range_request(std::string_view prefix, std::string_view after, int64_t revision,
                               size_t limit) {
  const std::string from = after.empty() ? first_key(prefix) : std::string(after) + '\0';
  json request = {{"key", base64(from)},
                  {"range_end", base64(end_of_prefix(std::string(prefix)))},
                  {"limit", std::to_string(limit)}};
  if (revision != 0) request["revision"] = std::to_string(revision);
  return request.dump();
}

std::string etcd_watch_request(std::string_view prefix, int64_t revision) {
  const json create = {{"key", base64(first_key(prefix))},
                       {"range_end", base64(end_of_prefix(std::string(prefix)))},
                       {"start_revision", std::to_string(revision)},
                       {"progress_notify", true}};
  return json{{"create_request", create}}.dump();
}

std::string etcd_authentication_request(std::string_view name, std::string_view password) {
  std::string request;
  request.reserve(64 + 6 * (name.size() + password.size()));  // what it grows out of would not be erased
  request += R"({"name":)";
  put_quoted(request, name);
  request += R"(,"password":)";
  put_quoted(request, password);
  request += '}';
  return request;
}

Result<EtcdPage> read_etcd_page(std::string_view body) {
  const auto answer = parse_bounded_json(body);
  if (!answer) return tl::unexpected(answer.error());
  EtcdPage page;
  const auto revision = integer_in(member(member(*answer, "header"), "revision"));
  if (!revision || *revision < 1) return fail("it has no revision");
  page.revision = *revision;
  page.has_more = is_true(member(*answer, "more"), false);
  const json& entries = member(*answer, "kvs");
  if (!entries.is_null() && !entries.is_array()) return fail("its entries are no list");
  for (const json& value : entries) {
    auto entry = read_entry(value);
    if (!entry) return tl::unexpected(entry.error());
    page.entries.push_back(std::move(*entry));
  }
  if (page.has_more && page.entries.empty()) return fail("it has more entries, and none here");
  return page;
}

Result<std::string> read_etcd_token(std::string_view body) {
  const auto answer = parse_bounded_json(body);
  if (!answer) return tl::unexpected(answer.error());
  const std::string_view token = text_in(member(*answer, "token"));
  const bool is_plain = std::ranges::all_of(token, [](char byte) { return byte > ' ' && byte <= '~'; });
  if (token.empty() || !is_plain) return fail("it has no token");
  return std::string(token);
}

Result<EtcdWatchLine> read_etcd_watch_line(std::string_view line) {
  const auto answer = parse_bounded_json(line);
  if (!answer) return tl::unexpected(answer.error());
  EtcdWatchLine word;
  if (const json& error = member(*answer, "error"); !error.is_null()) {
    word.is_error = true;
    word.reason = short_text(text_in(member(error, "message")));
    return word;
  }
  const json& result = member(*answer, "result");
  if (!result.is_object()) return fail("neither a result nor an error");
  word.revision = integer_in(member(member(result, "header"), "revision"));
  word.is_created = is_true(member(result, "created"), false);
  word.is_cancelled = is_true(member(result, "canceled"), false);
  word.compact_revision = integer_in(member(result, "compact_revision")).value_or(0);
  word.reason = short_text(text_in(member(result, "cancel_reason")));
  if (auto read = read_events(member(result, "events"), word.events); !read) {
    return tl::unexpected(read.error());
  }
  return word;
}

EtcdError read_etcd_error(std::string_view body) {
  EtcdError error;
  const auto answer = parse_bounded_json(body);
  if (!answer) return error;
  error.code = integer_in(member(*answer, "code")).value_or(-1);
  error.message = short_text(text_in(member(*answer, "message")));
  if (error.message.empty()) error.message = short_text(text_in(member(*answer, "error")));
  return error;
}

}  // namespace sluice::ctrl
