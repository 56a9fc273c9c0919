// Receivers that are away, slow, or talk nonsense: nobody waits, and whatever becomes of a span is counted
// once. What is sent is decoded in tests/e2e/tracing_test.py, by OpenTelemetry's own definitions.
#include "ctrl/telemetry/trace_exporter.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <functional>
#include <map>
#include <string>
#include <thread>

#include "ctrl/wire/protobuf.h"

namespace sluice::ctrl {
namespace {

using std::chrono::milliseconds;
using namespace std::chrono_literals;

/// Answers each request with what `answer` says of its number, from 0 on; empty: with silence.
class Receiver {
 public:
  using Answer = std::function<std::string(unsigned request)>;
  explicit Receiver(Answer answer) : answer_(std::move(answer)), socket_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{
        .sin_family = AF_INET, .sin_port = 0, .sin_addr = {htonl(INADDR_LOOPBACK)}, .sin_zero = {}};
    socklen_t length = sizeof address;
    EXPECT_EQ(::bind(socket_, reinterpret_cast<sockaddr*>(&address), length), 0);
    EXPECT_EQ(::listen(socket_, 64), 0);
    EXPECT_EQ(::getsockname(socket_, reinterpret_cast<sockaddr*>(&address), &length), 0);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { serve(); });
  }
  ~Receiver() {
    ::shutdown(socket_, SHUT_RDWR);
    thread_.join();
    for (const int silent : silent_) ::close(silent);
    ::close(socket_);
  }
  std::string url() const { return "http://127.0.0.1:" + std::to_string(port_); }
  unsigned requests() const { return requests_; }
  std::string head() const { return head_; }  ///< of the first one; once it has been answered

 private:
  void serve() {
    for (int peer; (peer = ::accept(socket_, nullptr, nullptr)) >= 0;) {
      const std::string head = read_request(peer);
      if (requests_ == 0) head_ = head;
      const std::string answer = answer_(requests_++);
      if (answer.empty()) {
        silent_.push_back(peer);
        continue;
      }
      EXPECT_GE(::send(peer, answer.data(), answer.size(), MSG_NOSIGNAL), 0);
      ::close(peer);
    }
  }
  static std::string read_request(int peer) {
    std::string text;
    size_t wanted = std::string::npos;
    char bytes[65536];
    for (ssize_t got; text.size() < wanted && (got = ::recv(peer, bytes, sizeof bytes, 0)) > 0;) {
      text.append(bytes, static_cast<size_t>(got));
      const size_t end = text.find("\r\n\r\n"), field = text.find("Content-Length: ");
      if (end != std::string::npos) wanted = end + 4 + std::stoul(text.substr(field + 16));
    }
    return text.substr(0, text.find("\r\n\r\n"));
  }

  Answer answer_;
  int socket_;
  uint16_t port_ = 0;
  std::atomic<unsigned> requests_ = 0;
  std::string head_;
  std::vector<int> silent_;
  std::thread thread_;
};

std::string answer(const std::string& status, const std::string& body = "", const std::string& fields = "") {
  return "HTTP/1.1 " + status + "\r\n" + fields + "Content-Length: " + std::to_string(body.size()) +
         "\r\n\r\n" + body;
}

/// ExportTraceServiceResponse{partial_success{rejected_spans, error_message}}.
std::string partial_success(uint64_t rejected) {
  ProtobufWriter partial, response;
  partial.integer(1, rejected);
  partial.text(2, "too many");
  response.message(1, partial.take());
  return response.take();
}

TracingModel model_for(const std::string& url, std::map<std::string, std::string> headers = {}) {
  TracingModel model;
  model.otlp = url;
  model.headers = std::move(headers);
  return model;
}

class Exporter : public testing::Test {
 protected:
  Exporter() { queue_->turn(true); }
  /// For receivers that answer, however busy the machine is: what they are to take is not given up.
  static TraceTiming patient() {
    return {.gathering = 1ms,
            .patience = 60s,
            .first_pause = 2ms,
            .longest_pause = 10ms,
            .giving_up = 60s,
            .leaving = 60s};
  }
  /// For those that never take anything.
  static TraceTiming impatient() {
    auto timing = patient();
    timing.patience = 200ms;
    timing.giving_up = 300ms;
    return timing;
  }
  /// They go in one request where no receiver was followed before: nothing gathers them until then.
  void make(unsigned spans) {
    for (unsigned i = 0; i < spans; ++i) queue_->add({.name = "a", .start = {}, .end = {}});
    made_ += spans;
  }
  uint64_t counted(SpanResult result) const { return queue_->counted(result); }
  uint64_t settled() const {
    return counted(SpanResult::kExported) + counted(SpanResult::kDropped) + counted(SpanResult::kFailed);
  }
  void await(const std::function<bool()>& condition) const {
    const auto deadline = std::chrono::steady_clock::now() + 60s;
    while (!condition() && std::chrono::steady_clock::now() < deadline) std::this_thread::sleep_for(1ms);
    EXPECT_TRUE(condition());
  }
  void await_all() const {
    await([this] { return settled() == made_; });
  }
  void follow(TraceExporter& exporter, const Receiver& receiver) const {
    exporter.follow(model_for(receiver.url()), "edge");
  }

  const std::shared_ptr<SpanQueue> queue_ = std::make_shared<SpanQueue>();
  uint64_t made_ = 0;
};

TEST_F(Exporter, SendsWhatItIsGivenWithItsHeaders) {
  const Receiver receiver([](unsigned) { return answer("200 OK"); });
  TraceExporter exporter(*queue_, "1.2.3", patient());
  exporter.follow(model_for(receiver.url() + "/tenant", {{"x-key", "a b"}}), "edge");
  make(1500);
  await_all();
  EXPECT_EQ(counted(SpanResult::kExported), 1500u);
  EXPECT_GE(receiver.requests(), 3u);  // 512 at most at a time
  const std::string head = receiver.head();
  EXPECT_TRUE(head.starts_with("POST /tenant/v1/traces HTTP/1.1\r\n")) << head;
  EXPECT_NE(head.find("\r\nContent-Type: application/x-protobuf\r\n"), std::string::npos) << head;
  EXPECT_NE(head.find("\r\nx-key: a b"), std::string::npos) << head;
}

TEST_F(Exporter, DoesNotAddToAPathThatIsWhole) {
  const Receiver receiver([](unsigned) { return answer("200 OK"); });
  TraceExporter exporter(*queue_, "", patient());
  exporter.follow(model_for(receiver.url() + "/in/v1/traces"), "edge");
  make(1);
  await_all();
  EXPECT_TRUE(receiver.head().starts_with("POST /in/v1/traces HTTP/1.1\r\n"));
}

TEST_F(Exporter, AsksAgainWhereAReceiverIsBusy) {
  const Receiver receiver([](unsigned request) {
    switch (request) {
      case 0:
        return answer("429 Too Many Requests", "", "Retry-After: 0\r\n");
      case 1:
        return answer("502 Bad Gateway");
      case 2:
        return answer("503 Service Unavailable");
      case 3:
        return answer("504 Gateway Timeout");
      default:
        return answer("200 OK");
    }
  });
  TraceExporter exporter(*queue_, "", patient());
  make(5);
  follow(exporter, receiver);
  await_all();
  EXPECT_EQ(counted(SpanResult::kExported), 5u);
  EXPECT_EQ(receiver.requests(), 5u);
}

TEST_F(Exporter, WaitsAsLongAsAReceiverAsksFor) {
  std::atomic<std::chrono::steady_clock::rep> first = 0, second = 0;
  const Receiver receiver([&](unsigned request) {
    (request == 0 ? first : second) = std::chrono::steady_clock::now().time_since_epoch().count();
    return request == 0 ? answer("503 Service Unavailable", "", "Retry-After: 1\r\n") : answer("200 OK");
  });
  TraceExporter exporter(*queue_, "", patient());
  follow(exporter, receiver);
  make(1);
  await_all();
  EXPECT_GE(std::chrono::nanoseconds(second - first), 990ms);
}

TEST_F(Exporter, GivesUpWhatAReceiverRefuses) {
  for (const char* const status :
       {"400 Bad Request", "401 Unauthorized", "413 Too Large", "500 Oops", "302 Found"}) {
    const uint64_t before = counted(SpanResult::kFailed);
    const Receiver receiver([status](unsigned) { return answer(status); });
    TraceExporter exporter(*queue_, "", patient());
    make(3);
    follow(exporter, receiver);
    await_all();
    EXPECT_EQ(counted(SpanResult::kFailed) - before, 3u) << status;
    EXPECT_EQ(receiver.requests(), 1u) << status;
  }
}

TEST_F(Exporter, CountsWhatAReceiverTakesInPart) {
  const Receiver receiver([](unsigned request) {
    return answer("200 OK", partial_success(request == 0 ? 2 : 1'000'000),
                  "Content-Type: application/x-protobuf\r\n");
  });
  TraceExporter exporter(*queue_, "", patient());
  make(5);
  follow(exporter, receiver);
  await_all();
  EXPECT_EQ(counted(SpanResult::kFailed), 2u);
  EXPECT_EQ(counted(SpanResult::kExported), 3u);
  make(4);
  await_all();
  EXPECT_EQ(counted(SpanResult::kFailed), 6u);  // more than there were is all of them
}

TEST_F(Exporter, BelievesAStatusWhateverItsBodyIs) {
  const Receiver receiver(
      [](unsigned request) { return answer("200 OK", request == 0 ? "{}" : "\xff\xff\xff"); });
  TraceExporter exporter(*queue_, "", patient());
  follow(exporter, receiver);
  make(1);
  await_all();
  make(1);
  await_all();
  EXPECT_EQ(counted(SpanResult::kExported), 2u);
}

TEST_F(Exporter, FailsInTheEndWhereNoReceiverIsThereOrNoneThatIsOne) {
  std::string nowhere;
  {
    const Receiver gone([](unsigned) { return std::string(); });
    nowhere = gone.url();
  }
  const Receiver silent([](unsigned) { return std::string(); });
  const Receiver nonsense([](unsigned) { return std::string("SSH-2.0-OpenSSH_9.2\r\n"); });
  const Receiver endless([](unsigned) { return "HTTP/1.1 200 OK\r\nX: " + std::string(100'000, 'x'); });
  const Receiver cut(
      [](unsigned) { return std::string("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc"); });
  const Receiver large([](unsigned) { return answer("200 OK", std::string(100'000, 'x')); });
  for (const std::string& url :
       {nowhere, silent.url(), nonsense.url(), endless.url(), cut.url(), large.url()}) {
    const uint64_t before = counted(SpanResult::kFailed);
    TraceExporter exporter(*queue_, "", impatient());
    exporter.follow(model_for(url), "edge");
    make(7);
    await_all();
    EXPECT_EQ(counted(SpanResult::kFailed) - before, 7u) << url;
  }
}

TEST_F(Exporter, DropsWhatDoesNotFitWhileAReceiverIsSlow) {
  const Receiver silent([](unsigned) { return std::string(); });
  TraceExporter exporter(*queue_, "", patient());
  make(TraceExporter::kMostAtOnce);
  follow(exporter, silent);
  await([&] { return silent.requests() == 1; });
  make(SpanQueue::kMostWaiting + 5);  // never waits
  EXPECT_EQ(counted(SpanResult::kDropped), 5u);
  exporter.stop(20ms);
  EXPECT_EQ(settled(), made_);
  EXPECT_EQ(counted(SpanResult::kFailed), TraceExporter::kMostAtOnce);
  EXPECT_EQ(counted(SpanResult::kDropped), SpanQueue::kMostWaiting + 5);
}

TEST_F(Exporter, SendsWhatWaitsBeforeItEnds) {
  const Receiver receiver([](unsigned) { return answer("200 OK"); });
  auto timing = patient();
  timing.gathering = 3600s;
  TraceExporter exporter(*queue_, "", timing);
  follow(exporter, receiver);
  make(2000);
  exporter.stop(60s);
  EXPECT_EQ(counted(SpanResult::kExported), 2000u);
}

TEST_F(Exporter, FollowsTheConfigurationToAnotherReceiver) {
  const Receiver busy(
      [](unsigned) { return answer("503 Service Unavailable", "", "Retry-After: 3600\r\n"); });
  const Receiver other([](unsigned) { return answer("200 OK"); });
  auto timing = patient();
  timing.giving_up = 7200s;
  TraceExporter exporter(*queue_, "", timing);
  make(3);
  follow(exporter, busy);
  await([&] { return busy.requests() == 1; });
  follow(exporter, other);
  await_all();
  EXPECT_EQ(counted(SpanResult::kExported), 3u);
  EXPECT_EQ(other.requests(), 1u);
}

/// The change comes while the request is under way, so that its answer comes after it.
TEST_F(Exporter, LeavesAnotherReceiverNotAloneForTheOneBefore) {
  const Receiver other([](unsigned) { return answer("200 OK"); });
  std::atomic<TraceExporter*> followed = nullptr;
  const Receiver busy([&](unsigned) {
    followed.wait(nullptr);
    follow(*followed, other);
    return answer("503 Service Unavailable", "", "Retry-After: 3600\r\n");
  });
  TraceExporter exporter(*queue_, "", patient());  // which gives a batch up before that hour ends
  make(3);
  follow(exporter, busy);
  await([&] { return busy.requests() == 1; });
  followed = &exporter;
  followed.notify_one();
  await_all();
  EXPECT_EQ(counted(SpanResult::kExported), 3u);
  EXPECT_EQ(other.requests(), 1u);
}

TEST_F(Exporter, SendsWhatWaitsWhenTracingEnds) {
  const Receiver receiver([](unsigned) { return answer("200 OK"); });
  auto timing = patient();
  timing.gathering = 3600s;
  TraceExporter exporter(*queue_, "", timing);
  follow(exporter, receiver);
  make(3);
  exporter.follow(std::nullopt, "edge");
  await_all();
  EXPECT_EQ(counted(SpanResult::kExported), 3u);
  follow(exporter, receiver);  // and goes on where it is wanted again
  make(2);
  exporter.stop(60s);
  EXPECT_EQ(counted(SpanResult::kExported), 5u);
}

TEST_F(Exporter, OfASecretThatCannotBeReadSendsNothing) {
  const Receiver receiver([](unsigned) { return answer("200 OK"); });
  TraceExporter exporter(*queue_, "", impatient());
  exporter.follow(model_for(receiver.url(), {{"x", "file:/nonexistent/token"}}), "edge");
  make(3);
  await_all();
  EXPECT_EQ(counted(SpanResult::kFailed), 3u);
  EXPECT_EQ(receiver.requests(), 0u);
}

TEST_F(Exporter, ThatWasNeverToldOfAReceiverEndsAtOnce) {
  make(3);
  { const TraceExporter exporter(*queue_, "", patient()); }
  EXPECT_EQ(counted(SpanResult::kDropped), 3u);
}

}  // namespace
}  // namespace sluice::ctrl
