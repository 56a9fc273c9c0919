#include "ctrl/daemon/source_runner.h"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <utility>

namespace sluice::ctrl {

namespace asio = boost::asio;

SourceRunner::SourceRunner(asio::io_context& io, Gateway& gateway, ControlThreads& threads,
                           LeaseTable* registered)
    : io_(io), gateway_(gateway), threads_(threads), timer_(io) {
  sources_ = std::make_unique<SourceSet>(
      [this](SourceWord word) {
        if (inbox_.add(std::move(word))) asio::post(io_, [this] { schedule(last_ + kApart); });
      },
      registered);
}

SourceRunner::~SourceRunner() = default;

void SourceRunner::follow(std::shared_ptr<const Model> model) {
  if (model == followed_) return;
  if (!followed_) is_complete_ = model->sources.empty();
  followed_ = model;
  threads_.observe([this, model = std::move(model)] { sources_->follow(*model); });
}

void SourceRunner::schedule(Clock::time_point earliest) {
  timer_.expires_at(std::max(Clock::now() + kGathering, earliest));
  timer_.async_wait([this](boost::system::error_code error) {
    if (!error) deliver();
  });
}

void SourceRunner::deliver() {
  last_ = Clock::now();
  threads_.observe([this] {
    auto [words, has_more] = inbox_.take();
    gateway_.observe(std::move(words));
    if (has_more) asio::post(io_, [this] { schedule({}); });  // in the pause others have their turn
  });
}

void SourceRunner::tick() {
  if (!followed_ || followed_->sources.empty() || is_minding_.exchange(true)) return;
  threads_.observe([this] {
    gateway_.mind_sources();
    if (!is_complete_) is_complete_ = gateway_.unanswered_sources().empty();
    is_minding_ = false;
  });
}

std::optional<std::string> SourceRunner::missing() const {
  if (is_complete_ || Clock::now() - started_ >= kReadyPatience) return std::nullopt;
  return "not every source has answered yet: see source.list";
}

}  // namespace sluice::ctrl
