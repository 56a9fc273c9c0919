// The source of type `file`: pools' backends from files in the form of Prometheus' file_sd, followed as they
// are written, replaced, linked elsewhere or deleted. Its own thread.
#pragma once

#include <memory>

#include "ctrl/source/source.h"

namespace sluice::ctrl {

std::shared_ptr<Source> make_file_source(const SourceModel& model, SourceContext context);

}  // namespace sluice::ctrl
