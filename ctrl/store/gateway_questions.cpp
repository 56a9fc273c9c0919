// What only a worker can answer.
#include <algorithm>
#include <utility>

#include "ctrl/store/gateway_parts.h"

namespace sluice::ctrl {
namespace {

using dataplane::ExplainRequest;
using dataplane::ListFlowsRequest;
using dataplane::WorkerRequest;

constexpr size_t kMostFlows = 100'000;

tl::unexpected<Refusal> no_answer() {
  return refuse(Refusal::Kind::kUnavailable, "the data plane did not answer in time");
}

tl::unexpected<Refusal> too_many() {
  return refuse(Refusal::Kind::kUnavailable, "too many questions wait for an answer already", "try again");
}

}  // namespace

void Gateway::explain(const FlowKey& key, ExplainAnswer answer) {
  std::vector<unsigned> workers;
  {
    const std::lock_guard lock(parts_->instant);
    workers = parts_->data_plane->possible_owners(key);
  }
  WorkerQuestions::Requests requests;
  for (size_t i = 0; i < workers.size(); ++i) {
    requests.push_back(std::make_unique<WorkerRequest>());
    requests.back()->question = ExplainRequest{key, {}};
  }
  const auto finish = [answer](WorkerQuestions::Requests* parts) {
    if (!parts) return answer(no_answer());
    std::vector<dataplane::Explanation> explanations;
    for (const auto& part : *parts) {
      explanations.push_back(std::get<ExplainRequest>(part->question).result);
    }
    answer(dataplane::owners_explanation(explanations));
  };
  if (!parts_->questions.ask(std::move(requests), workers, finish)) answer(too_many());
}

void Gateway::list_flows(std::optional<std::string> service, size_t limit, FlowsAnswer answer) {
  lb::ServiceId id = lb::kNoService;
  if (service) {
    const auto found = service_id(*service);
    if (!found) return answer(tl::unexpected(found.error()));
    id = *found;
  }
  limit = std::min(limit, kMostFlows);
  WorkerQuestions::Requests requests;
  for (size_t i = 0; i < parts_->balancers.size(); ++i) {
    ListFlowsRequest walk{.service = id, .limit = limit, .found = {}, .cursor = 0};
    walk.found.reserve(limit);
    requests.push_back(std::make_unique<WorkerRequest>());
    requests.back()->question = std::move(walk);
  }
  const auto finish = [answer, limit](WorkerQuestions::Requests* parts) {
    if (!parts) return answer(no_answer());
    std::vector<dataplane::FlowSnapshot> flows;
    for (const auto& part : *parts) {
      const auto& found = std::get<ListFlowsRequest>(part->question).found;
      const size_t taken = std::min(found.size(), limit - flows.size());
      flows.insert(flows.end(), found.begin(), found.begin() + static_cast<std::ptrdiff_t>(taken));
    }
    answer(std::move(flows));
  };
  if (!parts_->questions.ask(std::move(requests), parts_->balancers, finish)) answer(too_many());
}

}  // namespace sluice::ctrl
