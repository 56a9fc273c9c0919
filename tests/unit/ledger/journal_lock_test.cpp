// Who may write to a log: one at a time.
#include <fcntl.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/ledger/journal_fixture.h"

namespace sluice::ledger::test {
namespace {

TEST_F(JournalTest, ASecondWriterIsToldWhoHoldsTheLog) {
  Gateway gateway(files_, folder_.path, signer_, {});
  Gateway second(files_, folder_.path, signer_, {});
  ASSERT_FALSE(second.is_open());
  EXPECT_NE(second.error().find("process " + std::to_string(getpid())), std::string::npos) << second.error();
}

TEST_F(JournalTest, WhoRemovesTheLockFileLetsNoSecondWriterIn) {
  Gateway gateway(files_, folder_.path, signer_, {});
  fs::remove(folder_.path + "/lock");
  Gateway second(files_, folder_.path, signer_, {});
  ASSERT_FALSE(second.is_open());
  EXPECT_NE(second.error().find("process " + std::to_string(getpid())), std::string::npos) << second.error();
  EXPECT_FALSE(fs::exists(folder_.path + "/lock")) << "a refused start leaves none behind";
  gateway.offer("one");
  gateway.settle();
  gateway.release();
  EXPECT_EQ(gateway.journal->checkpoint_size(), 1u);
  EXPECT_EQ(slurp(folder_.path + "/lock"), std::to_string(getpid()) + "\n") << "made anew";
}

// A Sluice of before locks the file alone.
TEST_F(JournalTest, AWriterThatLocksOnlyTheFileExcludesAndIsExcluded) {
  {
    Gateway gateway(files_, folder_.path, signer_, {});
    const int file = open((folder_.path + "/lock").c_str(), O_RDWR);
    EXPECT_NE(flock(file, LOCK_EX | LOCK_NB), 0);
    close(file);
  }
  const int file = open((folder_.path + "/lock").c_str(), O_RDWR);
  ASSERT_EQ(flock(file, LOCK_EX | LOCK_NB), 0);
  Gateway blocked(files_, folder_.path, signer_, {});
  EXPECT_FALSE(blocked.is_open());
  close(file);
}

TEST_F(JournalTest, ACheckpointIsNotReleasedIntoALogThatSomebodyElseHolds) {
  {
    Gateway gateway(files_, folder_.path, signer_, {});
    gateway.offer("one");
    gateway.settle();
    fs::remove(folder_.path + "/lock");
    const int other = open((folder_.path + "/lock").c_str(), O_RDWR | O_CREAT, 0640);
    ASSERT_EQ(flock(other, LOCK_EX | LOCK_NB), 0);
    gateway.release();
    EXPECT_NE(gateway.journal->failure(), nullptr);
    EXPECT_EQ(gateway.journal->checkpoint_size(), 0u);
    close(other);
  }
  fs::remove_all(folder_.path);
  fs::create_directory(folder_.path);
  Gateway gateway(files_, folder_.path, signer_, {});
  gateway.offer("one");
  gateway.settle();
  fs::rename(folder_.path, folder_.path + "-moved");
  fs::create_directory(folder_.path);
  gateway.release();
  ASSERT_NE(gateway.journal->failure(), nullptr);
  EXPECT_NE(gateway.journal->failure()->message.find("no longer the directory"), std::string::npos);
  EXPECT_TRUE(fs::is_empty(folder_.path));
  fs::remove_all(folder_.path + "-moved");
}

TEST_F(JournalTest, AKilledHolderBlocksNobody) {
  std::array<int, 2> ready;
  ASSERT_EQ(pipe(ready.data()), 0);
  const pid_t child = fork();
  if (child == 0) {
    Gateway held(files_, folder_.path, signer_, {});
    char byte = held.is_open() ? 'y' : 'n';
    if (write(ready[1], &byte, 1) != 1) _exit(1);
    pause();
  }
  char byte = 0;
  ASSERT_EQ(read(ready[0], &byte, 1), 1);
  ASSERT_EQ(byte, 'y');
  Gateway blocked(files_, folder_.path, signer_, {});
  EXPECT_NE(blocked.error().find("process " + std::to_string(child)), std::string::npos) << blocked.error();
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  close(ready[0]);
  close(ready[1]);
  Gateway next(files_, folder_.path, signer_, {});
  EXPECT_TRUE(next.is_open()) << next.error();
}

TEST_F(JournalTest, AnotherKeyOrNameIsRefused) {
  { Gateway gateway(files_, folder_.path, signer_, {}); }
  Gateway other_key(files_, folder_.path, make_signer(), {});
  EXPECT_NE(other_key.error().find("another key"), std::string::npos) << other_key.error();
}

}  // namespace
}  // namespace sluice::ledger::test
