#include "ctrl/intent/config_ledger.h"

#include <algorithm>
#include <map>
#include <utility>

#include "ctrl/intent/config_values.h"

namespace sluice::ctrl {
namespace {

using nlohmann::json;
using std::chrono::milliseconds;

struct DurationRange {
  milliseconds shortest;
  milliseconds longest;
};
constexpr DurationRange kSealDelay{milliseconds(1), milliseconds(10'000)};
constexpr DurationRange kCheckpointInterval{milliseconds(10), milliseconds(3'600'000)};
constexpr uint32_t kMostSealBytes = 64u << 20;

void read_duration(const Cursor& parent, const char* key, const DurationRange& range, milliseconds& target) {
  const Cursor text = parent.member(key);
  milliseconds duration{};
  if (!text.parse(parse_duration, duration)) return;
  if (duration < range.shortest || duration > range.longest) {
    return text.fault("must be " + format_duration(range.shortest) + " to " + format_duration(range.longest));
  }
  target = duration;
}

void read_size(const Cursor& parent, const char* key, uint32_t most, uint32_t& target) {
  const Cursor place = parent.member(key);
  if (!place) return;
  uint64_t bytes = 0;
  if (place.value().is_number()) {
    bytes = place.value().get<uint64_t>();
  } else if (!place.parse(parse_size, bytes)) {
    return;
  }
  if (bytes == 0 || bytes > most) return place.fault("must be 1 to " + format_size(most));
  target = static_cast<uint32_t>(bytes);
}

void decode_ingress(const Cursor& from, size_t index, Draft& draft) {
  IngressModel ingress;
  from.read("port", ingress.port);
  if (const Cursor framing = from.member("framing")) {
    ingress.framing = framing_of(framing.value().get_ref<const std::string&>());
  }
  if (const Cursor profile = from.member("profile")) {
    ingress.profile = *ledger::profile_named(profile.value().get_ref<const std::string&>());
  }
  if (!from.parse("address", parse_host_address, ingress.address) || from.spoilt("port")) return;
  draft.ingress.push_back({ingress, index});
}

json encode_ingress(const IngressModel& ingress) {
  return {{"address", ingress.address.to_string()},
          {"port", ingress.port},
          {"framing", word_for(ingress.framing)},
          {"profile", ledger::name_of(ingress.profile)}};
}

std::string pointer(size_t index, const char* field) {
  return "/ledger/ingress/" + std::to_string(index) + field;
}

/// Who else would take a datagram to that address and port; empty: nobody.
std::string rival_of(const IngressModel& ingress, const Draft& draft) {
  constexpr uint16_t kFirstSnatPort = 1024;
  for (const auto& [entry, index] : draft.services) {
    const ServiceModel& service = entry.service;
    if (entry.matches && service.protocol == IpProtocol::kUdp && ingress.port >= service.first_port &&
        ingress.port <= service.last_port && service.address.contains(ingress.address)) {
      return "service \"" + service.name + "\" takes these datagrams already";
    }
  }
  const bool is_snat = std::ranges::any_of(
      draft.snat, [&](const Listed<IpAddress>& snat) { return snat.value == ingress.address; });
  if (!is_snat || ingress.port < kFirstSnatPort) return {};
  return "ports 1024 to 65535 of " + ingress.address.to_string() +
         " are for replies to full-nat, because it is listed in \"snat\"";
}

}  // namespace

void decode_ledger(const Cursor& from, Draft& draft) {
  if (!from) return;
  LedgerModel& ledger = draft.model.ledger.emplace();
  from.parse("origin", parse_origin, ledger.origin);
  from.parse("directory", parse_absolute_path, ledger.directory);
  from.parse("signing_key", parse_key_reference, ledger.signing_key);
  from.member("ingress").each(
      [&](const Cursor& entry, size_t index) { decode_ingress(entry, index, draft); });
  const Cursor seal = from.member("seal");
  seal.read("transactions", ledger.seal.transactions);
  read_size(seal, "bytes", kMostSealBytes, ledger.seal.bytes);
  read_duration(seal, "delay", kSealDelay, ledger.seal.delay);
  read_duration(from, "checkpoint_interval", kCheckpointInterval, ledger.checkpoint_interval);
  from.read("dedupe_window", ledger.dedupe_window);
  if (const Cursor rate = from.member("source_rate")) {
    SourceRateModel& limit = ledger.source_rate.emplace();
    rate.read("rate", limit.rate);
    rate.read("burst", limit.burst);
    rate.read("prefix4", limit.prefixes.v4);
    rate.read("prefix6", limit.prefixes.v6);
  }
  from.read("sha256", ledger.sha256);
  if (const Cursor word = from.member("on_failure")) {  // one of two words: the schema sees to it
    ledger.on_failure = word.value() == "refuse" ? OnFailure::kRefuse : OnFailure::kExit;
  }
}

void check_ledger(const Draft& draft, Cursor::Faults& faults) {
  std::map<std::pair<IpAddress, uint16_t>, size_t> known;
  for (const auto& [ingress, index] : draft.ingress) {
    const auto [first, is_new] = known.emplace(std::pair(ingress.address, ingress.port), index);
    if (!is_new) {
      faults.add(pointer(index, "/port"), endpoint_text(ingress.address, ingress.port) + " is listed twice");
    } else if (auto rival = rival_of(ingress, draft); !rival.empty()) {
      faults.add(pointer(index, "/port"), std::move(rival));
    }
  }
}

json encode_ledger(const LedgerModel& ledger) {
  json ingress = json::array();
  for (const IngressModel& entry : ledger.ingress) ingress.push_back(encode_ingress(entry));
  json object{{"origin", ledger.origin},
              {"directory", ledger.directory},
              {"signing_key", ledger.signing_key},
              {"ingress", std::move(ingress)},
              {"seal",
               {{"transactions", ledger.seal.transactions},
                {"bytes", format_size(ledger.seal.bytes)},
                {"delay", format_duration(ledger.seal.delay)}}},
              {"checkpoint_interval", format_duration(ledger.checkpoint_interval)},
              {"dedupe_window", ledger.dedupe_window},
              {"sha256", ledger.sha256},
              {"on_failure", ledger.on_failure == OnFailure::kRefuse ? "refuse" : "exit"}};
  if (const auto& limit = ledger.source_rate) {
    object["source_rate"] = {{"rate", limit->rate},
                             {"burst", limit->burst},
                             {"prefix4", limit->prefixes.v4},
                             {"prefix6", limit->prefixes.v6}};
  }
  return object;
}

}  // namespace sluice::ctrl
