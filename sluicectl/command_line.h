// What sluicectl may be told: global options, commands, and what --help says of all that, from which
// docs/reference/cli.md is made too.
#pragma once

#include "sluicectl/session.h"

namespace sluice::sluicectl {

/// Adds all of it to `app`, whose commands carry themselves out when it parses. `session` outlives it.
void add_command_line(CLI::App& app, Session& session);

}  // namespace sluice::sluicectl
