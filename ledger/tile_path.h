// Where C2SP tlog-tiles puts tiles: `tile/<L>/<N>[.p/<W>]` and `tile/entries/<N>[.p/<W>]`. Pure; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace sluice::ledger {

struct TilePath {
  bool is_entries = false;
  uint8_t level = 0;  ///< 0 to 63; 0 for entries
  uint64_t index = 0;
  uint16_t width = 256;  ///< 1 to 255: a partial tile

  /// Reads what follows `tile/`; nothing where it is not in canonical form.
  static std::optional<TilePath> parse(std::string_view text);
  /// As parse() reads it: `0/x001/234.p/5`.
  std::string to_string() const;
};

}  // namespace sluice::ledger
