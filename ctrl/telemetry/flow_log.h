// The flow log: has records of flows written where the configuration says. Control thread.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "ctrl/intent/flow_log_model.h"
#include "ctrl/telemetry/flow_reader.h"
#include "ctrl/telemetry/flow_tally.h"

namespace sluice::ctrl {

struct Model;
class FlowFile;

class FlowLog {
 public:
  /// Borrows both.
  FlowLog(const Gateway& gateway, FlowRecordReader& reader) : gateway_(gateway), reader_(reader) {}

  /// Writes to where a configuration says from now on.
  void follow(const Model& model);
  /// Makes the file anew.
  void reopen();

 private:
  void write_to(const std::optional<FlowLogModel>& wanted, const FlowTally& tally);

  const Gateway& gateway_;
  FlowRecordReader& reader_;
  std::string destination_;         ///< empty: nowhere
  std::shared_ptr<FlowFile> file_;  ///< null: it goes elsewhere
};

}  // namespace sluice::ctrl
