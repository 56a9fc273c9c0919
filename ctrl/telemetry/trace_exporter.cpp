#include "ctrl/telemetry/trace_exporter.h"

#include <pthread.h>

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <exception>
#include <random>
#include <thread>
#include <utility>
#include <vector>

#include "ctrl/intent/model.h"
#include "ctrl/log/log_line.h"
#include "ctrl/net/pause.h"
#include "ctrl/net/spawn.h"
#include "ctrl/net/stop_signal.h"
#include "ctrl/telemetry/otlp_receiver.h"

namespace sluice::ctrl {
namespace {

namespace asio = boost::asio;
using asio::awaitable;
using Clock = std::chrono::steady_clock;
using Kind = OtlpReceiver::Answer::Kind;
using std::chrono::milliseconds;

}  // namespace

/// All but what the constructor sets belongs to its thread.
struct TraceExporter::State : std::enable_shared_from_this<State> {
  State(SpanQueue& spans, std::string version, TraceTiming timing)
      : spans(spans), version(std::move(version)), timing(timing) {}

  SpanQueue& spans;
  const std::string version;
  const TraceTiming timing;
  asio::io_context io{1};
  asio::steady_timer news{io}, pause{io}, leaving{io};
  std::thread thread;
  std::unique_ptr<OtlpReceiver> receiver;
  std::unique_ptr<OtlpReceiver> next_receiver;  ///< once the batch under way has ended
  /// Nobody wants spans any more: what waits goes by then, or never.
  std::optional<Clock::time_point> leave_by;
  bool is_ending = false;
  Clock::time_point not_before{};       ///< the receiver is asked again
  std::shared_ptr<StopSignal> request;  ///< that is under way
  bool has_complained = false;
  std::minstd_rand random{std::random_device{}()};

  void begin();
  void follow(std::optional<TracingModel> tracing, const std::string& gateway);
  void leave(milliseconds most);
  void turn_to_next();
  bool must_leave() const { return leave_by && Clock::now() >= *leave_by; }
  static awaitable<void> run(std::shared_ptr<State> self);
  awaitable<void> step();
  awaitable<void> send(std::vector<Span> batch);
  awaitable<void> rest();
  void settle(const OtlpReceiver::Answer& answer, size_t spans_sent);
  Clock::duration pause_before(unsigned attempt, const OtlpReceiver::Answer& answer);
  void complain(const std::string& reason);
};

void TraceExporter::State::begin() {
  leaving.expires_at(Clock::time_point::max());
  spans.on_news([this] { asio::post(io, [this] { news.cancel(); }); });
  spawn(io.get_executor(), run(shared_from_this()));
  thread = std::thread([this] {
    ::pthread_setname_np(::pthread_self(), "traces");
    for (;;) {
      try {
        io.run();
        return;
      } catch (const std::exception& error) {
        log_error({"tracing has failed and goes on: ", error.what()});
      }
    }
  });
}

void TraceExporter::State::follow(std::optional<TracingModel> tracing, const std::string& gateway) {
  if (tracing) {
    next_receiver = std::make_unique<OtlpReceiver>(io, std::move(*tracing), gateway, version);
    leave_by.reset();
    news.cancel();
    pause.cancel();
  } else {
    leave(timing.leaving);
  }
}

void TraceExporter::State::leave(milliseconds most) {
  leave_by = Clock::now() + most;
  not_before = {};
  leaving.expires_at(*leave_by);
  leaving.async_wait([this](boost::system::error_code error) {
    if (!error && must_leave() && request) request->stop();
    if (!error) pause.cancel();
  });
  news.cancel();
  pause.cancel();
}

/// Nothing that the receiver before has answered is held against the next, if there is one.
void TraceExporter::State::turn_to_next() {
  if (!next_receiver) return;
  receiver = std::exchange(next_receiver, nullptr);
  not_before = {};
  has_complained = false;
}

awaitable<void> TraceExporter::State::run(std::shared_ptr<State> self) {
  for (;;) {
    self->turn_to_next();
    const bool is_done = self->must_leave() || self->spans.waiting() == 0;
    if (self->leave_by && is_done) {
      self->spans.drop_waiting();
      self->receiver.reset();
      if (self->is_ending) break;
    }
    co_await self->step();
  }
  self->leaving.cancel();
}

/// Sends a batch, or waits for something to send.
awaitable<void> TraceExporter::State::step() {
  const bool is_idle = !receiver || spans.waiting() == 0;
  if (is_idle || (!leave_by && spans.waiting() < kMostAtOnce)) {
    news.expires_at(is_idle ? Clock::time_point::max() : Clock::now() + timing.gathering);
    co_await expiry(news);
    if (is_idle) co_return;
  }
  std::vector<Span> batch = spans.take(kMostAtOnce);
  if (!batch.empty() && receiver) co_await send(std::move(batch));
}

/// As long as the receiver is to be left alone.
awaitable<void> TraceExporter::State::rest() {
  if (must_leave() || Clock::now() >= not_before) co_return;
  pause.expires_at(not_before);
  co_await expiry(pause);
}

awaitable<void> TraceExporter::State::send(std::vector<Span> batch) {
  auto give_up = Clock::time_point::max();
  for (unsigned attempt = 0;; ++attempt) {
    if (!next_receiver) co_await rest();
    if (attempt == 0) give_up = Clock::now() + timing.giving_up;
    turn_to_next();
    auto patience = timing.patience;
    if (leave_by) {
      const auto left = std::chrono::ceil<milliseconds>(*leave_by - Clock::now());
      patience = std::clamp(left, milliseconds(1), patience);
    }
    request = std::make_shared<StopSignal>();
    const auto stop = request;
    const OtlpReceiver::Answer answer = co_await receiver->send(batch, patience, *stop);
    request.reset();
    if (answer.kind != Kind::kLater) co_return settle(answer, batch.size());
    if (next_receiver) continue;  // which is asked at once, whatever this one asks for
    complain(answer.reason + "; trying again");
    not_before = Clock::now() + pause_before(attempt, answer);
    if (not_before > give_up || (leave_by && not_before > *leave_by)) {
      spans.count(SpanResult::kFailed, batch.size());
      co_return;
    }
  }
}

void TraceExporter::State::settle(const OtlpReceiver::Answer& answer, size_t spans_sent) {
  if (answer.kind == Kind::kRefused) {
    spans.count(SpanResult::kFailed, spans_sent);
    return complain(answer.reason);
  }
  const uint64_t rejected = std::min<uint64_t>(answer.rejected, spans_sent);
  spans.count(SpanResult::kFailed, rejected);
  spans.count(SpanResult::kExported, spans_sent - rejected);
  if (rejected > 0)
    return complain("it has not taken " + std::to_string(rejected) + " spans: " + answer.reason);
  if (std::exchange(has_complained, false)) log_info({"tracing: spans go to ", receiver->name(), " again"});
}

/// Longer each time, and not for all gateways at the same; or what the receiver asks for.
Clock::duration TraceExporter::State::pause_before(unsigned attempt, const OtlpReceiver::Answer& answer) {
  const auto longest = std::min(timing.longest_pause, timing.first_pause * (1u << std::min(attempt, 10u)));
  const auto most = static_cast<unsigned>(std::max<milliseconds::rep>(longest.count(), 2));
  const milliseconds own(std::uniform_int_distribution<unsigned>(most / 2, most)(random));
  return answer.pause ? std::max<milliseconds>(*answer.pause, own) : own;
}

/// Once, until something is taken again.
void TraceExporter::State::complain(const std::string& reason) {
  if (std::exchange(has_complained, true)) return;
  log_warning({"tracing: ", receiver->name(), " does not take spans: ", reason});
}

TraceExporter::TraceExporter(SpanQueue& spans, std::string version, TraceTiming timing)
    : state_(std::make_shared<State>(spans, std::move(version), timing)) {}

TraceExporter::~TraceExporter() {
  stop(milliseconds(0));
}

void TraceExporter::follow(const Model& model) {
  follow(model.tracing, model.gateway_name);
}

void TraceExporter::follow(const std::optional<TracingModel>& tracing, const std::string& gateway) {
  if (tracing == followed_) return;
  followed_ = tracing;
  if (!state_->thread.joinable()) state_->begin();
  asio::post(state_->io, [state = state_.get(), tracing, gateway] { state->follow(tracing, gateway); });
}

void TraceExporter::stop(milliseconds most) {
  if (!state_->thread.joinable()) return state_->spans.drop_waiting();
  asio::post(state_->io, [state = state_.get(), most] {
    state->is_ending = true;
    state->leave(most);
  });
  state_->thread.join();
  state_->spans.on_news({});
}

}  // namespace sluice::ctrl
