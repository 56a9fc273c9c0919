// The names of a gateway's objects, as they are written on a command line. Asks the gateway; blocks.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace sluice::sluicectl {

class Session;

struct Candidate {
  std::string word;
  std::string what = {};  ///< a few words; may be empty
};

/// What an option takes, by its name (`pool`, `backend`, `service`, ...); nothing where it takes no name of
/// an object, or the gateway does not answer. `given` are the words before it, by the same names: a backend
/// is one of the `pool` that has been named.
std::vector<Candidate> object_names(Session& session, std::string_view option,
                                    const std::map<std::string, std::string>& given);

}  // namespace sluice::sluicectl
