#include "ctrl/net/faults.h"

#include <cctype>
#include <system_error>

namespace sluice::ctrl {

std::string text_of_error(int error) {
  std::string text = std::generic_category().message(error);
  if (!text.empty()) text[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(text[0])));
  return text;
}

}  // namespace sluice::ctrl
