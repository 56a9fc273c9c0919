#include "sluicectl/command.h"

#include <CLI/CLI.hpp>
#include <utility>

namespace sluice::sluicectl {

CommandOption& CommandOption::required() {
  option_->required();
  return *this;
}

CommandOption& CommandOption::words(int least, int most) {
  option_->expected(least, most);
  return *this;
}

CommandOption& CommandOption::at_least(int words) {
  option_->expected(-words);
  return *this;
}

CommandOption& CommandOption::one_of(std::vector<std::string> allowed) {
  option_->check(CLI::IsMember(std::move(allowed)));
  return *this;
}

CommandOption& CommandOption::within(double least, double most) {
  option_->check(CLI::Range(least, most));
  return *this;
}

CommandOption& CommandOption::above_zero() {
  option_->check(CLI::Range(uint64_t{1}, uint64_t{INT64_MAX}));
  return *this;
}

CommandOption& CommandOption::check(std::function<std::string(const std::string&)> complaint) {
  option_->check(std::move(complaint));
  return *this;
}

CommandOption& CommandOption::of_type(const std::string& name) {
  option_->type_name(name);
  return *this;
}

CommandOption& CommandOption::show_default() {
  option_->capture_default_str();
  return *this;
}

bool CommandOption::is_given() const {
  return option_->count() > 0;
}

Command Command::add(const std::string& name, const std::string& help) {
  return Command(*app_->add_subcommand(name, help));
}

Command Command::add_noun(const std::string& name, const std::string& help) {
  return Command(*app_->add_subcommand(name, help)->require_subcommand(1));
}

CommandOption Command::option(const std::string& name, std::string& into, const std::string& help) {
  return CommandOption(app_->add_option(name, into, help));
}

CommandOption Command::option(const std::string& name, std::vector<std::string>& into,
                              const std::string& help) {
  return CommandOption(app_->add_option(name, into, help));
}

CommandOption Command::option(const std::string& name, uint64_t& into, const std::string& help) {
  return CommandOption(app_->add_option(name, into, help));
}

CommandOption Command::option(const std::string& name, double& into, const std::string& help) {
  return CommandOption(app_->add_option(name, into, help));
}

CommandOption Command::flag(const std::string& name, bool& into, const std::string& help) {
  return CommandOption(app_->add_flag(name, into, help));
}

void Command::run(std::function<void()> action) {
  app_->callback(std::move(action));
}

}  // namespace sluice::sluicectl
