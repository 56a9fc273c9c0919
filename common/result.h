// Errors as values: the one alias for results that may fail, and what a failure says.
#pragma once

#include <string>
#include <tl/expected.hpp>
#include <utility>

namespace sluice {

/// Why something was refused. `message` is one sentence for a person; `pointer` is the JSON Pointer
/// (RFC 6901) of the configuration field at fault, empty where no field is.
struct Error {
  std::string message;
  std::string pointer = {};
};

template <typename T>
using Result = tl::expected<T, Error>;

/// Builds the failing side of a Result: `return fail("no such pool", "/services/0/pool")`.
inline tl::unexpected<Error> fail(std::string message, std::string pointer = {}) {
  return tl::unexpected<Error>(Error{std::move(message), std::move(pointer)});
}

}  // namespace sluice
