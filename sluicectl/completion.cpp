#include "sluicectl/completion.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cctype>
#include <cstdio>
#include <cstdlib>

#include "sluicectl/object_names.h"
#include "sluicectl/session.h"

namespace sluice::sluicectl {
namespace {

constexpr double kPatienceSeconds = 2;

/// The name of what an option takes, in lower case: that of `--pool`, `POOL` or `--pool,POOL` is `pool`.
std::string key_of(const CLI::Option& option) {
  std::string name = option.get_lnames().empty() ? option.get_name(true) : option.get_lnames().front();
  std::ranges::transform(name, name.begin(), [](unsigned char letter) { return std::tolower(letter); });
  return name;
}

bool takes_value(const CLI::Option& option) {
  return option.get_expected_max() > 0;
}

/// What a line means so far: the words are read as CLI11 will, with options anywhere.
class TypedLine {
 public:
  explicit TypedLine(CLI::App& app) : command_(&app) {}

  void add(const std::string& word) {
    if (wanting_ != nullptr) {
      take(*wanting_, word);
      wanting_ = nullptr;
    } else if (only_positionals_ || !word.starts_with('-') || word == "-") {
      add_plain(word);
    } else if (word == "--") {
      only_positionals_ = true;
    } else {
      const size_t equals = word.find('=');
      CLI::Option* option = option_named(word.substr(0, equals));
      if (option == nullptr || !takes_value(*option)) return;
      if (equals == std::string::npos) {
        wanting_ = option;
      } else {
        take(*option, word.substr(equals + 1));
      }
    }
  }

  const CLI::App& command() const { return *command_; }
  /// What the next word is a value of; null: nothing that is known.
  const CLI::Option* next() const { return wanting_ != nullptr ? wanting_ : next_positional(); }
  bool wants_value() const { return wanting_ != nullptr; }
  bool takes_options() const { return !only_positionals_; }
  /// How many values next() has.
  size_t values_of_next() const { return wanting_ != nullptr ? 0 : taken_; }
  /// The last value of each option, by key_of().
  const std::map<std::string, std::string>& given() const { return given_; }

  CLI::Option* option_named(const std::string& name) const {
    for (CLI::App* app = command_; app != nullptr; app = app->get_parent()) {
      if (CLI::Option* option = app->get_option_no_throw(name)) return option;
    }
    return nullptr;
  }

 private:
  void add_plain(const std::string& word) {
    if (CLI::App* below = only_positionals_ ? nullptr : subcommand(word)) {
      command_ = below;
      position_ = taken_ = 0;
    } else if (CLI::Option* option = next_positional()) {
      if (taken_ == 0) given_[key_of(*option)] = word;
      if (++taken_ >= static_cast<size_t>(option->get_expected_max())) {
        ++position_;
        taken_ = 0;
      }
    }
  }

  CLI::App* subcommand(const std::string& name) const {
    for (CLI::App* below : command_->get_subcommands([](const CLI::App*) { return true; })) {
      if (below->get_name() == name) return below;
    }
    return nullptr;
  }

  CLI::Option* next_positional() const {
    const auto positionals =
        command_->get_options([](const CLI::Option* option) { return option->get_positional(); });
    return position_ < positionals.size() ? positionals[position_] : nullptr;
  }

  void take(CLI::Option& option, const std::string& value) {
    given_[key_of(option)] = value;
    // Where the gateway is, above all.
    if (command_->get_parent() == nullptr || option_is_global(option)) option.add_result(value);
  }

  bool option_is_global(const CLI::Option& option) const {
    CLI::App* root = command_;
    while (root->get_parent() != nullptr) root = root->get_parent();
    return std::ranges::count(root->get_options(), &option) > 0;
  }

  CLI::App* command_;
  CLI::Option* wanting_ = nullptr;
  size_t position_ = 0;
  size_t taken_ = 0;  ///< values of the positional at position_
  bool only_positionals_ = false;
  std::map<std::string, std::string> given_;
};

/// Gives the session what was typed, or the environment says, of the options that all commands have. What is
/// no good is as if it were not there.
void set_global_options(CLI::App& app, Session& session) {
  for (CLI::Option* option : app.get_options()) {
    const char* value = option->get_envname().empty() ? nullptr : std::getenv(option->get_envname().c_str());
    if (option->count() == 0 && value != nullptr && takes_value(*option)) option->add_result(value);
    if (option->count() == 0) continue;
    try {
      option->run_callback();
    } catch (const CLI::Error&) {
      continue;
    }
  }
  session.timeout_seconds = std::min(session.timeout_seconds, kPatienceSeconds);
}

/// Prints those that begin with what has been typed; a shell's word is `before` and the candidate.
void print(const std::vector<Candidate>& candidates, const std::string& begin,
           const std::string& before = {}) {
  for (const Candidate& candidate : candidates) {
    if (!candidate.word.starts_with(begin)) continue;
    std::string what = candidate.what;
    std::ranges::replace_if(
        what, [](char letter) { return letter == '\n' || letter == '\t'; }, ' ');
    std::printf("%s%s%s%s\n", before.c_str(), candidate.word.c_str(), what.empty() ? "" : "\t", what.c_str());
  }
}

/// The words of `TEXT:{rx,tx,drop}`, the name of a type whose values are listed.
std::vector<Candidate> choices_of(const CLI::Option& option) {
  const std::string type = option.get_type_name();
  std::vector<Candidate> choices;
  const size_t open = type.find(":{");
  const size_t close = type.find('}', open);
  if (open == std::string::npos || close == std::string::npos) return choices;
  for (size_t at = open + 2; at < close;) {
    const size_t end = std::min(type.find(',', at), close);
    choices.push_back({type.substr(at, end - at)});
    at = end + 1;
  }
  return choices;
}

void print_values(const CLI::Option& option, size_t nth, const TypedLine& line, Session& session,
                  const std::string& begin, const std::string& before = {}) {
  const std::string key = key_of(option);
  const auto is_one_of = [&key](std::initializer_list<const char*> names) {
    return std::ranges::find(names, key) != names.end();
  };
  const auto choices = choices_of(option);
  if (!choices.empty()) return print(choices, begin, before);
  if (is_one_of({"directory", "target"})) return void(std::puts(":directories"));
  if (option.get_type_name().starts_with("FILE") ||
      is_one_of({"file", "out", "write", "ca", "cert", "key", "in", "config"})) {
    return void(std::puts(":files"));
  }
  if (nth == 0) print(object_names(session, key, line.given()), begin, before);
}

void print_options(const CLI::App& command, const std::string& begin) {
  std::vector<Candidate> options;
  for (const CLI::App* app = &command; app != nullptr; app = app->get_parent()) {
    for (const CLI::Option* option : app->get_options()) {
      const bool is_elsewhere = option == app->get_help_ptr() && app != &command;
      for (const auto& name : option->get_lnames()) {
        if (!is_elsewhere) options.push_back({"--" + name, option->get_description()});
      }
    }
  }
  print(options, begin);
}

void print_commands(const CLI::App& command, const std::string& begin) {
  std::vector<Candidate> commands;
  for (const CLI::App* below : command.get_subcommands([](const CLI::App*) { return true; })) {
    commands.push_back({below->get_name(), below->get_description()});
  }
  print(commands, begin);
}

}  // namespace

void print_completions(CLI::App& app, Session& session, std::vector<std::string> words) {
  if (words.empty()) words.emplace_back();
  const std::string last = words.back();
  words.pop_back();
  TypedLine line(app);
  for (const auto& word : words) line.add(word);
  set_global_options(app, session);

  const bool is_option = last.starts_with('-') && !line.wants_value() && line.takes_options();
  if (is_option && last.find('=') == std::string::npos) return print_options(line.command(), last);
  if (is_option) {
    const size_t value = last.find('=') + 1;
    const CLI::Option* option = line.option_named(last.substr(0, value - 1));
    if (option != nullptr && takes_value(*option)) {
      print_values(*option, 0, line, session, last.substr(value), last.substr(0, value));
    }
    return;
  }
  if (!line.wants_value()) print_commands(line.command(), last);
  if (const CLI::Option* next = line.next()) print_values(*next, line.values_of_next(), line, session, last);
}

}  // namespace sluice::sluicectl
