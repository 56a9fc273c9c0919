#include "ctrl/store/worker_questions.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace sluice::ctrl {

bool WorkerQuestions::Question::is_done() const {
  return std::all_of(requests.begin(), requests.begin() + static_cast<std::ptrdiff_t>(sent),
                     [](const auto& request) { return request->done.load(std::memory_order_acquire); });
}

bool WorkerQuestions::ask(Requests requests, std::vector<unsigned> workers, Finish finish) {
  auto question = std::make_unique<Question>();
  question->requests = std::move(requests);
  question->workers = std::move(workers);
  question->finish = std::move(finish);
  question->deadline = std::chrono::steady_clock::now() + kPatience;
  const std::lock_guard lock(mutex_);
  if (has_ended_ || asked_.size() + under_way_ >= kMostAtOnce) return false;
  asked_.push_back(std::move(question));
  return true;
}

void WorkerQuestions::take_asked() {
  const std::lock_guard lock(mutex_);
  std::move(asked_.begin(), asked_.end(), std::back_inserter(questions_));
  asked_.clear();
  under_way_ = questions_.size();
}

void WorkerQuestions::poll(dataplane::DataPlane& data_plane) {
  take_asked();
  const auto now = std::chrono::steady_clock::now();
  std::vector<std::pair<Finish, std::unique_ptr<Question>>> finished;
  for (auto& question : questions_) {
    while (question->finish && question->sent < question->requests.size() &&
           data_plane.ask(question->workers[question->sent], *question->requests[question->sent])) {
      ++question->sent;
    }
    if (question->finish && question->sent == question->requests.size() && question->is_done()) {
      Finish finish = std::exchange(question->finish, nullptr);
      finished.emplace_back(std::move(finish), std::move(question));
    } else if (question->finish && now >= question->deadline) {
      finished.emplace_back(std::exchange(question->finish, nullptr), nullptr);
    }
  }
  std::erase_if(questions_,
                [](const auto& question) { return !question || (!question->finish && question->is_done()); });
  take_asked();
  // An answer may ask the next question: only now, with questions_ whole again.
  for (auto& [finish, question] : finished) finish(question ? &question->requests : nullptr);
}

void WorkerQuestions::give_up() {
  {
    const std::lock_guard lock(mutex_);
    has_ended_ = true;
  }
  take_asked();
  std::vector<Finish> askers;
  for (auto& question : questions_) {
    if (question->finish) askers.push_back(std::exchange(question->finish, nullptr));
  }
  for (const Finish& finish : askers) finish(nullptr);
}

}  // namespace sluice::ctrl
