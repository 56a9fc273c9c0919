// Configurations that were applied: remembered, kept on disk, gone back to, confirmed or taken back.
#include <algorithm>
#include <atomic>
#include <nlohmann/json.hpp>
#include <utility>

#include "ctrl/intent/model_changes.h"
#include "ctrl/log/log_line.h"
#include "ctrl/store/gateway_parts.h"

namespace sluice::ctrl {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;
using std::chrono::system_clock;

constexpr auto kTakenBackBy = "sluiced: not confirmed";
constexpr std::chrono::seconds kBetweenAttempts{1};

/// Where the disk does not take the history: said now and then, as the attempts go on.
void complain(const Error& error) {
  static std::atomic<steady_clock::rep> next{0};
  const auto now = steady_clock::now().time_since_epoch();
  if (now.count() < next.load()) return;
  next = (now + std::chrono::minutes(1)).count();
  log_warning({"the history of the configuration is not on disk: ", error.message});
}

}  // namespace

uint64_t Gateway::Parts::open_history(const std::string& directory) {
  if (directory.empty()) return 1;
  auto opened = HistoryStore::open(directory);
  if (!opened) {
    log_warning({"the history of the configuration is of this run alone: ", opened.error().message});
    return 1;
  }
  history_store = std::move(*opened);
  HistoryStore::Found found = history_store.read();
  for (const std::string& file : found.unreadable) {
    log_warning({"a generation of the history is lost: ", file});
  }
  for (HistoryEntry& entry : found.entries) history.add(std::move(entry), nullptr);
  const auto entries = history.entries();
  const bool goes_on = !entries.empty() && entries.front().generation == found.last &&
                       entries.front().sha256 == hash.of(*intent);
  for (const HistoryEntry& entry : entries) {
    if (entry.confirmation != Confirmation::kPending) continue;
    if (goes_on && entry.generation == found.last) {
      resume_pending(entry);
    } else {
      history.set_confirmation(entry.generation, Confirmation::kTakenBack);
      log_warning({"generation ", entry.generation, " was not confirmed: the restart took it back"});
    }
  }
  return goes_on ? found.last : found.last + 1;
}

/// The file says what was to be confirmed: it still is, and still gives way in time.
void Gateway::Parts::resume_pending(const HistoryEntry& entry) {
  const auto stored = history_store.configuration(entry.confirm_base);
  const auto before = stored ? admit(intent, *stored, {.allow_no_services = true}) : Outcome<Admitted>();
  if (!stored || !before) {
    history.set_confirmation(entry.generation, Confirmation::kConfirmed);
    log_error({"generation ", entry.generation, " was not confirmed, and cannot be taken back: ",
               stored ? before.error().message : stored.error().message});
    return;
  }
  const auto left = std::max(*entry.confirm_by - time->wall(), system_clock::duration::zero());
  pending = {entry.generation, entry.confirm_base, before->model, time->steady() + left};
  log_warning({"generation ", entry.generation, " waits to be confirmed for ",
               std::chrono::duration_cast<std::chrono::seconds>(left).count(), " s more"});
}

void Gateway::Parts::remember(const std::shared_ptr<const Model>& before, uint64_t base,
                              const ApplyOptions& options, Moment now, ApplyResult& result) {
  PendingChange next{generation, base, without_set_contents(before), {}};
  if (pending) {
    const bool goes_back = changed_parts(*pending->before, *intent).empty();
    history.set_confirmation(pending->generation,
                             goes_back ? Confirmation::kTakenBack : Confirmation::kSuperseded);
    next.base = pending->base;  // what was never confirmed is nothing to go back to
    next.before = pending->before;
    pending.reset();
  }
  HistoryEntry entry{generation, now.wall, options.author, "", result.changed};
  if (options.confirm) {
    result.confirm_by = now.wall + *options.confirm;
    entry.confirmation = Confirmation::kPending;
    entry.confirm_by = result.confirm_by;
    entry.confirm_base = next.base;
    next.deadline = now.steady + *options.confirm;
    pending = std::move(next);
  }
  history.add(std::move(entry), without_set_contents(intent));
  events.tell(EventKind::kConfigApplied,
              {{"generation", generation.load()}, {"author", options.author}, {"changed", result.changed}});
}

void Gateway::Parts::take_back_unconfirmed() {
  const auto is_due = [this] { return pending && time->steady() >= pending->deadline; };
  std::shared_ptr<const Model> then;
  {
    const std::lock_guard lock(state);
    if (!is_due()) return;
    then = pending->before;
  }
  const auto compiled = inspections_for(*then, nullptr);  // before anybody has to wait for it
  const std::lock_guard our_turn(turn);
  await_turn();
  const std::lock_guard lock(state);
  if (!is_due() || is_stopping) return;
  const uint64_t unconfirmed = pending->generation;
  Model before = *pending->before;
  share_unchanged(*intent, before);
  const auto taken =
      take(std::make_shared<const Model>(std::move(before)), {.author = kTakenBackBy}, Step::Mode::kTake);
  if (!taken) {
    pending->deadline = time->steady() + kBetweenAttempts;
    log_error({"generation ", unconfirmed,
               " was not confirmed, and cannot be taken back: ", taken.error().message});
    return;
  }
  log_warning({"generation ", unconfirmed, " was not confirmed in time: generation ", taken->generation,
               " is what was before"});
}

Outcome<void> Gateway::confirm(uint64_t generation) {
  Parts& parts = *parts_;
  {
    const std::lock_guard lock(parts.state);
    if (!parts.pending || parts.pending->generation != generation) {
      return refuse(Refusal::Kind::kNotFound,
                    "generation " + std::to_string(generation) + " does not wait to be confirmed",
                    "config.history says which does");
    }
    parts.history.set_confirmation(generation, Confirmation::kConfirmed);
    parts.pending.reset();
  }
  keep_history();
  return {};
}

std::vector<HistoryEntry> Gateway::history() {
  parts_->hash_history();
  const std::lock_guard state(parts_->state);
  return parts_->history.entries();
}

void Gateway::Parts::hash_history() {
  const std::lock_guard one_at_a_time(hashing);
  while (true) {
    std::optional<ConfigHistory::Unhashed> next;
    {
      const std::lock_guard lock(state);
      next = history.unhashed();
    }
    if (!next) return;
    std::string sha256 = hash.of(*next->model);
    const std::lock_guard lock(state);
    history.set_hash(next->generation, std::move(sha256));
  }
}

void Gateway::keep_history() {
  Parts& parts = *parts_;
  const std::lock_guard one_at_a_time(parts.keeping);
  if (!parts.history_store.is_open()) return;
  while (true) {
    std::optional<ConfigHistory::Unsaved> next;
    uint64_t first = 0;
    {
      const std::lock_guard lock(parts.state);
      next = parts.history.unsaved();
      first = parts.history.entries().back().generation;
    }
    if (!next) return;
    Result<std::string> text = parts.text_of(*next);
    if (auto written = text ? parts.history_store.write(next->entry, *text) : fail(text.error().message);
        !written) {
      complain(written.error());
      return;
    }
    parts.history_store.forget_before(first);
    const std::lock_guard lock(parts.state);
    parts.history.set_saved(next->entry);
  }
}

Result<std::string> Gateway::Parts::text_of(const ConfigHistory::Unsaved& unsaved) {
  if (unsaved.model) {
    const std::lock_guard lock(hashing);
    return hash.text(*unsaved.model);
  }
  auto stored = history_store.configuration(unsaved.entry.generation);
  if (!stored) return tl::unexpected(stored.error());
  return stored->dump();
}

Outcome<std::shared_ptr<const Model>> Gateway::Parts::remembered(uint64_t wanted) {
  const std::lock_guard one_at_a_time(keeping);
  std::shared_ptr<const Model> now, found;
  {
    const std::lock_guard lock(state);
    if (!history.contains(wanted)) {
      return refuse(Refusal::Kind::kNotFound, "generation " + std::to_string(wanted) + " is not remembered",
                    "config.history lists those that are");
    }
    now = intent;
    found = history.find(wanted);
  }
  if (found) {
    Model again = *found;
    share_unchanged(*now, again);  // what says the same is the same
    return std::make_shared<const Model>(std::move(again));
  }
  const auto stored = history_store.configuration(wanted);
  if (!stored) return refuse(Refusal::Kind::kUnavailable, stored.error().message);
  auto admitted = admit(now, *stored, {.allow_no_services = true});
  if (!admitted) return tl::unexpected(std::move(admitted.error()));
  return admitted->model;
}

Outcome<ApplyResult> Gateway::rollback(uint64_t generation, const std::string& author) {
  auto model = parts_->remembered(generation);
  if (!model) return tl::unexpected(std::move(model.error()));
  const std::lock_guard turn(parts_->turn);
  parts_->await_turn();
  const std::lock_guard state(parts_->state);
  auto result = parts_->take(std::move(*model), {.author = author}, Step::Mode::kTake);
  parts_->last_apply_succeeded = result.has_value();
  return result;
}

}  // namespace sluice::ctrl
