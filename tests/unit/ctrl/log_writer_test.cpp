#include "ctrl/log/log_writer.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <thread>

namespace sluice::ctrl {
namespace {

using namespace std::chrono_literals;

/// A pipe that holds one page, so that it is soon full.
class Pipe {
 public:
  Pipe() {
    EXPECT_EQ(::pipe(ends_.data()), 0);
    ::fcntl(ends_[1], F_SETPIPE_SZ, 4096);
  }
  ~Pipe() {
    close_reader();
    ::close(ends_[1]);
  }
  int writer() const { return ends_[1]; }
  void close_reader() {
    if (ends_[0] >= 0) ::close(std::exchange(ends_[0], -1));
  }
  /// What comes until `bytes` of it have been read.
  std::string read(size_t bytes) {
    std::string text(bytes, '\0');
    for (size_t have = 0; have < bytes;) {
      const ssize_t got = ::read(ends_[0], text.data() + have, bytes - have);
      if (got <= 0) return text.substr(0, have);
      have += static_cast<size_t>(got);
    }
    return text;
  }

 private:
  std::array<int, 2> ends_{};
};

std::string numbered(size_t number) {
  std::string text = std::to_string(number);
  return std::string(99 - text.size(), '.') + text + "\n";
}

TEST(LogWriter, WritesWholeLinesInOrder) {
  Pipe pipe;
  LogWriter writer(pipe.writer());
  for (size_t i = 0; i < 20; ++i) writer.write(numbered(i));
  ASSERT_TRUE(writer.flush(20s));
  const std::string text = pipe.read(2000);
  for (size_t i = 0; i < 20; ++i) EXPECT_EQ(text.substr(100 * i, 100), numbered(i));
  EXPECT_EQ(writer.lost(), 0u);
}

TEST(LogWriter, KeepsTheNewestAndSaysHowManyAreMissing) {
  Pipe pipe;
  LogWriter writer(pipe.writer());
  writer.describe_loss_by([](uint64_t lost) { return "lost " + std::to_string(lost) + "\n"; });
  constexpr size_t kLines = LogWriter::kMostLines + 1000;
  constexpr size_t kMoreThanThePipeHolds = 60;
  for (size_t i = 0; i < kLines; ++i) {
    writer.write(numbered(i));
    // From here on the writing thread waits, so that all losses are told at once.
    if (i == kMoreThanThePipeHolds) EXPECT_FALSE(writer.flush(200ms));
  }
  EXPECT_FALSE(writer.flush(1ms));
  const uint64_t lost = writer.lost();
  EXPECT_GT(lost, 900u);
  const std::string says = "lost " + std::to_string(lost) + "\n";
  const std::string text = pipe.read(100 * (kLines - lost) + says.size());
  EXPECT_NE(text.find(says), std::string::npos);
  EXPECT_TRUE(text.ends_with(numbered(kLines - 1)));
  EXPECT_EQ(writer.lost(), lost);
}

TEST(LogWriter, ALongLineIsNotLostForItsLength) {
  Pipe pipe;
  LogWriter writer(pipe.writer());
  const std::string line(LogWriter::kMostBytes + 1, 'x');
  writer.write(line);
  EXPECT_EQ(pipe.read(line.size()), line);
}

TEST(LogWriter, EndsThoughNobodyReads) {
  Pipe pipe;
  {
    LogWriter writer(pipe.writer());
    for (size_t i = 0; i < 100; ++i) writer.write(numbered(i));
  }  // returns
  pipe.close_reader();
}

TEST(LogWriter, CountsWhatNobodyCanReadAnyMore) {
  Pipe pipe;
  pipe.close_reader();
  LogWriter writer(pipe.writer());
  writer.write(numbered(1));
  ASSERT_TRUE(writer.flush(20s));
  EXPECT_EQ(writer.lost(), 1u);
}

}  // namespace
}  // namespace sluice::ctrl
