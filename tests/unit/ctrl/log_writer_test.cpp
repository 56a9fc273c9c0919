#include "ctrl/log/log_writer.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <future>
#include <utility>

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
  ASSERT_TRUE(writer.flush(60s));
  const std::string text = pipe.read(2000);
  for (size_t i = 0; i < 20; ++i) EXPECT_EQ(text.substr(100 * i, 100), numbered(i));
  EXPECT_EQ(writer.lost(), 0u);
}

TEST(LogWriter, KeepsTheNewestAndSaysHowManyAreMissing) {
  std::promise<void> has_begun, may_go_on;
  std::string text;
  LogWriter writer([&, is_first = true](std::string_view line) mutable {
    if (std::exchange(is_first, false)) {
      has_begun.set_value();
      may_go_on.get_future().wait();
    }
    text += line;
    return true;
  });
  writer.describe_loss_by([](uint64_t lost) { return "lost " + std::to_string(lost) + "\n"; });
  writer.write(numbered(0));
  has_begun.get_future()
      .wait();  // from here on the writing thread waits, so that all losses are told at once
  constexpr size_t kLost = 999, kLines = LogWriter::kMostLines + kLost;
  for (size_t i = 1; i <= kLines; ++i) writer.write(numbered(i));
  EXPECT_FALSE(writer.flush(1ms));
  EXPECT_EQ(writer.lost(), kLost);
  may_go_on.set_value();
  ASSERT_TRUE(writer.flush(60s));
  std::string expected = numbered(0) + "lost 999\n";
  for (size_t i = kLost + 1; i <= kLines; ++i) expected += numbered(i);
  EXPECT_EQ(text, expected);
  EXPECT_EQ(writer.lost(), kLost);
}

TEST(LogWriter, ALongLineIsNotLostForItsLength) {
  Pipe pipe;
  LogWriter writer(pipe.writer());
  const std::string line(LogWriter::kMostBytes + 1, 'x');
  writer.write(line);
  EXPECT_EQ(pipe.read(line.size()), line);
}

TEST(LogWriter, EndsThoughNobodyReads) {
  std::promise<void> somebody_reads;
  {
    // No pipe: the thread goes on after the end, and the descriptor would be another test's by then.
    LogWriter writer([waits = somebody_reads.get_future().share()](std::string_view) {
      waits.wait();
      return true;
    });
    for (size_t i = 0; i < 100; ++i) writer.write(numbered(i));
  }  // returns
  somebody_reads.set_value();
}

TEST(LogWriter, CountsWhatNobodyCanReadAnyMore) {
  Pipe pipe;
  pipe.close_reader();
  LogWriter writer(pipe.writer());
  writer.write(numbered(1));
  ASSERT_TRUE(writer.flush(60s));
  EXPECT_EQ(writer.lost(), 1u);
}

}  // namespace
}  // namespace sluice::ctrl
