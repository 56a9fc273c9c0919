// The commands of a command line and what they take. CLI11 does the work; it takes five seconds to compile,
// so that command.cpp and main.cpp alone include it. Pure values, borrowed from the command line: it outlives
// them.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace sluice::sluicectl {

/// An option, `--name` or `-n,--name`, or a word without a name of its own, `NAME`.
class CommandOption {
 public:
  explicit CommandOption(CLI::Option* option) : option_(option) {}

  CommandOption& required();
  /// How many words it takes; by itself one, or none for a flag.
  CommandOption& words(int least, int most);
  CommandOption& at_least(int words);
  CommandOption& one_of(std::vector<std::string> allowed);
  CommandOption& within(double least, double most);
  CommandOption& above_zero();  ///< of a whole number
  /// `complaint`: what is wrong with a word; empty: nothing.
  CommandOption& check(std::function<std::string(const std::string&)> complaint);
  /// What the help says that it takes.
  CommandOption& of_type(const std::string& name);
  /// Has the help say what the variable holds now.
  CommandOption& show_default();
  /// Once the command line has been read.
  bool is_given() const;

 private:
  CLI::Option* option_;
};

class Command {
 public:
  Command(CLI::App& app) : app_(&app) {}

  /// One below this one.
  Command add(const std::string& name, const std::string& help);
  /// The same for a noun, which means nothing without a command below it.
  Command add_noun(const std::string& name, const std::string& help);

  // `into` gets what is given, and outlives run().
  CommandOption option(const std::string& name, std::string& into, const std::string& help);
  CommandOption option(const std::string& name, std::vector<std::string>& into, const std::string& help);
  CommandOption option(const std::string& name, uint64_t& into, const std::string& help);
  CommandOption option(const std::string& name, double& into, const std::string& help);
  CommandOption flag(const std::string& name, bool& into, const std::string& help);

  /// What it does.
  void run(std::function<void()> action);

 private:
  CLI::App* app_;
};

}  // namespace sluice::sluicectl
