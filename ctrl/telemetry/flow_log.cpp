#include "ctrl/telemetry/flow_log.h"

#include <string>

#include "ctrl/intent/config_flow_log.h"
#include "ctrl/intent/model.h"
#include "ctrl/log/log_line.h"
#include "ctrl/telemetry/flow_file.h"
#include "ctrl/telemetry/ipfix_exporter.h"

namespace sluice::ctrl {

void FlowLog::follow(const Model& model) {
  const auto& wanted = model.flow_log;
  const auto lanes = gateway_.flow_lanes();
  const std::string destination = wanted && lanes ? destination_text(*wanted) : "";
  if (destination == destination_) return;
  destination_ = destination;
  file_.reset();
  if (destination.empty()) return reader_.listen(lb::FlowReader::kLog, nullptr);
  const FlowTally tally(lanes, lb::FlowReader::kLog);
  if (wanted->kind == FlowLogModel::Kind::kFile) {
    file_ = std::make_shared<FlowFile>(wanted->path, tally);
    reader_.listen(lb::FlowReader::kLog, file_);
  } else {
    reader_.listen(lb::FlowReader::kLog, std::make_shared<IpfixExporter>(*wanted, tally));
  }
  log_info({"flow_log: records of flows go to ", destination});
}

void FlowLog::reopen() {
  if (file_) file_->reopen();
}

}  // namespace sluice::ctrl
