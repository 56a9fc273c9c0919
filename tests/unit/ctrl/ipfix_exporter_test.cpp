#include "ctrl/telemetry/ipfix_exporter.h"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <functional>
#include <memory>
#include <string>
#include <thread>

namespace sluice::ctrl {
namespace {

using lb::FlowReader;

/// A collector's socket on the loopback, at a port of its own, which listens once it is told to.
class Collector {
 public:
  Collector() : listening_(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    EXPECT_EQ(::bind(listening_, reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_EQ(::getsockname(listening_, reinterpret_cast<sockaddr*>(&address), &size), 0);
    port_ = ntohs(address.sin_port);
  }
  ~Collector() {
    hang_up();
    ::close(listening_);
  }
  Collector(const Collector&) = delete;

  FlowLogModel model() const {
    return {.kind = FlowLogModel::Kind::kIpfixTcp, .path = {}, .host = "127.0.0.1", .port = port_};
  }
  void listen() { EXPECT_EQ(::listen(listening_, 4), 0); }
  /// False: nobody has connected yet.
  bool accept() {
    connected_ = ::accept4(listening_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    return connected_ >= 0;
  }
  void hang_up() {
    if (connected_ >= 0) ::close(connected_);
    connected_ = -1;
  }
  /// What has come on the connection.
  const std::string& read() {
    char bytes[4096];
    for (ssize_t got; (got = ::recv(connected_, bytes, sizeof bytes, 0)) > 0;) {
      received_.append(bytes, static_cast<size_t>(got));
    }
    return received_;
  }
  void forget() { received_.clear(); }

 private:
  int listening_;
  int connected_ = -1;
  uint16_t port_ = 0;
  std::string received_;
};

class IpfixExporterTest : public testing::Test {
 protected:
  void take(IpfixExporter& exporter, size_t flows) {
    lb::FlowRecord record;
    record.key = {*IpAddress::parse("192.0.2.7"),
                  *IpAddress::parse("203.0.113.10"),
                  Be16::from_host(40000),
                  Be16::from_host(443),
                  IpProtocol::kTcp,
                  {}};
    const NamedFlow flow{record, 1, 2, name_, name_, *IpAddress::parse("10.20.0.11"), 8080};
    for (size_t i = 0; i < flows; ++i) exporter.take(flow);
  }
  /// Goes on until that is so. False: it never came to be.
  static bool eventually(IpfixExporter& exporter, const std::function<bool()>& is_so) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (std::chrono::steady_clock::now() < deadline) {
      exporter.pause();
      if (is_so()) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    return false;
  }
  uint64_t told() const { return lanes_->told(FlowReader::kLog); }
  uint64_t lost() const { return lanes_->lost(FlowReader::kLog); }
  static unsigned number(const std::string& bytes, size_t at) {
    return static_cast<unsigned>(static_cast<uint8_t>(bytes.at(at)) << 8 |
                                 static_cast<uint8_t>(bytes.at(at + 1)));
  }
  /// RFC 7011, sections 3.1 and 10.4: a stream begins with templates, and with number 0.
  static void expect_beginning_of_stream(const std::string& bytes) {
    ASSERT_GT(bytes.size(), 20u);
    EXPECT_EQ(number(bytes, 0), 10u);
    EXPECT_EQ(number(bytes, 8), 0u);
    EXPECT_EQ(number(bytes, 10), 0u);
    EXPECT_EQ(number(bytes, 16), 2u) << "the set of templates";
  }

  Collector collector_;
  std::shared_ptr<dataplane::FlowLanes> lanes_ = std::make_shared<dataplane::FlowLanes>(1);
  std::string name_ = "web";
};

TEST_F(IpfixExporterTest, HoldsRecordsUntilSomebodyListensAndBeginsAnewWithTemplates) {
  IpfixExporter exporter(collector_.model(), FlowTally(lanes_, FlowReader::kLog));
  take(exporter, 10);
  exporter.pause();
  EXPECT_EQ(told() + lost(), 0u);
  collector_.listen();
  ASSERT_TRUE(eventually(exporter, [&] { return told() == 10; }));
  ASSERT_TRUE(eventually(exporter, [&] { return collector_.accept(); }));
  ASSERT_TRUE(eventually(exporter, [&] { return collector_.read().size() > 500; }));
  expect_beginning_of_stream(collector_.read());

  collector_.hang_up();
  collector_.forget();
  ASSERT_TRUE(eventually(exporter, [&] { return collector_.accept(); }));
  take(exporter, 5);
  ASSERT_TRUE(eventually(exporter, [&] { return told() == 15; }));
  ASSERT_TRUE(eventually(exporter, [&] { return collector_.read().size() > 20; }));
  expect_beginning_of_stream(collector_.read());
}

TEST_F(IpfixExporterTest, LosesWhatFindsNoRoomAndWhatWaitsAtTheEnd) {
  IpfixExporter exporter(collector_.model(), FlowTally(lanes_, FlowReader::kLog));
  take(exporter, IpfixExporter::kMostWaiting + 100);
  EXPECT_EQ(lost(), 100u);
  exporter.finish({});
  EXPECT_EQ(told(), 0u);
  EXPECT_EQ(lost(), IpfixExporter::kMostWaiting + 100);
}

}  // namespace
}  // namespace sluice::ctrl
