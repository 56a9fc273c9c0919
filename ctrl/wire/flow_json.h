// A record of a flow as a line of JSON. Pure.
#pragma once

#include <string>
#include <string_view>

#include "ctrl/wire/named_flow.h"

namespace sluice::ctrl {

/// The word for how a flow ended, or `active`.
std::string_view word_for(lb::FlowEnd end);

/// `ADDRESS:PORT`, an IPv6 address in brackets.
std::string flow_endpoint_text(const IpAddress& address, uint16_t port);

/// Adds the object and a line end. Counts are of the flow's whole life, of one that goes on too.
void add_flow_line(std::string& text, const NamedFlow& flow);

}  // namespace sluice::ctrl
