// What workers remember of dropped packets.
#include <algorithm>
#include <utility>

#include "ctrl/store/gateway_parts.h"
#include "ctrl/store/recent_drop.h"

namespace sluice::ctrl {

using dataplane::DropReason;
using dataplane::DropRecorder;
using dataplane::RecentDropsRequest;

void Gateway::recent_drops(std::optional<DropReason> reason, DropsAnswer answer) {
  WorkerQuestions::Requests requests;
  std::vector<unsigned> workers;
  for (const dataplane::WorkerInfo& worker : parts_->data_plane->workers()) {
    RecentDropsRequest question{.reason = reason.value_or(DropReason::kNone), .found = {}};
    question.found.reserve(reason ? DropRecorder::kEach : DropRecorder::kRecords);
    requests.push_back(std::make_unique<dataplane::WorkerRequest>());
    requests.back()->question = std::move(question);
    workers.push_back(worker.index);
  }
  const auto finish = [answer, workers](WorkerQuestions::Requests* parts) {
    if (!parts) {
      return answer(refuse(Refusal::Kind::kUnavailable, "the data plane did not answer in time"));
    }
    const auto now = dataplane::CycleTime::now();
    std::vector<RecentDrop> drops;
    for (size_t i = 0; i < workers.size(); ++i) {
      for (const auto& record : std::get<RecentDropsRequest>((*parts)[i]->question).found) {
        drops.push_back({workers[i], now.at(record.cycles), record});
      }
    }
    // Those of one poll have one time, and a worker's numbers tell their order.
    std::ranges::sort(drops, std::ranges::greater(), [](const RecentDrop& drop) {
      return std::pair(drop.record.cycles, drop.record.number);
    });
    answer(std::move(drops));
  };
  if (!parts_->questions.ask(std::move(requests), workers, finish)) {
    answer(refuse(Refusal::Kind::kUnavailable, "too many questions wait for an answer already", "try again"));
  }
}

}  // namespace sluice::ctrl
