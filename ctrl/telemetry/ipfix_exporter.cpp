#include "ctrl/telemetry/ipfix_exporter.h"

#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <ctime>
#include <memory>
#include <thread>
#include <utility>

#include "ctrl/intent/config_flow_log.h"
#include "ctrl/log/log_line.h"
#include "ctrl/net/faults.h"

namespace sluice::ctrl {

IpfixExporter::IpfixExporter(const FlowLogModel& model, FlowTally tally)
    : model_(model), name_(destination_text(model)), tally_(std::move(tally)) {}

IpfixExporter::~IpfixExporter() {
  if (socket_ >= 0) ::close(socket_);
}

void IpfixExporter::take(const NamedFlow& flow) {
  const bool counts = flow.record.end != lb::FlowEnd::kActive;
  if (waiting_.size() >= kMostWaiting) pause();
  if (waiting_.size() >= kMostWaiting) {
    if (counts) tally_.count_lost(1);
    return;
  }
  waiting_.push_back({ipfix::record_of(flow), counts});
}

void IpfixExporter::pause() {
  const auto now = Clock::now();
  if (socket_ < 0) attempt(now);
  if (is_connected(now)) send_waiting(now);
}

/// The log says once that it fails.
void IpfixExporter::attempt(Clock::time_point now) {
  if (attempted_ != Clock::time_point{} && now - attempted_ < kBetweenAttempts) return;
  const std::string why = connect_once();
  attempted_ = Clock::now();
  if (!why.empty()) disconnect(why);
}

/// Opens the socket, and begins to connect it. Answers what went wrong; nothing: it may take its time.
std::string IpfixExporter::connect_once() {
  addrinfo hints{};
  hints.ai_socktype = is_tcp() ? SOCK_STREAM : SOCK_DGRAM;
  hints.ai_flags = AI_NUMERICSERV;
  addrinfo* found = nullptr;
  const std::string port = std::to_string(model_.port);
  const int failure = ::getaddrinfo(model_.host.c_str(), port.c_str(), &hints, &found);
  if (failure != 0) return std::string("no address: ") + ::gai_strerror(failure);
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> all(found, ::freeaddrinfo);
  int error = 0;
  for (const addrinfo* at = found; at != nullptr; at = at->ai_next) {
    socket_ = ::socket(at->ai_family, at->ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC, at->ai_protocol);
    if (socket_ < 0) {
      error = errno;
      continue;
    }
    if (::connect(socket_, at->ai_addr, at->ai_addrlen) == 0 || errno == EINPROGRESS) {
      is_connecting_ = is_tcp();
      return {};
    }
    error = errno;
    ::close(std::exchange(socket_, -1));
  }
  return text_of_error(error);
}

bool IpfixExporter::is_connected(Clock::time_point now) {
  if (socket_ < 0) return false;
  if (is_tcp() && !is_connecting_ && has_ended()) {
    disconnect("it has ended the connection");
    return false;
  }
  if (!is_connecting_) return true;
  pollfd waiting{socket_, POLLOUT, 0};
  if (::poll(&waiting, 1, 0) <= 0) {
    if (now - attempted_ > kConnecting) disconnect("it does not answer");
    return false;
  }
  int error = 0;
  socklen_t size = sizeof error;
  if (::getsockopt(socket_, SOL_SOCKET, SO_ERROR, &error, &size) != 0) error = errno;
  if (error != 0) {
    disconnect(text_of_error(error));
    return false;
  }
  is_connecting_ = false;
  return true;
}

/// Whether the collector, which has nothing to say, has ended the connection.
bool IpfixExporter::has_ended() {
  char byte = 0;
  for (;;) {
    const ssize_t got = ::recv(socket_, &byte, 1, MSG_DONTWAIT);
    if (got == 0) return true;
    if (got < 0) return errno != EAGAIN && errno != EINTR;
  }
}

void IpfixExporter::send_waiting(Clock::time_point now) {
  while (outgoing_ || make_next(now)) {
    if (!send_next()) return;
  }
}

/// False: there is nothing to send.
bool IpfixExporter::make_next(Clock::time_point now) {
  ipfix::FlowMessage message(is_tcp() ? kMostMessage : kMostDatagram);
  const bool needs_templates = !templates_sent_ || now - *templates_sent_ >= kBetweenTemplates;
  if (needs_templates) {
    message.add_templates();
    templates_sent_ = now;
  }
  Outgoing next;
  while (!waiting_.empty() && message.add(waiting_.front().record)) {
    next.counted += waiting_.front().counts ? 1 : 0;
    waiting_.pop_front();
  }
  if (message.is_empty()) return false;
  next.records = message.records();
  next.bytes = message.finish(static_cast<uint32_t>(std::time(nullptr)), sequence_);
  outgoing_ = std::move(next);
  return true;
}

/// False: the rest has to wait, or there is no connection any more.
bool IpfixExporter::send_next() {
  Outgoing& next = *outgoing_;
  const auto send_rest = [&] {
    return ::send(socket_, next.bytes.data() + next.sent, next.bytes.size() - next.sent,
                  MSG_DONTWAIT | MSG_NOSIGNAL);
  };
  ssize_t sent = send_rest();
  if (sent < 0 && errno == ECONNREFUSED && !is_tcp()) {  // of a datagram before
    if (!std::exchange(is_unheard_said_, true)) log_warning({"flow_log: ", name_, ": nobody listens there"});
    sent = send_rest();
  }
  if (sent < 0) {
    const bool is_full = errno == EAGAIN || errno == EINTR || errno == ENOBUFS;
    if (!is_full) disconnect(text_of_error(errno));
    return false;
  }
  next.sent += static_cast<size_t>(sent);
  if (next.sent < next.bytes.size()) return true;
  sequence_ += next.records;
  tally_.count_told(next.counted);
  outgoing_.reset();
  note_working();
  return true;
}

/// A new stream begins with templates, and counts its records from 0. Half a message is of no use in it.
void IpfixExporter::disconnect(const std::string& why) {
  if (socket_ >= 0) ::close(std::exchange(socket_, -1));
  is_connecting_ = false;
  templates_sent_.reset();
  sequence_ = 0;
  if (outgoing_) tally_.count_lost(outgoing_->counted);
  outgoing_.reset();
  if (!std::exchange(is_failing_, true)) {
    log_warning({"flow_log: ", name_, ": ", why,
                 "; trying again until it takes records; those that wait too long are lost, and counted"});
  }
}

void IpfixExporter::note_working() {
  if (std::exchange(is_failing_, false)) log_info({"flow_log: ", name_, " takes records again"});
}

void IpfixExporter::finish(std::chrono::milliseconds patience) {
  constexpr std::chrono::milliseconds kLook{5};
  const auto end = Clock::now() + patience;
  for (;;) {
    pause();
    if ((waiting_.empty() && !outgoing_) || Clock::now() >= end) break;
    std::this_thread::sleep_for(kLook);
  }
  uint64_t lost = outgoing_ ? outgoing_->counted : 0;
  for (const Waiting& each : waiting_) lost += each.counts ? 1 : 0;
  tally_.count_lost(lost);
  waiting_.clear();
  outgoing_.reset();
  if (socket_ >= 0) ::close(std::exchange(socket_, -1));
}

}  // namespace sluice::ctrl
