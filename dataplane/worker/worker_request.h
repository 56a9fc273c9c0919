// A question from the control thread that only a worker can answer: explain one flow, list flows, count those
// that other Tables would end, tell what was dropped. Asked through a ring, answered between bursts, a
// bounded step at a time. Only who balances has flows; what was dropped, every worker tells.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <variant>
#include <vector>

#include "common/flow_key.h"
#include "dataplane/base/drop_reason.h"
#include "dataplane/tables/drop_recorder.h"
#include "lb/decided_rule.h"
#include "lb/flow_entry.h"

namespace sluice::dataplane {

struct Tables;

/// What would happen to a packet of that flow, decided by the data plane's own code.
struct Explanation {
  enum class Verdict : uint8_t { kCached, kPicked, kDropped, kToKernel };
  Verdict verdict = Verdict::kDropped;
  lb::ServiceId service = lb::kNoService;
  lb::BackendId backend = lb::kNoBackend;
  uint32_t slot = UINT32_MAX;  ///< of the Maglev table, UINT32_MAX where none was used
  DropReason drop = DropReason::kNone;
  lb::DecidedRules rules = {};
};

/// Of the answers of all who may own a flow: the owner's, who knows it already, else the first.
inline const Explanation& owners_explanation(std::span<const Explanation> answers) {
  for (const Explanation& answer : answers) {
    if (answer.verdict == Explanation::Verdict::kCached) return answer;
  }
  return answers.front();
}

struct FlowSnapshot {
  FlowKey key;
  lb::ServiceId service;
  lb::BackendId backend;
  lb::FlowState state;
  uint32_t idle_ms;
  unsigned worker;
};

struct ExplainRequest {
  FlowKey key;
  Explanation result;
};

/// Entries are walked a few per poll, until `limit` are found or the table ends. `found` has its capacity
/// reserved by the asker: the worker never allocates.
struct ListFlowsRequest {
  lb::ServiceId service = lb::kNoService;  ///< kNoService: every service
  size_t limit = 0;
  std::vector<FlowSnapshot> found;
  lb::FlowIndex cursor = 0;
};

/// Counts the flows that go on now and would end under other Tables, which were compiled from the present
/// ones.
struct CountLossesRequest {
  std::shared_ptr<const Tables> candidate;
  std::vector<uint32_t> lost;  ///< by ServiceId of the present Tables; its size is given by the asker
  lb::FlowIndex cursor = 0;
};

/// The packets that were dropped last, one reason at a step. `found` has its capacity reserved by the asker.
struct RecentDropsRequest {
  DropReason reason = DropReason::kNone;  ///< kNone: every reason
  std::vector<DropRecord> found;
  size_t cursor = 0;  ///< the reason that is next
};

/// Owned by the asker, which must keep it until `done`; between asking and `done` the worker's alone.
struct WorkerRequest {
  std::variant<ExplainRequest, ListFlowsRequest, CountLossesRequest, RecentDropsRequest> question;
  std::atomic<bool> done{false};
};

}  // namespace sluice::dataplane
