// Questions of the control thread: explain a flow, list flows.
#include "dataplane/worker/worker_request.h"

#include <rte_ethdev.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <functional>

#include "dataplane/roles/worker_loop.h"
#include "tests/packet/packet_test.h"

namespace sluice::test {
namespace {

using dataplane::CountLossesRequest;
using dataplane::ExplainRequest;
using dataplane::Explanation;
using dataplane::ListFlowsRequest;
using dataplane::Tables;
using dataplane::WorkerRequest;
using Verdict = Explanation::Verdict;

class Request : public FamilyTest {
 protected:
  static FlowKey key(const std::string& source, uint16_t source_port, const std::string& destination,
                     uint16_t destination_port) {
    return {*IpAddress::parse(source),
            *IpAddress::parse(destination),
            Be16::from_host(source_port),
            Be16::from_host(destination_port),
            IpProtocol::kTcp,
            {}};
  }
  static void answer(TestGateway& gateway, WorkerRequest& request, int steps = 1, unsigned worker = 0) {
    ASSERT_TRUE(gateway.worker(worker).requests->push(&request));
    take_request(gateway.worker(worker));
    for (int i = 0; i < steps; ++i) serve_request(gateway.worker(worker));
  }
  static Explanation explain(TestGateway& gateway, const FlowKey& key, unsigned worker = 0) {
    WorkerRequest request{.question = ExplainRequest{key, {}}};
    answer(gateway, request, 1, worker);
    EXPECT_TRUE(request.done.load());
    return std::get<ExplainRequest>(request.question).result;
  }
};
INSTANTIATE_FOR_FAMILIES(Request);

TEST_P(Request, ExplainTellsPickedFromCachedAndLeavesNoTrace) {
  TestGateway gateway(make_tables({service(ForwardMode::kFullNat)}));
  const FlowKey flow = key(family().client, 40000, family().vip, 80);
  const Explanation picked = explain(gateway, flow);
  EXPECT_EQ(picked.verdict, Verdict::kPicked);
  EXPECT_EQ(picked.service, 0u);
  EXPECT_EQ(picked.backend, 0u);
  EXPECT_LT(picked.slot, 1021u);
  EXPECT_EQ(gateway.worker().balancer.flows().size(), 0u);
  gateway.receive(kEdge, from_client(request()));
  const Explanation cached = explain(gateway, flow);
  EXPECT_EQ(cached.verdict, Verdict::kCached);
  EXPECT_EQ(cached.backend, 0u);
}

TEST_P(Request, TheOwnersExplanationIsTheOneThatCounts) {
  TestGateway gateway(make_tables({service(ForwardMode::kIpip)}), {.rx_workers = 3});
  const FlowKey flow = key(family().client, 40000, family().vip, 80);
  const auto ask_all = [&] {
    return std::array{explain(gateway, flow, 0), explain(gateway, flow, 1), explain(gateway, flow, 2)};
  };
  EXPECT_EQ(dataplane::owners_explanation(ask_all()).verdict, Verdict::kPicked);
  gateway.receive(kEdge, from_client(request()), 1);
  const auto answers = ask_all();
  EXPECT_EQ(answers[0].verdict, Verdict::kPicked);
  EXPECT_EQ(dataplane::owners_explanation(answers).verdict, Verdict::kCached);
}

TEST_P(Request, ExplainNamesTheReasonOfADrop) {
  ServiceSpec empty = service(ForwardMode::kDirect), unreachable = service(ForwardMode::kDirect);
  empty.backends.clear();
  unreachable.address = family().vip2;
  unreachable.backends[0].has_route = false;
  TestGateway gateway(make_tables({empty, unreachable}));
  const Explanation no_backend = explain(gateway, key(family().client, 1, family().vip, 80));
  EXPECT_EQ(no_backend.verdict, Verdict::kDropped);
  EXPECT_EQ(no_backend.drop, DropReason::kNoBackend);
  EXPECT_EQ(no_backend.service, 0u);
  const Explanation no_route = explain(gateway, key(family().client, 1, family().vip2, 80));
  EXPECT_EQ(no_route.verdict, Verdict::kDropped);
  EXPECT_EQ(no_route.drop, DropReason::kNoRoute);
  EXPECT_EQ(explain(gateway, key(family().client, 1, family().edge, 22)).drop, DropReason::kNoService);
}

TEST_P(Request, ExplainKnowsTheKernel) {
  auto tables = make_tables({});
  tables->ports[kEdge].kernel = true;
  TestGateway gateway(tables);
  EXPECT_EQ(explain(gateway, key(family().client, 1, family().edge, 22)).verdict, Verdict::kToKernel);
  EXPECT_EQ(explain(gateway, key(family().client, 1, family().vip, 22)).drop, DropReason::kNoService);
}

TEST_P(Request, ListFlowsWalksTheWholeTableInSteps) {
  ServiceSpec other = service(ForwardMode::kDirect);
  other.address = family().vip2;
  TestGateway gateway(make_tables({service(ForwardMode::kFullNat), other}));
  for (uint16_t flow = 1; flow <= 20; ++flow) gateway.receive(kEdge, from_client(request(flow).syn()));
  gateway.receive(kEdge, from_client(ip(family().client, family().vip2).tcp(9, 80)));
  gateway.advance_ms(70);
  gateway.poll();

  WorkerRequest all{.question = ListFlowsRequest{.limit = 100, .found = {}}};
  std::get<ListFlowsRequest>(all.question).found.reserve(100);
  answer(gateway, all);
  EXPECT_FALSE(all.done.load());  // 1024 entries take more than a step
  for (int i = 0; i < 10; ++i) serve_request(gateway.worker());
  ASSERT_TRUE(all.done.load());
  EXPECT_EQ(std::get<ListFlowsRequest>(all.question).found.size(), 21u);  // each once, not each direction

  WorkerRequest one{.question = ListFlowsRequest{.service = 1, .limit = 100, .found = {}}};
  std::get<ListFlowsRequest>(one.question).found.reserve(100);
  answer(gateway, one, 10);
  const auto& found = std::get<ListFlowsRequest>(one.question).found;
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].key, key(family().client, 9, family().vip2, 80));
  EXPECT_EQ(found[0].backend, 1u);
  EXPECT_EQ(found[0].idle_ms, 70u);

  WorkerRequest few{.question = ListFlowsRequest{.limit = 3, .found = {}}};
  std::get<ListFlowsRequest>(few.question).found.reserve(3);
  answer(gateway, few, 10);
  EXPECT_TRUE(few.done.load());
  EXPECT_EQ(std::get<ListFlowsRequest>(few.question).found.size(), 3u);
}

TEST_P(Request, CountsTheFlowsThatOtherTablesWouldEnd) {
  ServiceSpec other = service(ForwardMode::kDirect);
  other.address = family().vip2;
  const auto tables = make_tables({service(ForwardMode::kFullNat), other});
  TestGateway gateway(tables);
  for (uint16_t flow = 1; flow <= 40; ++flow) gateway.receive(kEdge, from_client(request(flow).syn()));
  gateway.receive(kEdge, from_client(ip(family().client, family().vip2).tcp(9, 80)));
  gateway.receive(kEdge, from_client(request(40).rst()));  // it ends anyway

  const auto count = [&](const std::shared_ptr<Tables>& candidate) {
    WorkerRequest question{.question = CountLossesRequest{candidate, std::vector<uint32_t>(2), 0}};
    answer(gateway, question);
    EXPECT_FALSE(question.done.load());  // it takes more than a step
    for (int i = 0; i < 10; ++i) serve_request(gateway.worker());
    EXPECT_TRUE(question.done.load());
    return std::get<CountLossesRequest>(question.question).lost;
  };
  const auto without = [&](lb::ServiceId gone) {
    auto candidate = std::make_shared<Tables>(*tables);
    auto services = std::make_shared<std::vector<lb::Service>>(*tables->services);
    (*services)[gone].pool = nullptr;
    candidate->services = services;
    return candidate;
  };
  EXPECT_EQ(count(std::make_shared<Tables>(*tables)), (std::vector<uint32_t>{0, 0}));
  EXPECT_EQ(count(without(0)), (std::vector<uint32_t>{39, 0}));
  EXPECT_EQ(count(without(1)), (std::vector<uint32_t>{0, 1}));
}

/// Questions that are asked while a worker is in the midst of its turn, just after Tables without service 0
/// were published, while the worker still works with those that have it.
class RequestDuringATurn : public Request {
 protected:
  RequestDuringATurn() {
    auto services = std::make_shared<std::vector<lb::Service>>(*tables_->services);
    (*services)[0].pool = nullptr;
    without_->services = services;
    gateway_.receive(kEdge, from_client(request()));
    EXPECT_EQ(gateway_.worker().balancer.flows().size(), 2u);
  }

  /// Asks it there, and has it answered by the turns that follow. No time passes: no flow is looked at.
  void ask(WorkerRequest& question) {
    dataplane::Published<Tables> published(tables_, 1);
    dataplane::Published<dataplane::Captures> captures(std::make_shared<const dataplane::Captures>(), 1);
    const std::atomic<dataplane::Phase> phase{dataplane::Phase::kRunning};
    dataplane::Worker& worker = gateway_.worker();
    dataplane::WorkerLoop loop(worker, published.reader(0), captures.reader(0), {}, phase, nullptr, kHertz);
    loop.begin(kNow);
    unsigned receptions = 0;
    std::function<void()> at_reception = [&] {
      if (++receptions != 1) return;
      EXPECT_EQ(worker.tables, tables_.get());
      published.publish(without_);
      EXPECT_TRUE(worker.requests->push(&question));
    };
    const auto& queue = worker.receive_queues[0];
    const auto* const callback = rte_eth_add_rx_callback(queue.device, queue.queue, &call, &at_reception);
    ASSERT_NE(callback, nullptr);
    for (int i = 0; i < 20; ++i) loop.step(kNow);
    EXPECT_EQ(rte_eth_remove_rx_callback(queue.device, queue.queue, callback), 0);
    EXPECT_GE(receptions, 20u);
    EXPECT_EQ(worker.tables, without_.get());
    EXPECT_TRUE(question.done.load());
    EXPECT_EQ(worker.balancer.flows().size(), 2u);
    gateway_.publish(without_);
  }

  std::shared_ptr<Tables> tables_ = make_tables({service(ForwardMode::kFullNat)});
  std::shared_ptr<Tables> without_ = std::make_shared<Tables>(*tables_);

 private:
  static constexpr uint64_t kHertz = 1'000'000'000, kNow = 2 * kHertz;  ///< a second after the flow began
  static uint16_t call(uint16_t, uint16_t, rte_mbuf**, uint16_t count, uint16_t, void* what) {
    (*static_cast<std::function<void()>*>(what))();
    return count;
  }

  TestGateway gateway_{tables_};
};
INSTANTIATE_FOR_FAMILIES(RequestDuringATurn);

TEST_P(RequestDuringATurn, ExplainsAFlowByTablesThatWerePublishedBefore) {
  WorkerRequest question{.question = ExplainRequest{key(family().client, 40001, family().vip, 80), {}}};
  ask(question);
  const Explanation& result = std::get<ExplainRequest>(question.question).result;
  EXPECT_EQ(result.verdict, Verdict::kDropped);
  EXPECT_EQ(result.drop, DropReason::kNoService);
}

TEST_P(RequestDuringATurn, ListsFlowsByTablesThatWerePublishedBefore) {
  WorkerRequest question{.question = ListFlowsRequest{.service = 0, .limit = 10, .found = {}}};
  std::get<ListFlowsRequest>(question.question).found.reserve(10);
  ask(question);
  EXPECT_EQ(std::get<ListFlowsRequest>(question.question).found.size(), 0u);
}

TEST_P(RequestDuringATurn, CountsNoLossOfWhatIsLostByTablesThatWerePublishedBefore) {
  WorkerRequest question{.question = CountLossesRequest{without_, std::vector<uint32_t>(1), 0}};
  ask(question);
  EXPECT_EQ(std::get<CountLossesRequest>(question.question).lost, std::vector<uint32_t>{0});
}

using dataplane::DropRecord;
using dataplane::RecentDropsRequest;

class RecentDrops : public Request {
 protected:
  static std::vector<DropRecord> ask(TestGateway& gateway, DropReason reason, size_t room,
                                     unsigned worker = 0) {
    RecentDropsRequest question{.reason = reason, .found = {}};
    question.found.reserve(room);
    WorkerRequest request{.question = std::move(question)};
    answer(gateway, request, dataplane::kDropReasons, worker);
    EXPECT_TRUE(request.done.load());
    return std::get<RecentDropsRequest>(request.question).found;
  }
  static Bytes bytes_of(const DropRecord& record) {
    return {record.bytes.begin(), record.bytes.begin() + record.kept};
  }
};
INSTANTIATE_FOR_FAMILIES(RecentDrops);

TEST_P(RecentDrops, HaveTheFrontOfThePacketAndWhatWasKnown) {
  ServiceSpec empty = service(ForwardMode::kDnat);
  empty.backends.clear();
  auto tables = make_tables({empty});
  tables->configuration = 42;
  TestGateway gateway(tables);
  const Bytes nobodys = from_client(request().ports(40000, 9)),
              large = from_client(request().payload_bytes(400));
  gateway.receive(kEdge, nobodys);
  gateway.receive(kEdge, large);
  gateway.worker().drops.recorder().begin_poll(7, 42);
  const Bytes cut(nobodys.begin(), nobodys.begin() + 10);
  gateway.receive(kEdge, cut);

  const auto no_service = ask(gateway, DropReason::kNoService, 64);
  ASSERT_EQ(no_service.size(), 1u);
  EXPECT_EQ(bytes_of(no_service[0]), nobodys);
  EXPECT_EQ(no_service[0].length, nobodys.size());
  EXPECT_EQ(no_service[0].note.service, lb::kNoService);
  EXPECT_EQ(no_service[0].note.port, kEdge);
  const auto no_backend = ask(gateway, DropReason::kNoBackend, 64);
  ASSERT_EQ(no_backend.size(), 1u);
  EXPECT_EQ(bytes_of(no_backend[0]), Bytes(large.begin(), large.begin() + 128));
  EXPECT_EQ(no_backend[0].length, large.size());
  EXPECT_EQ(no_backend[0].note.service, 0u);
  EXPECT_EQ(no_backend[0].note.backend, lb::kNoBackend);
  const auto malformed = ask(gateway, DropReason::kMalformedL2, 64);
  ASSERT_EQ(malformed.size(), 1u);
  EXPECT_EQ(bytes_of(malformed[0]), cut);
  EXPECT_EQ(malformed[0].generation, 42u);
  EXPECT_EQ(malformed[0].cycles, 7u);
}

TEST_P(RecentDrops, AreTheLastOfEachReason) {
  TestGateway gateway(make_tables({}));
  for (uint16_t port = 1; port <= 100; ++port) gateway.receive(kEdge, from_client(request().ports(port, 9)));
  for (uint16_t port = 1; port <= 3; ++port)
    gateway.receive(kEdge, from_client(request().ports(port, 9).version(9)));
  auto all = ask(gateway, DropReason::kNone, 1000);
  ASSERT_EQ(all.size(), 64u + 3u);
  std::ranges::sort(all, std::ranges::greater(), &DropRecord::number);
  for (size_t i = 0; i < all.size(); ++i) {
    EXPECT_EQ(all[i].number, 103 - i) << "in the order of their drops";
    EXPECT_EQ(all[i].note.reason, i < 3 ? DropReason::kMalformedL3 : DropReason::kNoService);
  }
  EXPECT_EQ(ask(gateway, DropReason::kNoService, 10).size(), 10u) << "never more than there is room for";
  EXPECT_TRUE(ask(gateway, DropReason::kTxFull, 64).empty());
}

TEST_P(RecentDrops, AreToldByWorkersThatOnlyReceive) {
  TestGateway gateway(make_tables({}), {.lb_workers = 1});
  gateway.receive(kEdge, Bytes(10));
  EXPECT_EQ(ask(gateway, DropReason::kMalformedL2, 64).size(), 1u);
}

TEST(DropRecorder, KeepsTheFrontOfFramesOfEverySize) {
  using dataplane::DropRecorder;
  Bytes frame(200);
  for (size_t i = 0; i < frame.size(); ++i) frame[i] = static_cast<uint8_t>(i + 1);
  for (size_t size = 0; size <= frame.size(); ++size) {
    std::vector<DropRecord> records(DropRecorder::kRecords);
    DropRecorder recorder(records);
    const Bytes sent(frame.begin(),
                     frame.begin() + static_cast<ptrdiff_t>(size));  // not a byte more is there
    recorder.record(sent, 1500, {.reason = DropReason::kNoService, .port = 1});
    const DropRecord& record = recorder.of(DropReason::kNoService)[0];
    const size_t kept = std::min(size, DropRecord::kBytes);
    ASSERT_EQ(record.kept, kept);
    Bytes expected(DropRecord::kBytes);
    std::copy_n(frame.begin(), kept, expected.begin());
    ASSERT_EQ(Bytes(record.bytes.begin(), record.bytes.end()), expected) << size;
    ASSERT_EQ(record.length, 1500u);
  }
}

}  // namespace
}  // namespace sluice::test
