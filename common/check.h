// Invariants that are checked in every build: what outside data or another thread could break, and what
// nobody could go on from. A broken one says what and where, and ends the process (SIGABRT): a supervisor
// starts anew, and no wrong state is believed. What strangers may get wrong is no invariant: that is refused
// and counted. Any thread; allocates nothing.
#pragma once

#include <cstdint>
#include <source_location>

namespace sluice {

/// Writes one line to stderr and aborts. By itself, for what a switch over every value of an enum cannot
/// reach.
[[noreturn]] void end_broken(const char* invariant,
                             std::source_location where = std::source_location::current());
[[noreturn]] void end_out_of_range(const char* index_of, uint64_t index, uint64_t size,
                                   std::source_location where = std::source_location::current());

/// `invariant` is a sentence that holds: "blocks come back in their order".
inline void check(bool holds, const char* invariant,
                  std::source_location where = std::source_location::current()) {
  if (!holds) [[unlikely]]
    end_broken(invariant, where);
}

/// That `index`, of an `index_of` such as "worker", is below `size`.
inline void check_index(uint64_t index, uint64_t size, const char* index_of,
                        std::source_location where = std::source_location::current()) {
  if (index >= size) [[unlikely]]
    end_out_of_range(index_of, index, size, where);
}

}  // namespace sluice
