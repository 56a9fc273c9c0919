// What was wrong with a configuration or a request, all of it at once, for people and for the wire.
#pragma once

#include <optional>
#include <string>
#include <tl/expected.hpp>
#include <vector>

namespace sluice::ctrl {

/// One fault of a configuration. `pointer` is a JSON Pointer (RFC 6901).
struct Fault {
  std::string pointer;
  std::string message;
};

/// Why a request was refused; becomes a JSON-RPC error (methods) or an exit status (sluiced, sluicectl).
struct Refusal {
  enum class Kind {
    kInvalid,        ///< the configuration or the parameters are wrong: `faults` says where
    kConflict,       ///< if_generation does not match
    kNotFound,       ///< no such service, pool, backend, generation
    kRestartNeeded,  ///< a boot setting differs; nothing was applied
    kUnavailable,    ///< a limit is reached or the data plane cannot answer now
    kForbidden,      ///< the peer's role does not allow it
  };
  Kind kind = Kind::kInvalid;
  std::string message;
  std::string hint;
  std::vector<Fault> faults;
};

template <typename T>
using Outcome = tl::expected<T, Refusal>;

inline tl::unexpected<Refusal> refuse(Refusal::Kind kind, std::string message, std::string hint = {}) {
  return tl::unexpected<Refusal>(Refusal{kind, std::move(message), std::move(hint), {}});
}

}  // namespace sluice::ctrl
