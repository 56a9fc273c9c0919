// What only the ledger can answer.
#include <utility>

#include "ctrl/store/gateway_parts.h"

namespace sluice::ctrl {
namespace {

using dataplane::LocateRequest;
using dataplane::SubmitRequest;
using Question = LedgerQuestions::Question;

tl::unexpected<Refusal> no_ledger() {
  return refuse(Refusal::Kind::kNotFound, "this gateway has no ledger");
}

tl::unexpected<Refusal> no_ledger_answer() {
  return refuse(Refusal::Kind::kUnavailable, "the ledger did not answer in time",
                "submitting a transaction again is safe: it gets the receipt of the first time");
}

tl::unexpected<Refusal> too_many_requests() {
  return refuse(Refusal::Kind::kUnavailable, "too many requests wait for the ledger already", "try again");
}

}  // namespace

const dataplane::LedgerPlane* Gateway::ledger() const {
  return parts_->data_plane->ledger();
}

void Gateway::submit(ledger::Profile profile, std::vector<uint8_t> payload, SubmitAnswer answer) {
  if (!ledger()) return answer(no_ledger());
  const auto finish = [answer](Question* answered) {
    if (!answered) return answer(no_ledger_answer());
    answer(std::get<SubmitRequest>(*answered).answer);
  };
  if (!parts_->ledger_questions.ask(SubmitRequest{profile, std::move(payload), {}}, finish)) {
    answer(too_many_requests());
  }
}

void Gateway::locate(const dataplane::LocateRequest& wanted, LocateAnswer answer) {
  if (!ledger()) return answer(no_ledger());
  const auto finish = [answer](Question* answered) {
    if (!answered) return answer(no_ledger_answer());
    answer(std::get<LocateRequest>(*answered).index);
  };
  if (!parts_->ledger_questions.ask(wanted, finish)) answer(too_many_requests());
}

}  // namespace sluice::ctrl
