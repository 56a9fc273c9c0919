// Keys and sequence numbers of tunnels: from files and requests, over restarts, and until they end.
#include "ctrl/tunnel/tunnel_states.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <thread>

#include "tests/unit/ctrl/temporary_directory.h"

namespace sluice::ctrl {
namespace {

using dataplane::SequenceLeases;

KeyId key_id(uint8_t value) {
  KeyId id{};
  id[0] = value;
  return id;
}

uint64_t take(SequenceLeases& leases, unsigned count = 1) {
  const auto first = leases.take(count);
  EXPECT_TRUE(first);
  return first.value_or(0);
}

TEST(SequenceKeeper, GoesOnBehindTheLastNumberThatWasSent) {
  const TemporaryDirectory directory;
  {
    SequenceKeeper keeper(directory.file("state"), 1);
    const auto leases = *keeper.outbound(key_id(1));
    for (uint64_t number = 1; number <= 100; ++number) EXPECT_EQ(take(*leases), number);
  }
  SequenceKeeper keeper(directory.file("state"), 1);
  EXPECT_EQ(take(**keeper.outbound(key_id(1))), 101u) << "it ended in order";
  EXPECT_EQ(take(**keeper.outbound(key_id(2))), 1u) << "another key has numbers of its own";
}

TEST(SequenceKeeper, SharesTheNumbersOfAKey) {
  const TemporaryDirectory directory;
  SequenceKeeper keeper(directory.file("state"), 1);
  const auto one = *keeper.outbound(key_id(1));
  take(*one, 7);
  const auto other = *keeper.outbound(key_id(1));
  EXPECT_EQ(take(*other), 8u);
}

TEST(SequenceKeeper, GoesOnWhereAKeyWasLeftThatComesBack) {
  const TemporaryDirectory directory;
  SequenceKeeper keeper(directory.file("state"), 1);
  {
    const auto leases = *keeper.outbound(key_id(1));
    take(*leases, 9);
  }
  std::this_thread::sleep_for(std::chrono::milliseconds(50));  // it is noticed that nobody has it
  EXPECT_EQ(take(**keeper.outbound(key_id(1))), 10u);
}

/// Runs in a process of its own, which ends as if it were killed.
template <typename Function>
void in_killed_process(Function&& function) {
  const pid_t child = ::fork();
  if (child == 0) {
    function();
    ::_exit(0);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_EQ(status, 0);
}

TEST(SequenceKeeper, GivesNoNumberTwiceThoughTheProcessIsKilled) {
  const TemporaryDirectory directory;
  uint64_t most = 0;
  for (int restart = 0; restart < 4; ++restart) {
    int pipe[2];
    ASSERT_EQ(::pipe(pipe), 0);
    in_killed_process([&] {
      auto* const keeper = new SequenceKeeper(directory.file("state"), 1);
      auto* const leases = new std::shared_ptr<SequenceLeases>(*keeper->outbound(key_id(1)));
      const uint64_t range[2] = {take(**leases), take(**leases, 500) + 499};
      EXPECT_EQ(::write(pipe[1], range, sizeof range), static_cast<ssize_t>(sizeof range));
    });
    uint64_t range[2] = {};
    ASSERT_EQ(::read(pipe[0], range, sizeof range), static_cast<ssize_t>(sizeof range));
    ::close(pipe[0]);
    ::close(pipe[1]);
    EXPECT_GT(range[0], most);
    most = range[1];
  }
}

TEST(SequenceKeeper, AcceptsNothingTwiceThoughTheProcessIsKilled) {
  const TemporaryDirectory directory;
  in_killed_process([&] {
    auto* const keeper = new SequenceKeeper(directory.file("state"), 1);
    auto* const numbers = new auto(*keeper->inbound(key_id(1)));
    dataplane::ReplayWindow window(64, *(*numbers)->highest);
    for (uint64_t number = 1; number <= 1000; ++number) EXPECT_TRUE(window.accept(number));
  });
  SequenceKeeper keeper(directory.file("state"), 1);
  const auto numbers = *keeper.inbound(key_id(1));
  dataplane::ReplayWindow window(64, *numbers->highest);
  for (uint64_t number = 1; number <= 1000; ++number) EXPECT_FALSE(window.accept(number));
  EXPECT_TRUE(window.accept(1001)) << "what comes next is taken at once";
}

TEST(SequenceKeeper, HasTheDiskAheadOfWhatIsUsed) {
  const TemporaryDirectory directory;
  SequenceKeeper keeper(directory.file("state"), 1);
  const auto leases = *keeper.outbound(key_id(1));
  for (int i = 0; i < 10; ++i) {
    EXPECT_GE(leases->end(), leases->next() + SequenceKeeper::kOutAhead / 4);
    while (leases->next() + 1000 < leases->end()) take(*leases, 1000);
    const uint64_t end = leases->end();
    for (int wait = 0; wait < 12'000 && leases->end() == end; ++wait) {
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    EXPECT_GT(leases->end(), end);
  }
}

TEST(SequenceFile, KnowsAfterTheMachineWentDownWhatMayHaveBeenUsed) {
  const TemporaryDirectory directory;
  {
    const auto file = *SequenceFile::open(directory.file("state"));
    const size_t out = *file->find(SequenceUse::kOut, key_id(1));
    const size_t in = *file->find(SequenceUse::kIn, key_id(1));
    file->reserve(out, 5000);
    file->reserve(in, 7000);
    file->highest(in) = 12;
    ASSERT_TRUE(file->sync());
  }
  {
    const auto file = *SequenceFile::open(directory.file("state"));
    EXPECT_EQ(file->used(*file->find(SequenceUse::kOut, key_id(1))), 5000u);
    EXPECT_EQ(file->used(*file->find(SequenceUse::kIn, key_id(1))), 12u) << "memory was not lost";
    file->reserve(*file->find(SequenceUse::kIn, key_id(1)), 9000);
    ASSERT_TRUE(file->sync());
  }
  {  // another boot
    std::fstream bytes(directory.file("state/sequences"), std::ios::in | std::ios::out | std::ios::binary);
    bytes.seekp(30);
    bytes.write("another", 7);
  }
  const auto file = *SequenceFile::open(directory.file("state"));
  EXPECT_EQ(file->used(*file->find(SequenceUse::kIn, key_id(1))), 9000u);
}

TEST(SequenceFile, IsRefusedWhereItIsAnothersOrDamaged) {
  const TemporaryDirectory directory;
  {
    const auto file = *SequenceFile::open(directory.file("state"));
    ASSERT_TRUE(file->find(SequenceUse::kOut, key_id(1)));
    const auto second = SequenceFile::open(directory.file("state"));
    ASSERT_FALSE(second);
    EXPECT_NE(second.error().message.find("another process"), std::string::npos);
  }
  {
    std::fstream bytes(directory.file("state/sequences"), std::ios::in | std::ios::out | std::ios::binary);
    bytes.seekp(64 + 3);
    bytes.put('x');
  }
  EXPECT_FALSE(SequenceFile::open(directory.file("state")));
  std::ofstream(directory.file("plain")) << "a file";
  EXPECT_FALSE(SequenceFile::open(directory.file("plain")));
  std::filesystem::create_directory(directory.file("other"));
  std::ofstream(directory.file("other/sequences")) << std::string(128, 'z');
  EXPECT_FALSE(SequenceFile::open(directory.file("other")));
}

/// Two tunnels with keys in files.
class Tunnels : public testing::Test {
 protected:
  Tunnels() {
    for (const char* name : {"a", "b"}) {
      TunnelModel tunnel{.name = name,
                         .local = *IpAddress::parse("192.0.2.1"),
                         .remote = *IpAddress::parse("192.0.2.2"),
                         .networks = {},
                         .keys = StaticKeysModel{}};
      tunnel.keys->spi_in = *name == 'a' ? 4096 : 4097;
      tunnel.keys->spi_out = 5000;
      tunnel.keys->in = write(std::string(name) + ".in", std::string(1, *name));
      tunnel.keys->out = write(std::string(name) + ".out", *name == 'a' ? "c" : "d");
      model_.tunnels.push_back(tunnel);
    }
    make();
  }

  std::string write(const std::string& file, const std::string& digit) {
    const std::string path = directory_.file(file);
    std::string text;
    while (text.size() < 40) text += digit;
    std::ofstream(path) << text;
    ::chmod(path.c_str(), 0600);
    return "file:" + path;
  }

  void make() { states_ = std::make_unique<TunnelStates>(directory_.file("state"), 1); }
  void follow() {
    const auto plan = states_->follow(model_, false);
    ASSERT_TRUE(plan) << plan.error().message;
    states_->commit(*plan);
    states_->look(model_, now_.wall);
  }
  static AssociationKeys keys(uint32_t spi, const std::string& digit) {
    std::string text;
    while (text.size() < 40) text += digit;
    return {spi, std::move(*EspKey::from_hex(EspAlgorithm::kAes128Gcm, text)), false, 64};
  }
  Outcome<TunnelPlan> rekey(uint32_t spi, const std::string& in, const std::string& out,
                            std::chrono::milliseconds overlap = std::chrono::seconds(60)) {
    auto plan = states_->rekey(model_, {"a", keys(spi, in), keys(spi + 1000, out), overlap}, now_);
    if (plan) states_->commit(*plan);
    return plan;
  }
  std::string fault(const Outcome<TunnelPlan>& plan) const {
    return plan || plan.error().faults.empty() ? "" : plan.error().faults.front().pointer;
  }
  const TunnelAssociation& a() { return *states_->now()->find("a"); }

  TemporaryDirectory directory_;
  Model model_;
  std::unique_ptr<TunnelStates> states_;
  Moment now_ = Moment::now();
};

TEST_F(Tunnels, AreUpWithTheKeysOfTheirFiles) {
  follow();
  const auto rows = states_->rows(model_);
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(rows[0].state, TunnelCondition::kUp);
  EXPECT_EQ(rows[0].in->spi, 4096u);
  EXPECT_EQ(rows[0].out->spi, 5000u);
  EXPECT_EQ(rows[0].out->sequence, 0u);
}

TEST_F(Tunnels, OneKeyForBothWaysOrForTwoTunnelsIsRefused) {
  model_.tunnels[0].keys->out = write("same", "a");
  EXPECT_EQ(fault(states_->follow(model_, false)), "/tunnels/0/keys/out");
  model_.tunnels[0].keys->out = write("others", "d");
  EXPECT_EQ(fault(states_->follow(model_, true)), "/tunnels/1/keys/out");
  model_.tunnels[0].keys->out = "file:" + directory_.file("none");
  EXPECT_EQ(fault(states_->follow(model_, false)), "/tunnels/0/keys/out");
}

TEST_F(Tunnels, WithTheSameKeysConfiguredKeepWhatTheyHave) {
  follow();
  ASSERT_TRUE(rekey(6000, "1", "2"));
  const auto before = a().out->sa;
  model_.tunnels[0].networks.push_back(*Prefix::parse("10.0.0.0/8"));
  write("a.out", "e");  // and so the file is not read again
  follow();
  EXPECT_EQ(a().out->sa, before);
  model_.tunnels[0].keys->spi_out = 5001;
  follow();
  EXPECT_EQ(a().out->sa->spi.host(), 5001u);
}

TEST_F(Tunnels, ANewKeyCountsAtOnceAndTheOldOneForItsOverlap) {
  follow();
  ASSERT_TRUE(rekey(6000, "1", "2"));
  EXPECT_EQ(a().out->sa->spi.host(), 7000u);
  ASSERT_EQ(a().in.size(), 2u);
  now_.steady += std::chrono::seconds(59);
  EXPECT_FALSE(states_->tend(model_, now_));
  now_.steady += std::chrono::seconds(1);
  const auto plan = states_->tend(model_, now_);
  ASSERT_TRUE(plan);
  states_->commit(*plan);
  ASSERT_EQ(a().in.size(), 1u);
  EXPECT_EQ(a().in.front().sa->spi.host(), 6000u);
}

TEST_F(Tunnels, KeysThatAreInUseAreRefused) {
  follow();
  EXPECT_EQ(fault(rekey(4096, "1", "2")), "/in/spi") << "its own";
  EXPECT_EQ(fault(rekey(4097, "1", "2")), "/in/spi") << "another's";
  EXPECT_EQ(fault(rekey(6000, "1", "1")), "/out/key");
  EXPECT_EQ(fault(rekey(6000, "1", "d")), "/out/key") << "another tunnel sends with it";
  EXPECT_EQ(states_->rekey(model_, {"c", keys(6000, "1"), keys(7000, "2")}, now_).error().kind,
            Refusal::Kind::kNotFound);
}

TEST_F(Tunnels, KeysThatAreGivenAgainGoOn) {
  follow();
  ASSERT_TRUE(rekey(6000, "1", "c")) << "a new one for what is received alone";
  const auto received = a().in.back().sa;
  take(*a().out->sa->leases, 5);
  ASSERT_TRUE(rekey(6000, "1", "2"));
  EXPECT_EQ(a().in.back().sa, received);
  EXPECT_FALSE(a().in.back().until);
  EXPECT_EQ(a().in.size(), 2u);
  EXPECT_EQ(take(*a().out->sa->leases), 1u);
  ASSERT_TRUE(rekey(6001, "3", "c"));
  EXPECT_EQ(take(*a().out->sa->leases), 6u) << "no number of a key comes twice";
  EXPECT_EQ(fault(rekey(6000, "1", "2")), "/in/spi") << "it is about to end";
}

TEST_F(Tunnels, AThousandNewKeysLeaveRoomForMore) {
  follow();
  for (uint32_t i = 0; i < 1000; ++i) {
    char in[3], out[3];
    std::snprintf(in, sizeof in, "%02x", i % 50 + 0x10);
    std::snprintf(out, sizeof out, "%02x", i % 40 + 0xb4);
    ASSERT_TRUE(rekey(10'000 + i, in, out)) << i;
  }
  EXPECT_EQ(a().in.size(), 1001u);
}

TEST_F(Tunnels, WithoutAPlaceForTheirNumbersSendNothingUntilThereIsOne) {
  std::ofstream(directory_.file("state")) << "in the way";
  follow();
  EXPECT_FALSE(a().out);
  EXPECT_TRUE(a().lacks_storage);
  EXPECT_EQ(states_->rows(model_)[0].state, TunnelCondition::kExhausted);
  EXPECT_FALSE(rekey(6000, "1", "2"));
  std::filesystem::remove(directory_.file("state"));
  const auto plan = states_->tend(model_, now_);
  ASSERT_TRUE(plan);
  states_->commit(*plan);
  states_->look(model_, now_.wall);
  EXPECT_EQ(states_->rows(model_)[0].state, TunnelCondition::kUp);
}

TEST_F(Tunnels, RenamedAndAddedAgainGoOnWithTheirNumbers) {
  follow();
  take(*a().out->sa->leases, 10);
  model_.tunnels[0].name = "z";
  follow();
  EXPECT_EQ(take(*states_->now()->find("z")->out->sa->leases), 11u);
  const auto tunnels = model_.tunnels;
  model_.tunnels.clear();
  follow();
  model_.tunnels = tunnels;
  make();  // and a restart besides
  follow();
  EXPECT_EQ(take(*states_->now()->find("z")->out->sa->leases), 12u);
}

TEST_F(Tunnels, FollowTheKernelWhereTheyAreToldTo) {
  model_.tunnels[0].keys.reset();
  follow();
  EXPECT_EQ(states_->rows(model_)[0].state, TunnelCondition::kNoKeys);
  const auto local = model_.tunnels[0].local, remote = model_.tunnels[0].remote;
  const auto say = [&](uint32_t spi, const std::string& in, const std::string& out) {
    KernelAssociations all;
    all.all.push_back({remote, local, false, keys(spi, in), spi, {}});
    all.all.push_back({local, remote, false, keys(spi + 1000, out), spi, {}});
    if (auto plan = states_->follow_kernel(model_, std::move(all))) {
      states_->commit(*plan);
      return true;
    }
    return false;
  };
  EXPECT_TRUE(say(8000, "3", "4"));
  EXPECT_EQ(a().out->sa->spi.host(), 9000u);
  EXPECT_FALSE(say(8000, "3", "4")) << "nothing is new";
  EXPECT_TRUE(say(8001, "5", "6"));
  EXPECT_EQ(a().out->sa->spi.host(), 9001u);
  ASSERT_EQ(a().in.size(), 1u);
  const auto held = states_->follow_kernel(model_, {.is_complete = false, .all = {}});
  ASSERT_TRUE(held);
  states_->commit(*held);
  states_->look(model_, now_.wall);
  EXPECT_EQ(states_->rows(model_)[0].state, TunnelCondition::kHeld);
  const auto gone = states_->follow_kernel(model_, {});
  ASSERT_TRUE(gone);
  states_->commit(*gone);
  EXPECT_FALSE(a().out);
}

}  // namespace
}  // namespace sluice::ctrl
