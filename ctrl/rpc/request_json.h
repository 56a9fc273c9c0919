// The JSON of requests, in which names must be unique. Pure.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

namespace sluice::ctrl {

/// The value of a text, discarded where it is no JSON. RFC 8259, 4 leaves open which of two members of one
/// name counts: `twice` gets the first name that an object has twice, and is left alone where none has. Takes
/// time in proportion to the text.
nlohmann::json parse_noting_duplicates(std::string_view text, std::string& twice);

}  // namespace sluice::ctrl
