#include "ctrl/tunnel/sequence_keeper.h"

#include <algorithm>
#include <chrono>

namespace sluice::ctrl {
namespace {

constexpr std::chrono::milliseconds kRound{10};
constexpr uint64_t kMostAhead = uint64_t{1} << 24;
constexpr uint64_t kRoundsAhead = 100;  ///< a second's: the disk may take its time

}  // namespace

SequenceKeeper::SequenceKeeper(std::string directory, unsigned workers)
    : directory_(std::move(directory)), workers_(workers) {}

SequenceKeeper::~SequenceKeeper() {
  {
    const std::lock_guard lock(mutex_);
    is_stopping_ = true;
  }
  stopped_.notify_all();
  if (thread_.joinable()) thread_.join();
  for (Kept& kept : kept_) retire(kept);
  if (file_) static_cast<void>(file_->sync());
}

Result<void> SequenceKeeper::open() {
  if (file_) return {};
  auto opened = SequenceFile::open(directory_);
  if (!opened) {
    problem_ = opened.error().message;
    return tl::unexpected(opened.error());
  }
  file_ = std::move(*opened);
  problem_.clear();
  thread_ = std::thread([this] { run(); });
  return {};
}

SequenceKeeper::Kept* SequenceKeeper::find(SequenceUse use, const KeyId& key) {
  const auto found = std::find_if(kept_.begin(), kept_.end(),
                                  [&](const Kept& kept) { return kept.use == use && kept.key == key; });
  return found == kept_.end() ? nullptr : &*found;
}

Result<SequenceKeeper::Kept*> SequenceKeeper::add(SequenceUse use, const KeyId& key) {
  if (auto opened = open(); !opened) return tl::unexpected(opened.error());
  const auto record = file_->find(use, key);
  if (!record) {
    problem_ = record.error().message;
    return tl::unexpected(record.error());
  }
  const uint64_t used = file_->used(*record);
  const uint64_t reserved = used + (use == SequenceUse::kOut ? kOutAhead : kInAhead);
  file_->reserve(*record, reserved);
  if (auto written = file_->sync(); !written) {
    problem_ = written.error().message;
    return tl::unexpected(written.error());
  }
  problem_.clear();
  kept_.push_back({use, key, *record, {}, {}, used + 1, reserved, reserved});
  return &kept_.back();
}

Result<std::shared_ptr<dataplane::SequenceLeases>> SequenceKeeper::outbound(const KeyId& key) {
  const std::lock_guard lock(mutex_);
  if (Kept* const known = find(SequenceUse::kOut, key)) return known->out;
  const auto added = add(SequenceUse::kOut, key);
  if (!added) return tl::unexpected(added.error());
  Kept& kept = **added;
  kept.out = std::make_shared<dataplane::SequenceLeases>(workers_, kept.next, kept.reserved + 1);
  return kept.out;
}

Result<std::shared_ptr<dataplane::InboundSequence>> SequenceKeeper::inbound(const KeyId& key) {
  const std::lock_guard lock(mutex_);
  if (Kept* const known = find(SequenceUse::kIn, key)) return known->in;
  const auto added = add(SequenceUse::kIn, key);
  if (!added) return tl::unexpected(added.error());
  Kept& kept = **added;
  kept.in = std::make_shared<dataplane::InboundSequence>();
  kept.in->highest = &file_->highest(kept.record);
  kept.in->limit = kept.reserved;
  kept.in->owner = file_;
  return kept.in;
}

std::string SequenceKeeper::problem() const {
  const std::lock_guard lock(mutex_);
  return problem_;
}

void SequenceKeeper::run() {
  std::unique_lock lock(mutex_);
  while (!stopped_.wait_for(lock, kRound, [&] { return is_stopping_; })) extend();
}

void SequenceKeeper::extend() {
  for (Kept& kept : kept_) look_at(kept);
  const bool is_due =
      std::any_of(kept_.begin(), kept_.end(), [](const Kept& kept) { return kept.wanted != kept.reserved; });
  if (is_due) {
    const auto written = file_->sync();
    problem_ = written ? "" : written.error().message;
    if (written) publish();
  }
  kept_.remove_if([&](Kept& kept) {
    const bool is_unused = kept.is_unused();
    if (is_unused) retire(kept);
    return is_unused;
  });
}

/// Numbers run at least half of what is reserved ahead.
void SequenceKeeper::look_at(Kept& kept) {
  const uint64_t next =
      kept.out ? kept.out->next() : std::max(kept.in->highest->load(), kept.in->wanted.load()) + 1;
  const uint64_t used = next - std::min(next, kept.next);
  kept.next = next;
  const uint64_t ahead = std::clamp(used * kRoundsAhead, kept.out ? kOutAhead : kInAhead, kMostAhead);
  if (kept.reserved + 1 >= next + ahead / 2) return;
  kept.wanted = next + ahead;
  file_->reserve(kept.record, kept.wanted);
}

void SequenceKeeper::publish() {
  for (Kept& kept : kept_) {
    if (kept.wanted == kept.reserved) continue;
    kept.reserved = kept.wanted;
    if (kept.out) {
      kept.out->extend(kept.reserved + 1);
    } else {
      kept.in->limit.store(kept.reserved, std::memory_order_release);
    }
  }
}

/// Nobody moves it on any more. Of what is received, the workers have noted how far they came.
void SequenceKeeper::retire(Kept& kept) {
  if (kept.out) file_->highest(kept.record).store(std::min(kept.out->next(), kept.out->end()) - 1);
  file_->close(kept.record);
}

}  // namespace sluice::ctrl
