#include "ctrl/log/journal.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

namespace sluice::ctrl {
namespace {

/// The examples of systemd's own description of the protocol.
TEST(Journal, AnEntryIsAsSystemdHasIt) {
  EXPECT_EQ(journal_entry({{"MESSAGE", "foobar"}, {"PRIORITY", "6"}}), "MESSAGE=foobar\nPRIORITY=6\n");
  const std::string length("\x0b\0\0\0\0\0\0\0", 8);
  EXPECT_EQ(journal_entry({{"MESSAGE", "foo\nbar\nbaz"}, {"A", "b"}}),
            "MESSAGE\n" + length + "foo\nbar\nbaz\nA=b\n");
}

TEST(Journal, ALongValueIsCut) {
  const std::string entry = journal_entry({{"MESSAGE", std::string(1 << 20, 'x')}});
  EXPECT_EQ(entry.size(), std::string("MESSAGE=\n").size() + (64 << 10));
}

TEST(Journal, ANameHasCapitalLettersDigitsAndLines) {
  EXPECT_EQ(journal_field_name("ledger_totals"), "LEDGER_TOTALS");
  EXPECT_EQ(journal_field_name("a-b.9"), "A_B_9");
}

TEST(Journal, AnEntryIsADatagram) {
  const std::string path = testing::TempDir() + "journal-" + std::to_string(::getpid());
  const JournalSocket journal(path);
  EXPECT_FALSE(journal.is_there());
  EXPECT_FALSE(journal.send("MESSAGE=nobody hears\n"));
  const int server = ::socket(AF_UNIX, SOCK_DGRAM, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  ASSERT_EQ(::bind(server, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  EXPECT_TRUE(journal.is_there());
  EXPECT_TRUE(journal.send("MESSAGE=one\n"));
  EXPECT_TRUE(journal.send("MESSAGE=two\n"));
  std::string got(100, '\0');
  got.resize(static_cast<size_t>(::recv(server, got.data(), got.size(), 0)));
  EXPECT_EQ(got, "MESSAGE=one\n");
  ::close(server);
  ::unlink(path.c_str());
}

}  // namespace
}  // namespace sluice::ctrl
