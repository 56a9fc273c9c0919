// What a method of the control socket is: its name, who may call it, what it takes, and the function.
// The tables of methods/<noun>.cpp are made of these; validation, system.methods and
// docs/reference/methods.md all come from them. Pure.
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "ctrl/access/peer.h"
#include "ctrl/intent/fault.h"
#include "ctrl/store/notified.h"

namespace sluice::ctrl {

struct MethodContext;
class OpenSpan;

enum class ParamType : uint8_t {
  kString,
  kInteger,
  kBoolean,
  kObject,
  kAddress,
  kStrings,  ///< an array of them
};

struct Param {
  std::string_view name;
  ParamType type = ParamType::kString;
  bool required = true;
  std::string_view help;
  int64_t minimum = 0;  ///< of an integer
  int64_t maximum = std::numeric_limits<int64_t>::max();
  std::vector<std::string_view> choices = {};  ///< of a string, or of each; empty: any
};

/// On which thread a method is called.
enum class Where : uint8_t {
  kAnswers,  ///< ControlThreads::answer: what looks things up by name, or writes much
  kChanges,  ///< ControlThreads::change: what changes something, in the order in which it was asked for
  kLoop,     ///< the control thread: what takes microseconds, or is answered later by others
};

/// The notifications of events.subscribe. A connection that does not keep up with them is closed, whereas of
/// a capture it would lose packets.
inline constexpr std::string_view kEventNotification = "event";

/// Sends a notification on the connection that a call came by; `params` is JSON text, for a capture's is
/// hundreds of megabytes a second. Without a method nothing is sent: it is only said whether the client is
/// there. May be kept; for the control thread.
using Notify = std::function<Notified(std::string_view method, std::string_view params)>;

/// One request, valid during the call only.
struct Call {
  const nlohmann::json& params;  ///< an object that fits the method's params
  const Peer& peer;
  const Notify& notify;                 ///< empty where nothing can be sent unasked
  std::shared_ptr<OpenSpan> span = {};  ///< that tells of the request; null: nobody wants to know
  std::shared_ptr<const nlohmann::json> kept_params =
      {};  ///< keeps `params` for a method that needs them later
};

using Answer = Outcome<nlohmann::json>;
/// Called exactly once, on any thread, during the call or later.
using Reply = std::function<void(Answer)>;

/// What a change is about and how that is now, in words for the log.
struct Subject {
  std::string object;  ///< "web 192.0.2.1:80"
  std::string state;   ///< "weight 1, active"; empty: there is nothing to compare
};

struct Method {
  std::string_view name;
  Role role = Role::kView;
  std::string_view help;    ///< one sentence
  std::string_view result;  ///< what it answers
  std::vector<Param> params;
  void (*call)(MethodContext& context, const Call& call, Reply reply);
  Where where = Where::kAnswers;
  /// Of a method that changes something: asked before the call and after it, for the log.
  Subject (*subject)(const MethodContext& context, const nlohmann::json& params) = nullptr;
};

/// Params as an object: an array is taken by position, nothing as no params. Or every fault found.
Answer check_params(const Method& method, nlohmann::json params);

/// The JSON Schema (draft-07) of a method's params.
nlohmann::json params_schema(const Method& method);

}  // namespace sluice::ctrl
