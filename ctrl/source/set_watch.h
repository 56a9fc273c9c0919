// Reads the files of sets again when they change. A million prefixes take a while.
#pragma once

#include "ctrl/intent/set_file.h"
#include "ctrl/observed/set_contents.h"
#include "ctrl/source/model_files_watch.h"

namespace sluice::ctrl {

using SetWatch = ModelFilesWatch<SetModel, SetReading, &SetModel::file, read_set>;

}  // namespace sluice::ctrl
