// Each test of this executable finds the log as it is when a process begins, so that no test sees what
// another has changed of it, in whatever order they run.
#include <gtest/gtest.h>

#include "ctrl/log/log.h"
#include "ctrl/log/log_levels.h"

namespace sluice::ctrl {
namespace {

class FreshLog : public testing::EmptyTestEventListener {
  void OnTestStart(const testing::TestInfo&) override {
    settle_log(true);  // what was logged before is no first of the lines that follow
    set_log_levels({});
  }
};

const bool is_listening = [] {
  testing::UnitTest::GetInstance()->listeners().Append(new FreshLog);  // which owns it
  return true;
}();

}  // namespace
}  // namespace sluice::ctrl
