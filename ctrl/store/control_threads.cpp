#include "ctrl/store/control_threads.h"

#include <atomic>
#include <boost/asio/post.hpp>
#include <boost/asio/thread_pool.hpp>
#include <exception>
#include <utility>

#include "ctrl/log/log_line.h"

namespace sluice::ctrl {
namespace {

using boost::asio::thread_pool;

void run(const ControlThreads::Job& job) {
  try {
    job();
  } catch (const std::exception& error) {  // out of memory, mostly; the rest must go on
    log_error({"a job of the control threads failed: ", error.what()});
  }
}

void post(thread_pool& pool, ControlThreads::Job job) {
  boost::asio::post(pool, [job = std::move(job)] { run(job); });
}

}  // namespace

struct ControlThreads::Pools {
  std::atomic<unsigned> preparing = 0;
  thread_pool preparations{1};
  thread_pool changes{1};
  thread_pool observations{1};
  thread_pool answers{2};
};

ControlThreads::ControlThreads() : pools_(std::make_unique<Pools>()) {}

ControlThreads::~ControlThreads() {
  stop();
}

void ControlThreads::change(Job job) {
  post(pools_->changes, std::move(job));
}

void ControlThreads::prepare(Job job) {
  ++pools_->preparing;
  post(pools_->preparations, [pools = pools_.get(), job = std::move(job)] {
    run(job);
    --pools->preparing;
  });
}

bool ControlThreads::is_preparing() const {
  return pools_->preparing != 0;
}

void ControlThreads::observe(Job job) {
  post(pools_->observations, std::move(job));
}

void ControlThreads::answer(Job job) {
  post(pools_->answers, std::move(job));
}

void ControlThreads::stop() {
  // A change may wait for an answer: that thread goes last.
  for (auto* pool : {&pools_->preparations, &pools_->changes, &pools_->observations, &pools_->answers}) {
    pool->stop();
    pool->join();
  }
}

}  // namespace sluice::ctrl
