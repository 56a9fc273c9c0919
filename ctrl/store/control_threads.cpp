#include "ctrl/store/control_threads.h"

#include <spdlog/spdlog.h>

#include <boost/asio/post.hpp>
#include <exception>
#include <utility>

namespace sluice::ctrl {

void ControlThreads::run(const Job& job) {
  try {
    job();
  } catch (const std::exception& error) {  // out of memory, mostly; the rest must go on
    spdlog::error("a job of the control threads failed: {}", error.what());
  }
}

void ControlThreads::change(Job job) {
  boost::asio::post(changes_, [job = std::move(job)] { run(job); });
}

void ControlThreads::observe(Job job) {
  boost::asio::post(observations_, [job = std::move(job)] { run(job); });
}

void ControlThreads::answer(Job job) {
  boost::asio::post(answers_, [job = std::move(job)] { run(job); });
}

void ControlThreads::stop() {
  // A change may wait for an answer: that thread goes last.
  for (auto* pool : {&changes_, &observations_, &answers_}) {
    pool->stop();
    pool->join();
  }
}

}  // namespace sluice::ctrl
