#include "ctrl/observed/lease_table.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "ctrl/registry/lease_journal.h"
#include "temporary_directory.h"

namespace sluice::ctrl {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

ServiceInstance instance(std::string service, std::string name, uint32_t weight = 1) {
  ServiceInstance made;
  made.key = {std::move(service), std::move(name)};
  made.address = "198.18.20.11";
  made.port = 8080;
  made.weight = weight;
  made.ttl = seconds(30);
  return made;
}

LeaseTable::Instance shared(ServiceInstance made) {
  return std::make_shared<const ServiceInstance>(std::move(made));
}

std::vector<std::string> names_in(const ServiceInstances& instances) {
  std::vector<std::string> names;
  for (const auto& one : instances) names.push_back(one->key.service + "/" + one->key.instance);
  return names;
}

using Names = std::vector<std::string>;

TEST(LeaseTable, IndexOfAServiceGrowsWithItsOwnChangesAlone) {
  LeaseTable table;
  table.put(shared(instance("web", "a")), "1", seconds(30));
  const uint64_t web = table.index_of("web");
  table.put(shared(instance("api", "a")), "2", seconds(30));
  EXPECT_EQ(table.index_of("web"), web);
  table.put(shared(instance("web", "a")), "3", seconds(60));  // says the same once more
  EXPECT_EQ(table.index_of("web"), web);
  table.put(shared(instance("web", "a", 2)), "4", seconds(60));
  EXPECT_GT(table.index_of("web"), web);
  const uint64_t changed = table.index_of("web");
  table.remove({"web", "a"});
  EXPECT_GT(table.index_of("web"), changed);
}

TEST(LeaseTable, OnlyTheLastLeaseOfAnInstanceCounts) {
  LeaseTable table;
  table.put(shared(instance("web", "a")), "old", seconds(30));
  table.put(shared(instance("web", "a")), "new", seconds(40));
  EXPECT_EQ(table.of_lease("old"), nullptr);
  EXPECT_TRUE(table.overdue(seconds(39)).empty());
  table.renew("new", seconds(70));
  EXPECT_TRUE(table.overdue(seconds(69)).empty());
  EXPECT_EQ(table.overdue(seconds(70)).size(), 1u);
}

TEST(LeaseTable, ChangesAreToldOnceEachAndAsTheyAreNow) {
  LeaseTable table;
  table.put(shared(instance("web", "a")), "1", seconds(30));
  const uint64_t position = table.list("web").position;
  table.put(shared(instance("web", "b")), "2", seconds(30));
  table.put(shared(instance("api", "x")), "3", seconds(30));
  table.remove({"web", "a"});
  table.put(shared(instance("web", "b", 5)), "4", seconds(30));
  const auto changes = table.since("web", position);
  ASSERT_TRUE(changes);
  EXPECT_EQ(names_in(changes->instances), Names{"web/b"});
  EXPECT_EQ(changes->instances[0]->weight, 5u);
  EXPECT_EQ(changes->gone, (std::vector<InstanceKey>{{"web", "a"}}));
  EXPECT_FALSE(table.since("web", 0));
  for (size_t i = 0; i <= LeaseTable::kMostChanges; ++i) {
    table.put(shared(instance("api", "x", static_cast<uint32_t>(i % 7))), "3", seconds(30));
  }
  EXPECT_FALSE(table.since("web", position));
}

TEST(LeaseTable, PagesGoOverAServiceAndNoOther) {
  LeaseTable table;
  for (const char* const service : {"a", "b", "c"}) {
    for (const char* const name : {"1", "2", "3"}) {
      table.put(shared(instance(service, name)), std::string(service) + name, seconds(30));
    }
  }
  EXPECT_EQ(names_in(table.page("b", {}, 2).instances), (Names{"b/1", "b/2"}));
  EXPECT_EQ(names_in(table.page("b", {"b", "2"}, 2).instances), Names{"b/3"});
  EXPECT_EQ(names_in(table.page("", {"a", "2"}, 2).instances), (Names{"a/3", "b/1"}));
}

TEST(LeaseTable, WhoeverListensHearsOfHisServiceUntilHeStops) {
  LeaseTable table;
  int heard = 0;
  const uint64_t listener = table.listen("web", [&] { ++heard; });
  table.put(shared(instance("web", "a")), "1", seconds(30));
  table.put(shared(instance("api", "a")), "2", seconds(30));
  EXPECT_EQ(heard, 1);
  table.unlisten(listener);
  table.remove({"web", "a"});
  EXPECT_EQ(heard, 1);
}

TEST(LeaseJournal, KeepsWhatIsLeftOverATornLineAndAfterItIsWrittenAnew) {
  const TemporaryDirectory directory;
  JournalReading reading;
  const auto keep = [&](LeaseTable& table) {
    return LeaseJournal::open(directory.file("registry"), table, reading);
  };
  {
    LeaseTable table;
    auto journal = keep(table);
    ASSERT_TRUE(journal) << journal.error().message;
    for (const char* const name : {"a", "b", "c"}) {
      const auto made = instance("web", name);
      ASSERT_TRUE(journal->put(made, name, seconds(1), seconds(31), 2));
      table.put(shared(made), name, seconds(31));
    }
    ASSERT_TRUE(journal->remove({"web", "b"}, seconds(2), 5));
    table.remove({"web", "b"});
    // So many renewals that the file has grown to many times of what it holds.
    for (int second = 3; second < 40'000; ++second) {
      journal->renew("a", seconds(second + 30));
      table.renew("a", seconds(second + 30));
    }
    ASSERT_TRUE(journal->flush(seconds(40'000)));
    const auto file = directory.file("registry/leases.jsonl");
    const auto before = std::filesystem::file_size(file);
    ASSERT_TRUE(journal->compact_if_grown(table, seconds(40'000)));
    EXPECT_LT(std::filesystem::file_size(file), before / 100);
    ASSERT_TRUE(journal->put(instance("web", "d"), "d", seconds(40'001), seconds(40'031), 9));
    std::ofstream(file, std::ios::app) << R"({"put": {"service": "web", "inst)";
  }
  for (const int start : {1, 2}) {
    LeaseTable table;
    auto journal = keep(table);
    ASSERT_TRUE(journal) << start;
    EXPECT_EQ(names_in(table.list("").instances), (Names{"web/a", "web/c", "web/d"}));
    EXPECT_EQ(reading.now, milliseconds(seconds(40'001)));
    EXPECT_EQ(reading.index, 9u);
    EXPECT_EQ(reading.unreadable, 0u);
    table.keep_until(seconds(40'006));
    EXPECT_TRUE(table.overdue(seconds(40'005)).empty());
    EXPECT_EQ(table.overdue(seconds(40'006)).size(), 1u);  // c alone was late
  }
}

}  // namespace
}  // namespace sluice::ctrl
