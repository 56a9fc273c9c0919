// One generation of an inspection: its rules in one Hyperscan database, and what each worker scans with. The
// control side makes it, on a thread that has time, and frees it once no Tables and no stream have it; the
// database never changes, each worker's share is that worker's alone. Scanning allocates nothing.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <tl/expected.hpp>
#include <vector>

#include "common/counter.h"
#include "dataplane/inspect/inspection_counts.h"
#include "dataplane/inspect/rule.h"
#include "dataplane/inspect/stream_arena.h"

struct hs_database;
struct hs_scratch;
struct hs_stream;

namespace sluice::dataplane {

/// What rules say of bytes: nothing, or the first rule that lets no more of the stream pass.
struct ScanVerdict {
  static constexpr uint32_t kNoRule = UINT32_MAX;
  uint32_t rule = kNoRule;  ///< index of the rule in the plan
  RuleAction action = RuleAction::kCount;
  bool passes() const { return rule == kNoRule; }
};

struct InspectionPlan {
  InspectionMode mode = InspectionMode::kStream;
  uint32_t bytes = 0;    ///< that are inspected of each stream
  uint32_t streams = 0;  ///< that each worker may have at the same time
  unsigned workers = 1;  ///< those that balance
  std::vector<InspectionRule> rules = {};
  std::vector<uint32_t> places = {};  ///< of each rule its index in `counts`
  std::shared_ptr<InspectionCounts> counts = {};
};

/// A rule that Hyperscan refuses, and its message.
struct RuleFault {
  std::optional<size_t> rule;  ///< index in the plan; nothing: it refuses all of them together
  std::string message;
};

/// Hyperscan's message where it refuses a pattern, else nothing. Quick, but some faults are found by
/// compile() alone. Any thread.
std::optional<std::string> check_rule(const InspectionRule& rule);

class Inspection {
 public:
  /// Compiles the rules of a plan, which takes seconds for ten thousand of them.
  static tl::expected<std::shared_ptr<Inspection>, RuleFault> compile(InspectionPlan plan);
  /// An inspection without a database, which stands in while one is compiled: it lets nothing pass.
  static std::shared_ptr<Inspection> pending(InspectionPlan plan);
  ~Inspection();
  Inspection(const Inspection&) = delete;
  Inspection& operator=(const Inspection&) = delete;

  bool is_pending() const { return database_ == nullptr; }
  bool is_stream() const { return plan_.mode == InspectionMode::kStream; }
  const InspectionPlan& plan() const { return plan_; }
  size_t database_bytes() const { return database_bytes_; }
  /// Bytes of memory that each stream takes.
  size_t stream_bytes() const { return state_bytes_ + kept_bytes_; }
  /// Streams that are open, on all workers. Once there are none and no Tables refer to this, it stays so.
  uint64_t open_streams() const;

  // For workers; `worker` is their number among those that balance. Only where there is a database.
  /// Scans bytes by themselves, which belong to no stream.
  ScanVerdict scan(unsigned worker, std::span<const uint8_t> bytes);
  /// Null: the worker has as many streams as it may.
  hs_stream* open_stream(unsigned worker);
  /// Scans the next bytes of a stream.
  ScanVerdict scan(unsigned worker, hs_stream* stream, std::span<const uint8_t> bytes);
  /// Makes a stream one that has just been opened.
  void restart_stream(unsigned worker, hs_stream* stream);
  /// Says what rules make of a stream's end; no more bytes are scanned.
  ScanVerdict end_stream(unsigned worker, hs_stream* stream);
  void close_stream(unsigned worker, hs_stream* stream);
  /// Fetches the part of a stream's state that the next scan reads first.
  void prefetch(const hs_stream* stream) const {
    const auto* const state = reinterpret_cast<const uint8_t*>(stream);
    const size_t fetched = std::min(state_bytes_, kFetched);
    for (size_t line = 0; line < fetched; line += 64) __builtin_prefetch(state + line, 1);
  }
  /// Where the bytes of a stream are kept: InspectionPlan::bytes of them.
  std::span<uint8_t> bytes_of(unsigned worker, const hs_stream* stream) const;

  InspectionCounts::OfWorker& counts(unsigned worker) const { return plan_.counts->of(worker); }

 private:
  static constexpr size_t kFetched = 512;  ///< of a stream's state

  /// A rule that matched, and the offset of the byte behind the match.
  struct Match {
    uint32_t rule;
    uint64_t end;
  };
  struct alignas(64) Share {
    hs_scratch* scratch = nullptr;
    hs_stream* alone = nullptr;  ///< of flows whose payloads are scanned one by one, with kStream
    StreamArena arena;
    std::vector<Match> matches;  ///< room for one of each rule
    size_t matched = 0;
    Gauge open_streams;
  };

  explicit Inspection(InspectionPlan plan) : plan_(std::move(plan)) {}
  std::optional<RuleFault> build_database();
  Result<void> make_shares();
  static int note_match(unsigned rule, unsigned long long from, unsigned long long to, unsigned flags,
                        void* share);
  ScanVerdict judge(unsigned worker, Share& share);

  InspectionPlan plan_;
  hs_database* database_ = nullptr;
  size_t database_bytes_ = 0;
  size_t state_bytes_ = 0;  ///< of Hyperscan's state of a stream, rounded up
  size_t kept_bytes_ = 0;   ///< room for the bytes of a stream, rounded up
  std::vector<Share> shares_;
};

}  // namespace sluice::dataplane
