// What a NATS server sends, in pieces that the first byte says; and the words for the same bytes as a frame.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "ctrl/wire/nats_message.h"
#include "ctrl/wire/packet_words.h"

using namespace sluice::ctrl;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const size_t piece = size_t{data[0]} + 1;
  std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  (void)packet_words({data + 1, size - 1}, static_cast<uint32_t>(size));
  nats::Reader reader;
  while (!bytes.empty()) {
    reader.put(bytes.substr(0, piece));
    bytes.remove_prefix(std::min(piece, bytes.size()));
    for (;;) {
      const auto message = reader.next();
      if (!message) return 0;
      if (!*message) break;
      if ((*message)->kind == nats::Message::Kind::kInfo) (void)nats::parse_info((*message)->text);
    }
  }
  const std::string token = nats::token({reinterpret_cast<const char*>(data), size});
  if (token.find_first_of(".*> \r\n") != std::string::npos) std::abort();
  return 0;
}
