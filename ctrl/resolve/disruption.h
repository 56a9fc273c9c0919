// How many of each service's new flows a change sends elsewhere. Pure.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>

#include "ctrl/intent/model.h"
#include "dataplane/tables/tables.h"

namespace sluice::lb {
class PoolSplit;
}

namespace sluice::ctrl {

/// What was compiled, and what of.
struct Compilation {
  const Model& model;
  const dataplane::Tables& tables;
};

/// The fraction of a table's slots that have another backend, by endpoint, in the table that follows it.
double moved_fraction(const lb::PoolTable& then, const dataplane::Tables& before, const lb::PoolTable& now,
                      const dataplane::Tables& after);

/// Between two generations. Remembers what it has compared, for many services have the same tables.
class Disruption {
 public:
  Disruption(const dataplane::Tables& before, const dataplane::Tables& after)
      : before_(before), after_(after) {}

  /// The fraction of new flows whose backend is another, a change of pool included. Clients count as spread
  /// evenly over all addresses of the service's family, which decides how much a route takes. Nothing: the
  /// service has the very tables that it had.
  std::optional<double> between(const lb::Service& then, const lb::Service& now, bool v4);

 private:
  double between(const lb::PoolTable* then, const lb::PoolTable* now);
  double between(const lb::PoolSplit& then, const lb::PoolSplit& now);

  const dataplane::Tables& before_;
  const dataplane::Tables& after_;
  std::map<std::pair<const lb::PoolTable*, const lb::PoolTable*>, double> known_;
};

/// By service of `after` whose tables, routes or split differ. A service is compared with the one of its
/// name, or else with the one that had its first address and port; a new one is absent.
std::map<std::string, double> disruption(const Compilation& before, const Compilation& after);

}  // namespace sluice::ctrl
