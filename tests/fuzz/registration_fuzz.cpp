// What clients of the registry send, and what its journal holds, each by the first byte of the input: what is
// read is bounded by its bytes, and what is written of it is read alike.
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "ctrl/registry/lease_journal.h"
#include "ctrl/registry/registry_http.h"
#include "ctrl/registry/registry_json.h"
#include "ctrl/wire/grpc_message.h"
#include "ctrl/wire/json_web_token.h"
#include "ctrl/wire/registry_message.h"

namespace sluice::ctrl {
namespace {

void require(bool promise) {
  if (!promise) std::abort();
}

void message(std::string_view bytes) {
  (void)read_registry_request(bytes);
  const auto instance = read_service_instance(bytes);
  if (!instance) return;
  const auto again = read_service_instance(write_service_instance(*instance));
  require(again && *again == *instance);
}

void body(std::string_view text) {
  const auto instance = read_service_instance_json(text);
  if (!instance) return;
  const auto again = service_instance_of(to_json(*instance));
  require(instance->ttl.count() == 0 || (again && *again == *instance));
}

void target(std::string_view text) {
  const auto read = parse_registry_target(text);
  if (!read || !*read) return;
  require((*read)->service.size() <= Registry::kMostNameBytes);
  require((*read)->instance.empty() || !(*read)->service.empty());
}

void journal(std::string_view text) {
  LeaseTable table;
  const JournalReading reading = read_journal(text, table);
  require(table.size() + reading.unreadable <= text.size());
  table.keep_until(reading.now + Registry::kAfterRestart);
  require(table.overdue(reading.now).empty());
}

void token(std::string_view text) {
  constexpr std::string_view kKeys =
      R"({"keys":[{"kty":"OKP","crv":"Ed25519","kid":"a","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]})";
  static const auto keys = TokenKeys::parse(kKeys);
  require(keys.has_value());
  require(!keys->verify(text, {}, {}));  // nobody guesses a signature
  (void)TokenKeys::parse(text);
}

void frames(std::string_view bytes) {
  const auto cut = [&](size_t piece) {
    GrpcMessages messages(1000);
    std::vector<std::string> got;
    for (size_t at = 0; at < bytes.size(); at += piece) {
      messages.put(bytes.substr(at, piece));
      while (auto next = messages.next()) got.push_back(std::move(*next));
    }
    return got;
  };
  if (bytes.size() < 2000) require(cut(1) == cut(bytes.size() + 1));
}

}  // namespace
}  // namespace sluice::ctrl

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace sluice::ctrl;
  if (size == 0) return 0;
  const std::string_view rest(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0]) {
    case 'm':
      message(rest);
      break;
    case 'b':
      body(rest);
      break;
    case 't':
      target(rest);
      break;
    case 'j':
      journal(rest);
      break;
    case 'k':
      token(rest);
      break;
    case 'f':
      frames(rest);
      break;
    default:
      break;
  }
  return 0;
}
