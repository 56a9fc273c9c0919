// A start that is refused: it says why, and every byte of the directory but the lock is as it was.
#include <functional>
#include <map>

#include "ledger/checkpoint.h"
#include "tests/unit/ledger/log_fixture.h"

namespace sluice::ledger::test {
namespace {

namespace fs = std::filesystem;

/// Every file and folder below a path with its bytes, the lock aside.
std::map<std::string, std::string> tree_of(const std::string& path) {
  std::map<std::string, std::string> tree;
  for (const auto& entry : fs::recursive_directory_iterator(path)) {
    const std::string name = entry.path().lexically_relative(path).string();
    if (name != "lock") tree[name] = entry.is_directory() ? "a directory" : slurp(entry.path());
  }
  return tree;
}

class StartTest : public ::testing::Test {
 protected:
  StartTest() {
    options_.segment_bytes = 12288;
    options_.window = 30;
    Gateway gateway(files_, folder_.path, signer_, options_);
    for (int i = 0; i < 40; ++i) {
      gateway.offer("payload " + std::to_string(i));
      if (i % 4 == 3) gateway.settle();
    }
    gateway.release();
  }

  std::string path(const std::string& name) const { return folder_.path + "/" + name; }
  std::string segment(int number) const { return path("journal/0000000" + std::to_string(number)); }
  /// What a crash leaves behind the last record, and a start that is not refused cuts off.
  void tear() {
    std::string newest = segment(0);
    for (int i = 0; fs::exists(segment(i)); ++i) newest = segment(i);
    std::ofstream(newest, std::ios::binary | std::ios::app) << "torn";
  }
  void flip(const std::string& name, size_t at) {
    std::string bytes = slurp(name);
    bytes[at] ^= 1;
    spill(name, bytes);
  }

  Gateway::Options options_;
  Folder folder_;
  PosixFileSystem files_;
  crypto::NoteSigner signer_ = make_signer();
};

class RefusedStartTest : public StartTest {
 protected:
  struct Case {
    const char* why;
    std::function<void()> damage;
    const char* words;
  };

  void remove(std::initializer_list<const char*> names) {
    for (const char* name : names) fs::remove_all(path(name));
  }
  void sign_checkpoint(const std::string& text, const crypto::NoteSigner& signer) {
    spill(path("checkpoint"), *signer.sign(text));
  }

  std::vector<Case> cases() {
    const std::string checkpoint = slurp(path("checkpoint"));
    const std::string text = Checkpoint::parse(checkpoint)->text();
    return {
        {"another key", [this] { signer_ = make_signer(); }, "begun with another key"},
        {"another key, and no vkey",
         [this] {
           signer_ = make_signer();
           remove({"vkey"});
         },
         "/checkpoint"},
        {"another key, and an empty vkey",
         [this] {
           signer_ = make_signer();
           spill(path("vkey"), "");
         },
         "/checkpoint"},
        {"another name",
         [this] {
           signer_ = make_signer("log.example/other");
           remove({"vkey"});
         },
         "/checkpoint"},
        {"another origin in the checkpoint",
         [=, this] { sign_checkpoint("log.example/other" + text.substr(text.find('\n')), signer_); },
         "not the log's origin"},
        {"no checkpoint", [this] { remove({"checkpoint"}); }, "checkpoint is missing"},
        {"an empty checkpoint", [this] { spill(path("checkpoint"), ""); }, "/checkpoint"},
        {"half a checkpoint", [=, this] { spill(path("checkpoint"), checkpoint.substr(0, 40)); },
         "/checkpoint"},
        {"a checkpoint of another tree",
         [=, this] {
           sign_checkpoint(text.substr(0, text.find('\n') + 1) + "36\n" +
                               text.substr(text.rfind('\n', text.size() - 2) + 1),
                           signer_);
         },
         "does not extend"},
        {"a checkpoint of what is not there yet",
         [=, this] {
           sign_checkpoint(text.substr(0, text.find('\n') + 1) + "41\n" +
                               text.substr(text.rfind('\n', text.size() - 2) + 1),
                           signer_);
         },
         "checkpoint covers 41"},
        {"no journal", [this] { remove({"journal"}); }, "its journal is gone"},
        {"an empty journal",
         [this] {
           remove({"journal"});
           fs::create_directory(path("journal"));
         },
         "its journal is gone"},
        {"no journal, no tiles",
         [this] {
           remove({"journal", "tiles"});
         },
         ""},
        {"no journal, no checkpoint",
         [this] {
           remove({"journal", "checkpoint"});
         },
         "a new key"},
        {"no journal, no checkpoint, no tiles",
         [this] {
           remove({"journal", "checkpoint", "tiles"});
         },
         "a new key"},
        {"tiles alone",
         [this] {
           remove({"journal", "checkpoint", "vkey"});
         },
         "a new key"},
        {"no newest segment", [this] { remove({"journal/00000003"}); }, "the released checkpoint covers 40"},
        {"no oldest segment", [this] { remove({"journal/00000000"}); }, "00000000 should be"},
        {"a hole in the journal", [this] { remove({"journal/00000001"}); }, "00000001 should be"},
        {"a foreign file in the journal", [this] { spill(path("journal/notes.txt"), "x"); }, "notes.txt"},
        {"a damaged record below the checkpoint", [this] { flip(segment(3), 200); }, ""},
        {"a damaged record of the dedupe window", [this] { flip(segment(2), 200); }, ""},
        {"a journal that is a file",
         [this] {
           remove({"journal"});
           spill(path("journal"), "x");
         },
         "/journal"},
        {"tiles that are a file",
         [this] {
           remove({"tiles"});
           spill(path("tiles"), "x");
         },
         "/tiles"},
        {"a checkpoint that is a directory",
         [this] {
           remove({"checkpoint"});
           fs::create_directory(path("checkpoint"));
         },
         "/checkpoint"},
    };
  }
};

TEST_F(RefusedStartTest, ChangesNoByteButTheLock) {
  Folder whole;
  fs::copy(folder_.path, whole.path, fs::copy_options::recursive);
  const crypto::NoteSigner right = copy_of(signer_);
  ASSERT_TRUE(fs::exists(segment(3)) && !fs::exists(segment(4)));
  const std::vector<Case> all = cases();
  for (const bool has_tiles : {true, false}) {
    for (const Case& one : all) {
      SCOPED_TRACE(one.why + std::string(has_tiles ? "" : ", tiles to be rebuilt"));
      fs::remove_all(folder_.path);
      fs::copy(whole.path, folder_.path, fs::copy_options::recursive);
      signer_ = copy_of(right);
      if (!has_tiles) {  // the journal that is to be read then is longer, and tiles are no sign of a log
        if (std::string(one.words) == "its journal is gone" || std::string(one.why) == "tiles alone")
          continue;
        fs::remove_all(path("tiles"));
      }
      one.damage();
      if (fs::is_directory(path("journal")) && fs::exists(segment(0))) tear();
      const auto before = tree_of(folder_.path);
      {
        Gateway gateway(files_, folder_.path, signer_, options_);
        EXPECT_FALSE(gateway.is_open());
        EXPECT_NE(gateway.error().find(one.words), std::string::npos) << gateway.error();
        EXPECT_NE(gateway.error().find(folder_.path), std::string::npos) << gateway.error();
      }
      EXPECT_TRUE(tree_of(folder_.path) == before);
    }
  }
}

TEST_F(StartTest, WhatCanBeRebuiltIsRebuilt) {
  tear();
  const auto names = {"vkey", "tiles"};
  for (const char* name : names) fs::remove_all(path(name));
  Gateway gateway(files_, folder_.path, signer_, options_);
  ASSERT_TRUE(gateway.is_open()) << gateway.error();
  EXPECT_EQ(slurp(path("vkey")), signer_.verifier().line() + "\n");
  EXPECT_EQ(fs::file_size(path("tiles/0")), 40u * 32);
}

// Where a first start was killed, nothing was promised: the next one is the first.
TEST_F(StartTest, AFirstStartThatWasCutShortIsDoneAgain) {
  for (const int steps : {0, 1, 2, 3}) {
    Folder fresh;
    if (steps > 0) fs::create_directory(fresh.path + "/journal");
    if (steps > 1) fs::create_directory(fresh.path + "/tiles");
    if (steps > 1) spill(fresh.path + "/tiles/0", "");
    if (steps > 2) fs::copy_file(path("checkpoint"), fresh.path + "/checkpoint.new");
    Gateway gateway(files_, fresh.path, signer_, options_);
    ASSERT_TRUE(gateway.is_open()) << gateway.error();
    EXPECT_TRUE(fs::exists(fresh.path + "/vkey") && fs::exists(fresh.path + "/checkpoint"));
  }
  Folder fresh;
  { Gateway gateway(files_, fresh.path, signer_, options_); }
  fs::remove(fresh.path + "/vkey");  // the last thing that a first start writes
  Gateway gateway(files_, fresh.path, signer_, options_);
  EXPECT_TRUE(gateway.is_open()) << gateway.error();
}

}  // namespace
}  // namespace sluice::ledger::test
