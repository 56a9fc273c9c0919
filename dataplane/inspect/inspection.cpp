#include "dataplane/inspect/inspection.h"

#include <hs_compile.h>
#include <hs_runtime.h>

#include <atomic>
#include <cstdlib>
#include <utility>

#include "common/check.h"
#include "dataplane/inspect/rule_expression.h"

namespace sluice::dataplane {
namespace {

constexpr size_t kLine = 64;

/// An odd number of lines: so that what lies at the same place of many streams does not meet in few sets of a
/// cache.
size_t rounded_up(size_t bytes) {
  return (bytes + kLine - 1) / kLine * kLine | kLine;
}

/// Hyperscan asks for the memory of a stream by a function that it is given once for all threads: what opens
/// or closes one says here in which arena.
thread_local StreamArena* arena_in_use = nullptr;

void* allocate_stream(size_t) {
  return arena_in_use->take();
}

void free_stream(void* stream) {
  arena_in_use->give_back(static_cast<uint8_t*>(stream));
}

void use_arenas() {
  static const hs_error_t set = hs_set_stream_allocator(allocate_stream, free_stream);
  check(set == HS_SUCCESS, "Hyperscan takes another allocator of streams");
}

/// The words of a refusal.
std::string take_words(hs_compile_error_t* error) {
  std::string words = error->message;
  hs_free_compile_error(error);
  return words;
}

}  // namespace

std::optional<std::string> check_rule(const InspectionRule& rule) {
  const std::string expression = expression_of(rule);
  if (expression.find('\0') != std::string::npos) return "a pattern has no byte 0; \\x00 stands for it";
  hs_expr_info_t* info = nullptr;
  hs_compile_error_t* error = nullptr;
  if (hs_expression_info(expression.c_str(), expression_flags_of(rule), &info, &error) != HS_SUCCESS) {
    return take_words(error);
  }
  const bool may_be_empty = info->min_width == 0;
  std::free(info);
  if (!may_be_empty) return std::nullopt;
  // Only compiling says whether it matches where there is nothing.
  hs_database_t* database = nullptr;
  if (hs_compile(expression.c_str(), expression_flags_of(rule), HS_MODE_BLOCK, nullptr, &database, &error) !=
      HS_SUCCESS) {
    return take_words(error);
  }
  hs_free_database(database);
  return std::nullopt;
}

std::optional<RuleFault> Inspection::build_database() {
  std::vector<std::string> texts;
  std::vector<const char*> expressions;
  std::vector<unsigned> flags, numbers;
  texts.reserve(plan_.rules.size());
  for (const InspectionRule& rule : plan_.rules) {
    numbers.push_back(static_cast<unsigned>(texts.size()));
    texts.push_back(expression_of(rule));
    expressions.push_back(texts.back().c_str());
    flags.push_back(expression_flags_of(rule));
  }
  hs_compile_error_t* error = nullptr;
  const unsigned mode = is_stream() ? HS_MODE_STREAM : HS_MODE_BLOCK;
  if (hs_compile_multi(expressions.data(), flags.data(), numbers.data(), static_cast<unsigned>(texts.size()),
                       mode, nullptr, &database_, &error) != HS_SUCCESS) {
    const int expression = error->expression;
    const std::optional<size_t> rule =
        expression < 0 ? std::nullopt : std::optional(static_cast<size_t>(expression));
    return RuleFault{rule, take_words(error)};
  }
  hs_database_size(database_, &database_bytes_);
  if (!is_stream()) return std::nullopt;
  size_t bytes = 0;
  hs_stream_size(database_, &bytes);
  state_bytes_ = rounded_up(bytes);
  kept_bytes_ = rounded_up(plan_.bytes);
  return std::nullopt;
}

Result<void> Inspection::make_shares() {
  shares_ = std::vector<Share>(plan_.workers);
  for (Share& share : shares_) {
    // A scratch serves the database that it was made for, and no other is asked of it.
    if (hs_alloc_scratch(database_, &share.scratch) != HS_SUCCESS) return fail("not enough memory to scan");
    share.matches.resize(plan_.rules.size());
    if (!is_stream()) continue;
    auto arena = StreamArena::create(state_bytes_, kept_bytes_, plan_.streams + 1);
    if (!arena) return tl::unexpected(arena.error());
    share.arena = std::move(*arena);
    arena_in_use = &share.arena;
    if (hs_open_stream(database_, 0, &share.alone) != HS_SUCCESS) return fail("no stream can be opened");
  }
  return {};
}

tl::expected<std::shared_ptr<Inspection>, RuleFault> Inspection::compile(InspectionPlan plan) {
  use_arenas();
  std::shared_ptr<Inspection> inspection(new Inspection(std::move(plan)));
  if (auto fault = inspection->build_database()) return tl::unexpected(std::move(*fault));
  if (auto made = inspection->make_shares(); !made) {
    return tl::unexpected(RuleFault{std::nullopt, made.error().message});
  }
  return inspection;
}

std::shared_ptr<Inspection> Inspection::pending(InspectionPlan plan) {
  return std::shared_ptr<Inspection>(new Inspection(std::move(plan)));
}

Inspection::~Inspection() {
  for (Share& share : shares_) {
    arena_in_use = &share.arena;
    if (share.alone != nullptr) hs_close_stream(share.alone, nullptr, nullptr, nullptr);
    hs_free_scratch(share.scratch);
  }
  hs_free_database(database_);
}

uint64_t Inspection::open_streams() const {
  uint64_t sum = 0;
  for (const Share& share : shares_) sum += share.open_streams.read();
  std::atomic_thread_fence(std::memory_order_acquire);
  return sum;
}

int Inspection::note_match(unsigned rule, unsigned long long, unsigned long long to, unsigned,
                           void* to_share) {
  Share& share = *static_cast<Share*>(to_share);
  // A rule that matches is not looked for again, so that there is room.
  if (share.matched < share.matches.size()) share.matches[share.matched++] = {rule, to};
  return 0;
}

/// The rule whose match ends first decides; of several, the first in the list: so that neither the order in
/// which matches are found nor how the bytes are cut makes a difference. What ends later counts nothing.
ScanVerdict Inspection::judge(unsigned worker, Share& share) {
  if (share.matched == 0) [[likely]]
    return {};
  const std::span<const Match> matches = std::span(share.matches).first(share.matched);
  constexpr Match kNone{ScanVerdict::kNoRule, UINT64_MAX};
  Match first = kNone;
  for (const Match& match : matches) {
    if (plan_.rules[match.rule].action == RuleAction::kCount) continue;
    if (std::pair(match.end, match.rule) < std::pair(first.end, first.rule)) first = match;
  }
  InspectionCounts::OfWorker& counted = counts(worker);
  for (const Match& match : matches) {
    if (match.end <= first.end) counted.matches[plan_.places[match.rule]].add();
  }
  if (first.rule == ScanVerdict::kNoRule) return {};
  return {first.rule, plan_.rules[first.rule].action};
}

ScanVerdict Inspection::scan(unsigned worker, std::span<const uint8_t> bytes) {
  Share& share = shares_[worker];
  share.matched = 0;
  counts(worker).scanned_bytes.add(bytes.size());
  const auto* const data = reinterpret_cast<const char*>(bytes.data());
  const auto size = static_cast<unsigned>(bytes.size());
  if (is_stream()) {
    hs_scan_stream(share.alone, data, size, 0, share.scratch, note_match, &share);
    hs_reset_stream(share.alone, 0, share.scratch, note_match, &share);
  } else {
    hs_scan(database_, data, size, 0, share.scratch, note_match, &share);
  }
  return judge(worker, share);
}

hs_stream* Inspection::open_stream(unsigned worker) {
  Share& share = shares_[worker];
  InspectionCounts::OfWorker& counted = counts(worker);
  hs_stream* stream = nullptr;
  arena_in_use = &share.arena;
  const bool has_room = counted.open_streams.read() < plan_.streams;
  if (!has_room || hs_open_stream(database_, 0, &stream) != HS_SUCCESS) {
    counted.streams_exceeded.add();
    return nullptr;
  }
  share.open_streams.add(1);
  counted.open_streams.add(1);
  return stream;
}

ScanVerdict Inspection::scan(unsigned worker, hs_stream* stream, std::span<const uint8_t> bytes) {
  Share& share = shares_[worker];
  share.matched = 0;
  counts(worker).scanned_bytes.add(bytes.size());
  hs_scan_stream(stream, reinterpret_cast<const char*>(bytes.data()), static_cast<unsigned>(bytes.size()), 0,
                 share.scratch, note_match, &share);
  return judge(worker, share);
}

void Inspection::restart_stream(unsigned worker, hs_stream* stream) {
  hs_reset_stream(stream, 0, shares_[worker].scratch, nullptr, nullptr);
}

ScanVerdict Inspection::end_stream(unsigned worker, hs_stream* stream) {
  Share& share = shares_[worker];
  share.matched = 0;
  hs_reset_stream(stream, 0, share.scratch, note_match, &share);
  return judge(worker, share);
}

void Inspection::close_stream(unsigned worker, hs_stream* stream) {
  Share& share = shares_[worker];
  arena_in_use = &share.arena;
  hs_close_stream(stream, nullptr, nullptr, nullptr);
  counts(worker).open_streams.add(-1);
  // Last: the control side may free all of this once it reads 0.
  std::atomic_thread_fence(std::memory_order_release);
  share.open_streams.add(-1);
}

std::span<uint8_t> Inspection::bytes_of(unsigned worker, const hs_stream* stream) const {
  return {shares_[worker].arena.stream_of(reinterpret_cast<const uint8_t*>(stream)), plan_.bytes};
}

}  // namespace sluice::dataplane
