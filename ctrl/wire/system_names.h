// How this host looks up names: the texts of /etc/resolv.conf (resolv.conf(5)) and /etc/hosts (hosts(5)).
// Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/address.h"

namespace sluice::ctrl {

struct ResolverSettings {
  std::vector<IpAddress> servers;   ///< at most three, as libc has it; the local host where none is named
  std::vector<std::string> search;  ///< domains, at most six
  unsigned dots = 1;                ///< a name with fewer is tried with the search domains first
};

/// Lines that cannot be read are passed over, as libc does.
ResolverSettings read_resolver_settings(std::string_view resolv_conf);

/// The full names that `name` may stand for, in the order in which they are to be tried. A dot at its end
/// says that it is one.
std::vector<std::string> full_names(std::string_view name, const ResolverSettings& settings);

/// The addresses that `hosts` has for `name`, without regard to case.
std::vector<IpAddress> addresses_in_hosts(std::string_view hosts, std::string_view name);

}  // namespace sluice::ctrl
