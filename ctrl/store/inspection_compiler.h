// Compiles the rules of inspections, and keeps what goes on from one generation of them to the next: what
// they have counted, and generations that still have streams. Any thread; compiling takes as long as it
// takes, and whoever asks for anything else does not wait for it.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <unordered_map>
#include <vector>

#include "ctrl/observed/inspection_contents.h"
#include "dataplane/inspect/inspection.h"

namespace sluice::ctrl {

class InspectionCompiler {
 public:
  using Compiled = std::shared_ptr<const CompiledInspection>;
  using Model = std::shared_ptr<const InspectionModel>;
  using Rules = std::shared_ptr<const InspectionRules>;

  /// `workers`: how many balance.
  explicit InspectionCompiler(unsigned workers) : workers_(workers) {}

  /// What was compiled of an inspection with those rules, if it was lately.
  Compiled find(const InspectionModel& inspection, const InspectionRules& rules) const;
  /// find(), or else compiles it. The fault's rule is a place in `rules`: all that the inspection has.
  tl::expected<Compiled, dataplane::RuleFault> compile(const Model& inspection, const Rules& rules);
  /// For as long as that takes.
  Compiled pending(const Model& inspection, const Rules& rules);

  /// What counts from now on, at that time. Answers whose rules are other, and ready.
  std::vector<std::string> adopt(const InspectionContents& contents,
                                 std::chrono::system_clock::time_point now);
  /// The newest rules of an inspection are not the ones that count; or, where `error` is empty, they are.
  void note_failure(const std::string& name, const std::string& error, bool is_reading);
  /// Those that count now.
  std::vector<InspectionRow> rows() const;
  std::vector<std::string> unready() const;
  /// Lets go of generations without streams. Every now and then.
  void tidy();

 private:
  /// Where a rule is counted, and how much was counted there before it was.
  struct Place {
    uint32_t number;
    uint64_t before;
  };
  /// What an inspection keeps as long as one of its name is there.
  struct Kept {
    std::shared_ptr<dataplane::InspectionCounts> counts;
    std::unordered_map<uint32_t, Place> places;  ///< by id
    uint64_t failures = 0;
    std::string error = {};
    std::chrono::system_clock::time_point since = {};
  };
  Result<dataplane::InspectionPlan> plan_for(const InspectionModel& inspection, const InspectionRules& rules);
  static std::vector<uint32_t> places_for(Kept& kept, const InspectionRules& rules);

  const unsigned workers_;
  mutable std::mutex mutex_;  ///< of all below
  std::map<std::string, Kept, std::less<>> kept_;
  std::vector<Compiled> ready_;  ///< compiled, and not adopted yet; the newest few
  InspectionContents contents_;
  std::vector<std::shared_ptr<dataplane::Inspection>> generations_;  ///< that workers may have
};

/// Whether what was compiled of an inspection is what those rules would come to.
bool is_compiled_from(const CompiledInspection& compiled, const InspectionModel& inspection,
                      const InspectionRules& rules);

}  // namespace sluice::ctrl
