#include "ctrl/store/ledger_questions.h"

#include <utility>

namespace sluice::ctrl {

using Clock = std::chrono::steady_clock;

bool LedgerQuestions::ask(Question question, Finish finish) {
  if (pending_.size() >= kMostAtOnce) return false;
  auto pending = std::make_unique<Pending>();
  pending->request.question = std::move(question);
  pending->finish = std::move(finish);
  pending->deadline = Clock::now() + kPatience;
  pending_.push_back(std::move(pending));
  return true;
}

void LedgerQuestions::poll(dataplane::LedgerPlane& ledger) {
  for (const auto& pending : pending_) {
    if (pending->sent) continue;
    pending->sent = ledger.ask(pending->request);
    if (!pending->sent) break;
  }
  deliver(Clock::now());
}

void LedgerQuestions::deliver(Clock::time_point now) {
  std::vector<std::pair<Finish, std::unique_ptr<Pending>>> finished;
  for (auto& pending : pending_) {
    if (!pending->finish) continue;
    const bool is_answered = pending->sent && pending->is_done();
    if (!is_answered && now < pending->deadline) continue;
    Finish finish = std::exchange(pending->finish, nullptr);
    finished.emplace_back(std::move(finish), is_answered ? std::move(pending) : nullptr);
  }
  std::erase_if(pending_, [](const auto& pending) {
    return !pending || (!pending->finish && (!pending->sent || pending->is_done()));
  });
  // An answer may ask the next question: only now, with pending_ whole again.
  for (auto& [finish, pending] : finished) finish(pending ? &pending->request.question : nullptr);
}

void LedgerQuestions::give_up() {
  deliver(Clock::time_point::max());
}

}  // namespace sluice::ctrl
