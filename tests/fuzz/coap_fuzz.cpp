// The CoAP reader on any bytes: it must not read beyond them, what it takes must be as its header promises,
// and no answer may be larger than the request plus 128 bytes.
#include <cstdint>
#include <cstdlib>
#include <vector>

#include "ledger/coap.h"
#include "ledger/receipt.h"

namespace sluice::ledger {
namespace {

void require(bool promise) {
  if (!promise) std::abort();
}

void check(std::span<const uint8_t> datagram) {
  constexpr size_t kMostPayload = 64;
  const coap::Request request = coap::parse(datagram, kMostPayload);
  std::array<uint8_t, coap::kMostAnswerBytes> out;
  size_t answered = 0;
  switch (request.action) {
    case coap::Action::kSubmit:
      require(request.is_received && !request.payload.empty() && request.payload.size() <= kMostPayload);
      require(request.payload.data() + request.payload.size() == datagram.data() + datagram.size());
      require(request.payload.data()[-1] == 0xff);
      answered = coap::write_receipt(request.exchange, 1, {{}, UINT64_MAX, {}, UINT64_MAX, UINT64_MAX}, out);
      break;
    case coap::Action::kAnswer:
      require(request.is_received && coap::refusal_of(request.outcome) == request.refusal);
      answered = coap::write_refusal(request.exchange, 1, request.refusal, request.outcome, 60, out);
      break;
    case coap::Action::kReset:
      answered = coap::write_reset(request.exchange, out);
      break;
    case coap::Action::kIgnore:
      break;
  }
  require(answered <= datagram.size() + 128 && answered <= out.size());
  // What is answered is read as a stray answer: two gateways cannot keep each other busy.
  if (answered > 0 && request.exchange.type == coap::Type::kConfirmable)
    require(coap::parse(std::span(out).first(answered), kMostPayload).action == coap::Action::kIgnore);
}

}  // namespace
}  // namespace sluice::ledger

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::vector<uint8_t> exact(data, data + size);  // so that the sanitizer sees the end
  sluice::ledger::check(exact);
  return 0;
}
