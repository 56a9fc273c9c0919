// One receiver of traces, as a configuration names it: one request at a time. The thread of the exporter.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "crypto/secret.h"
#include "ctrl/intent/tracing_model.h"
#include "ctrl/source/servers.h"
#include "ctrl/wire/otlp_message.h"

namespace sluice::ctrl {

class OtlpReceiver {
 public:
  OtlpReceiver(boost::asio::io_context& io, TracingModel model, const std::string& gateway,
               std::string version);

  /// What became of a batch (OTLP 1.5, "OTLP/HTTP Response").
  struct Answer {
    enum class Kind : uint8_t { kTaken, kLater, kRefused } kind;
    uint64_t rejected = 0;                           ///< spans of what was taken
    std::string reason = {};                         ///< why not, for people
    std::optional<std::chrono::seconds> pause = {};  ///< for which it wants to be left alone
  };
  /// Throws nothing: a receiver that is not there, or talks nonsense, is asked later.
  boost::asio::awaitable<Answer> send(std::span<const Span> spans, std::chrono::milliseconds patience,
                                      StopSignal& stop);
  const std::string& name() const { return name_; }  ///< for people

 private:
  crypto::SecretText request_text(const std::string& body) const;
  boost::asio::awaitable<Answer> exchange(const std::string& body, std::chrono::milliseconds patience,
                                          StopSignal& stop);

  const TracingModel model_;
  const std::string version_;
  ServerUrl url_;
  std::string name_;
  otlp::Resource resource_;
  Servers servers_;
};

}  // namespace sluice::ctrl
