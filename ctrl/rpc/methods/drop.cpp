#include <algorithm>
#include <map>
#include <memory>
#include <span>

#include "crypto/encoding.h"
#include "ctrl/rpc/methods/methods.h"
#include "ctrl/rpc/methods/words.h"
#include "ctrl/store/recent_drop.h"
#include "ctrl/store/traffic_totals.h"
#include "ctrl/wire/packet_words.h"
#include "dataplane/roles/dataplane.h"

namespace sluice::ctrl {
namespace {

using dataplane::DropReason;
using nlohmann::json;

constexpr int64_t kMostDrops = 100'000;

void get_drops(MethodContext& context, const Call&, Reply reply) {
  const auto totals = traffic_totals(context.gateway.data_plane());
  json object = json::object();
  for (size_t i = 0; i < dataplane::kDropReasons; ++i) {
    object[std::string(dataplane::kDropReasonNames[i])] = totals.dropped[i];
  }
  reply(std::move(object));
}

/// Names of what numbers stand for now, each looked up once.
class Names {
 public:
  explicit Names(const Gateway& gateway) : gateway_(gateway), ports_(gateway.data_plane().ports()) {}

  std::string port(uint8_t index) const { return index < ports_.size() ? ports_[index].name : ""; }
  const json& service(lb::ServiceId id) {
    const auto [place, is_new] = services_.try_emplace(id, nullptr);
    if (!is_new || id == lb::kNoService) return place->second;
    if (const auto name = gateway_.service_name(id)) place->second = *name;
    return place->second;
  }
  const json& backend(lb::BackendId id) {
    const auto [place, is_new] = backends_.try_emplace(id, nullptr);
    if (!is_new || id == lb::kNoBackend) return place->second;
    if (const auto key = gateway_.backend_name(id)) place->second = backend_object(*key);
    return place->second;
  }

 private:
  const Gateway& gateway_;
  std::vector<dataplane::PortInfo> ports_;
  std::map<lb::ServiceId, json> services_;
  std::map<lb::BackendId, json> backends_;
};

std::string detail_of(const dataplane::DropRecord& record, std::span<const uint8_t> bytes) {
  const std::string decided(text_of(record.note.detail));
  return (decided.empty() ? "" : decided + ": ") + packet_words(bytes, record.length);
}

json drop_object(const RecentDrop& drop, Names& names) {
  const dataplane::DropRecord& record = drop.record;
  const auto bytes = std::span(record.bytes).first(record.kept);
  return {{"time", static_cast<double>(drop.time_ns / 1000) / 1e6},
          {"worker", drop.worker},
          {"reason", name_of(record.note.reason)},
          {"port", names.port(record.note.port)},
          {"generation", record.generation},
          {"service", names.service(record.note.service)},
          {"backend", names.backend(record.note.backend)},
          {"detail", detail_of(record, bytes)},
          {"bytes", crypto::to_base64(bytes)},
          {"length", record.length}};
}

/// Writing them takes longer than a step of the loop may, where there are many.
void recent(MethodContext& context, const Call& call, Reply reply) {
  std::optional<DropReason> reason;
  if (call.params.contains("reason")) {
    const auto found =
        std::ranges::find(dataplane::kDropReasonNames, call.params["reason"].get<std::string>());
    reason = static_cast<DropReason>(found - dataplane::kDropReasonNames.begin());
  }
  const auto limit = call.params.value("limit", size_t{1000});
  context.gateway.recent_drops(reason, [&context, limit, reply](Outcome<std::vector<RecentDrop>> outcome) {
    if (!outcome) return reply(tl::unexpected(outcome.error()));
    const auto drops = std::make_shared<std::vector<RecentDrop>>(std::move(*outcome));
    context.threads.answer([&context, limit, reply, drops] {
      Names names(context.gateway);
      json list = json::array();
      for (const RecentDrop& drop : std::span(*drops).first(std::min(limit, drops->size()))) {
        list.push_back(drop_object(drop, names));
      }
      reply(std::move(list));
    });
  });
}

Subject looked_at(const MethodContext&, const json& params) {
  return {"dropped packets" + (params.contains("reason") ? ", " + params["reason"].get<std::string>() : ""),
          ""};
}

}  // namespace

std::vector<Method> drop_methods() {
  return {
      {"drops.get",
       Role::kView,
       "How many packets were dropped, by reason.",
       "`{reason: count}` for every reason, zeros included",
       {},
       get_drops,
       Where::kLoop},
      {"drops.recent",
       Role::kOperate,
       "The last packets that were dropped, newest first: each worker remembers 64 of each reason.",
       "a list of `{time, worker, reason, port, generation, service, backend, detail, bytes, length}`: "
       "`generation` of the configuration at the drop; `service` and `backend` null where they were not "
       "known "
       "yet, or are there no more; `bytes` the first 128, base64, as far as the packet had come; `length` of "
       "the whole frame",
       {{.name = "reason",
         .required = false,
         .help = "of this reason only",
         .choices = {dataplane::kDropReasonNames.begin(), dataplane::kDropReasonNames.end()}},
        {"limit", ParamType::kInteger, false, "at most this many; 1000 if not given", 1, kMostDrops}},
       recent,
       Where::kLoop,
       looked_at},
  };
}

}  // namespace sluice::ctrl
