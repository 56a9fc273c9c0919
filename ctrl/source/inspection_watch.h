// Reads the rules of inspections again when their files change.
#pragma once

#include "ctrl/intent/rules_file.h"
#include "ctrl/observed/inspection_contents.h"
#include "ctrl/source/model_files_watch.h"

namespace sluice::ctrl {

using InspectionWatch =
    ModelFilesWatch<InspectionModel, InspectionReading, &InspectionModel::rules_file, read_rules>;

}  // namespace sluice::ctrl
