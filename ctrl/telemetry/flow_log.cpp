#include "ctrl/telemetry/flow_log.h"

#include <string>

#include "ctrl/intent/config_flow_log.h"
#include "ctrl/intent/model.h"
#include "ctrl/log/log_line.h"
#include "ctrl/telemetry/flow_file.h"
#include "ctrl/telemetry/ipfix_exporter.h"

namespace sluice::ctrl {

void FlowLog::follow(const Model& model) {
  const auto lanes = gateway_.flow_lanes();
  if (!lanes) return;  // nobody ever asked for records
  const std::string destination = model.flow_log ? destination_text(*model.flow_log) : "";
  if (destination != destination_) {
    destination_ = destination;
    write_to(model.flow_log, FlowTally(lanes, lb::FlowReader::kLog));
  }
  reader_.start();
}

void FlowLog::write_to(const std::optional<FlowLogModel>& wanted, const FlowTally& tally) {
  file_.reset();
  if (!wanted) return reader_.listen(lb::FlowReader::kLog, nullptr);
  if (wanted->kind == FlowLogModel::Kind::kFile) {
    file_ = std::make_shared<FlowFile>(wanted->path, tally);
    reader_.listen(lb::FlowReader::kLog, file_);
  } else {
    reader_.listen(lb::FlowReader::kLog, std::make_shared<IpfixExporter>(*wanted, tally));
  }
  log_info({"flow_log: records of flows go to ", destination_});
}

void FlowLog::reopen() {
  if (file_) file_->reopen();
}

}  // namespace sluice::ctrl
