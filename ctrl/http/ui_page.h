// `/ui`: the page that people watch the gateway on, built into the program from ui/. Any thread.
#pragma once

#include "ctrl/http/http_server.h"

namespace sluice::ctrl {

/// One file, with a Content-Security-Policy that lets it run its own script, ask this gateway, and nothing
/// else.
HttpAnswer ui_page();

/// Where `/ui/` leads: names in the page are relative to `/ui`.
HttpAnswer ui_redirect();

}  // namespace sluice::ctrl
