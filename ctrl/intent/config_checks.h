// What no schema can say: how the parts of a configuration must fit each other. Control thread.
#pragma once

#include "ctrl/intent/config_cursor.h"
#include "ctrl/intent/config_decode.h"
#include "ctrl/intent/connected_networks.h"

namespace sluice::ctrl {

/// Adds a fault for everything that does not fit.
void check_network(const Draft& draft, Cursor::Faults& faults);
void check_pools(const Draft& draft, Cursor::Faults& faults);
void check_services(const Draft& draft, Cursor::Faults& faults);
/// That no backend is the gateway itself, or has an address that says nothing of where it is.
void check_backend_addresses(const Draft& draft, Cursor::Faults& faults);
/// That what services send fits the ports that it leaves by: IPv6 needs links of 1280 bytes (RFC 8200, 5),
/// and hosts ignore an ICMP error that asks for less.
void check_mtus(const Draft& draft, Cursor::Faults& faults);

/// The networks of the ports' own addresses; and these with what routes and static neighbors add.
ConnectedNetworks port_networks(const Draft& draft);
ConnectedNetworks connected_networks(const Draft& draft);

}  // namespace sluice::ctrl
