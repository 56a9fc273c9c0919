#include "ctrl/intent/config_history.h"

#include <gtest/gtest.h>

#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <fstream>

#include "ctrl/intent/config_hash.h"
#include "ctrl/intent/config_schema.h"
#include "tests/unit/ctrl/sample_config.h"

namespace sluice::ctrl {
namespace {

std::shared_ptr<const Model> sample_model() {
  return std::make_shared<const Model>(*parse_config(test::sample_config()));
}

TEST(ConfigHistory, KeepsTheNewest) {
  ConfigHistory history(3);
  const auto model = sample_model();
  for (uint64_t generation = 1; generation <= 5; ++generation) {
    history.add({generation, {}, "file", "", {"routes"}}, model);
  }
  const auto entries = history.entries();
  ASSERT_EQ(entries.size(), 3u);
  EXPECT_EQ(entries[0].generation, 5u);
  EXPECT_EQ(entries[2].generation, 3u);
  EXPECT_EQ(history.find(4), model);
  EXPECT_EQ(history.find(2), nullptr);
}

TEST(ConfigHistory, TakesHashesLater) {
  ConfigHistory history(3);
  const auto model = sample_model();
  history.add({1, {}, "file", "", {}}, model);
  history.add({2, {}, "file", "", {}}, model);
  ASSERT_TRUE(history.unhashed());
  EXPECT_EQ(history.unhashed()->generation, 2u);  // the newest first
  EXPECT_EQ(history.unhashed()->model, model);
  history.set_hash(2, "aa");
  EXPECT_EQ(history.unhashed()->generation, 1u);
  history.set_hash(1, "bb");
  EXPECT_FALSE(history.unhashed());
  EXPECT_EQ(history.entries()[0].sha256, "aa");
  history.set_hash(99, "cc");  // which has given way meanwhile
  EXPECT_EQ(history.entries()[1].sha256, "bb");
}

TEST(ConfigHistory, SaysWhatIsNotOnDiskOldestFirst) {
  ConfigHistory history(3);
  const auto model = sample_model();
  history.add({1, {}, "file", "aa", {}}, nullptr);  // from there
  history.add({2, {}, "file", "", {}}, model);
  history.add({3, {}, "file", "", {}}, model);
  ASSERT_TRUE(history.unsaved());
  EXPECT_EQ(history.unsaved()->entry.generation, 2u);
  history.set_saved(history.unsaved()->entry);
  EXPECT_EQ(history.unsaved()->entry.generation, 3u);
  const auto writing = *history.unsaved();
  history.set_confirmation(3, Confirmation::kConfirmed);
  history.set_saved(writing.entry);
  EXPECT_TRUE(history.unsaved()) << "it has changed while it was being written";
  history.set_saved(history.unsaved()->entry);
  EXPECT_FALSE(history.unsaved());
  history.set_confirmation(1, Confirmation::kTakenBack);
  ASSERT_TRUE(history.unsaved());
  EXPECT_EQ(history.unsaved()->model, nullptr);
  EXPECT_TRUE(history.contains(1));
  EXPECT_FALSE(history.contains(9));
}

TEST(ConfigHistory, WordsOfConfirmationsAreReadAsTheyAreWritten) {
  for (const auto one : {Confirmation::kNotAsked, Confirmation::kPending, Confirmation::kConfirmed,
                         Confirmation::kTakenBack, Confirmation::kSuperseded}) {
    EXPECT_EQ(confirmation_of(word_for(one)), one);
  }
  EXPECT_FALSE(confirmation_of("perhaps"));
}

/// What sha256sum says of the text.
std::string sha256sum(const std::string& text) {
  const std::string path =
      std::filesystem::temp_directory_path() / ("history_test." + std::to_string(::getpid()));
  std::ofstream(path) << text;
  FILE* const pipe = ::popen(("sha256sum " + path).c_str(), "r");
  char hex[65] = {};
  const size_t read = pipe ? std::fread(hex, 1, 64, pipe) : 0;
  if (pipe) ::pclose(pipe);
  std::filesystem::remove(path);
  EXPECT_EQ(read, 64u);
  return hex;
}

TEST(ConfigHash, IsThatOfTheCanonicalText) {
  ConfigHash hash;
  auto model = *sample_model();
  EXPECT_EQ(hash.of(model), sha256sum(to_json(model).dump()));
  EXPECT_EQ(hash.text(model), to_json(model).dump());
  auto pool = *model.pools.begin()->second;
  pool.backends.pop_back();
  model.pools.set(pool.name, std::make_shared<const PoolModel>(pool));
  model.services.clear();
  EXPECT_EQ(hash.of(model), sha256sum(to_json(model).dump()));  // and not what it was
  model.pools.clear();
  EXPECT_EQ(hash.of(model), sha256sum(to_json(model).dump()));
  EXPECT_EQ(hash.of(*sample_model()), sha256sum(to_json(*sample_model()).dump()));
}

}  // namespace
}  // namespace sluice::ctrl
