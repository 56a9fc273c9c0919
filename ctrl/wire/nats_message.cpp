#include "ctrl/wire/nats_message.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "ctrl/wire/bounded_json.h"

namespace sluice::ctrl::nats {
namespace {

char upper(char byte) {
  return byte >= 'a' && byte <= 'z' ? static_cast<char>(byte - 'a' + 'A') : byte;
}

bool is_blank(char byte) {
  return byte == ' ' || byte == '\t';
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
  return text;
}

/// The word that a line begins with is written in either case.
bool is_word(std::string_view word, std::string_view expected) {
  return std::ranges::equal(word, expected, {}, upper);
}

std::optional<Message> message_of(std::string_view line) {
  const size_t end = std::min(line.find(' '), line.find('\t'));
  const std::string_view word = line.substr(0, end);
  const std::string_view rest =
      end == std::string_view::npos ? std::string_view() : trimmed(line.substr(end));
  if (is_word(word, "INFO")) return Message{Message::Kind::kInfo, std::string(rest)};
  if (is_word(word, "PING")) return Message{Message::Kind::kPing};
  if (is_word(word, "PONG")) return Message{Message::Kind::kPong};
  if (is_word(word, "+OK")) return Message{Message::Kind::kOk};
  if (!is_word(word, "-ERR")) return std::nullopt;
  const bool is_quoted = rest.size() >= 2 && rest.front() == '\'' && rest.back() == '\'';
  return Message{Message::Kind::kError, std::string(is_quoted ? rest.substr(1, rest.size() - 2) : rest)};
}

}  // namespace

Result<std::optional<Message>> Reader::next() {
  const size_t end = unread_.find("\r\n", start_);
  const size_t bytes = (end == std::string::npos ? unread_.size() : end) - start_;
  if (bytes > kMostBytes) return fail("it says a line of more than 64 KiB");
  if (end == std::string::npos) {
    unread_.erase(0, start_);
    start_ = 0;
    return std::nullopt;
  }
  const std::string_view line = std::string_view(unread_).substr(start_, bytes);
  auto message = message_of(line);
  if (!message) return fail("it says what is no message to a publisher");
  start_ = end + 2;
  return message;
}

Result<ServerInfo> parse_info(std::string_view text) {
  const auto object = parse_bounded_json(text);
  if (!object || !object->is_object()) return fail("its INFO is no JSON object");
  ServerInfo info;
  if (const auto most = integer_in(member(*object, "max_payload")); most && *most > 0) {
    info.most_payload = static_cast<uint64_t>(*most);
  }
  info.needs_tls = is_true(member(*object, "tls_required"), false);
  info.has_tls = info.needs_tls || is_true(member(*object, "tls_available"), false);
  info.nonce = text_in(member(*object, "nonce"));
  info.is_leaving = is_true(member(*object, "ldm"), false);
  return info;
}

std::string hello(const Hello& client) {
  nlohmann::json options = {{"verbose", false}, {"pedantic", false},  {"tls_required", client.is_secure},
                            {"lang", "c++"},    {"version", "1"},     {"protocol", 1},
                            {"echo", false},    {"name", client.name}};
  const auto say = [&options](const char* key, std::string_view value) {
    if (!value.empty()) options[key] = value;
  };
  say("user", client.user);
  say("pass", client.password);
  say("auth_token", client.token);
  say("nkey", client.nkey);
  say("sig", client.signature);
  return "CONNECT " + options.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\r\n" +
         std::string(kPing);
}

std::string publication(std::string_view subject, std::string_view payload) {
  std::string text = "PUB ";
  text.append(subject).append(" ").append(std::to_string(payload.size())).append("\r\n");
  return text.append(payload).append("\r\n");
}

std::string token(std::string_view name) {
  std::string text(name);
  std::ranges::replace_if(
      text,
      [](char byte) {
        const auto code = static_cast<unsigned char>(byte);
        return byte == '.' || byte == '*' || byte == '>' || code <= ' ' || code == 0x7f;
      },
      '_');
  return text;
}

}  // namespace sluice::ctrl::nats
