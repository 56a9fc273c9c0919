#include <string>

#include "ctrl/rpc/methods/methods.h"
#include "ctrl/store/event_hub.h"

namespace sluice::ctrl {
namespace {

using nlohmann::json;

/// Every one where none are named.
EventKinds kinds_of(const json& params) {
  EventKinds kinds = 0;
  for (const json& word : params.value("kinds", json::array())) {
    kinds |= bit_of(*event_kind_of(word.get_ref<const std::string&>()));
  }
  return kinds != 0 ? kinds : kAllEvents;
}

/// On the loop: what is told after the answer is passed on.
void subscribe(MethodContext& context, const Call& call, Reply reply) {
  if (!call.notify) {
    return reply(refuse(Refusal::Kind::kUnavailable, "nothing can be sent unasked by this way",
                        "use the control socket, or GET /events"));
  }
  const EventKinds kinds = kinds_of(call.params);
  const auto listener = [notify = call.notify](const Event* event) {
    if (!event) return notify("", "");
    return notify(kEventNotification, event->object->dump(-1, ' ', false, json::error_handler_t::replace));
  };
  if (!context.gateway.events().listen(EventSink::kSocket, kinds, listener)) {
    return reply(
        refuse(Refusal::Kind::kUnavailable, "too many follow the events already", "try again later"));
  }
  json words = json::array();
  for (size_t i = 0; i < kEventKinds.size(); ++i) {
    if ((kinds & bit_of(static_cast<EventKind>(i))) != 0) words.push_back(kEventKinds[i]);
  }
  reply(json{{"kinds", std::move(words)}});
}

}  // namespace

std::vector<Method> event_methods() {
  return {
      {"events.subscribe",
       Role::kView,
       "Follows what happens from now on, by notifications on this connection: "
       "`{\"method\": \"event\", \"params\": {time, kind, ...}}`. A connection that does not keep up is "
       "closed.",
       "`{kinds}`",
       {{.name = "kinds",
         .type = ParamType::kStrings,
         .required = false,
         .help = "of these kinds only",
         .choices = {kEventKinds.begin(), kEventKinds.end()}}},
       subscribe,
       Where::kLoop},
  };
}

}  // namespace sluice::ctrl
