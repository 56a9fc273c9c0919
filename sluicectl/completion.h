// What may stand at the end of a command line that is being typed: what the shells' completions ask for, as
// `sluicectl __complete WORDS...` (packaging/completions). Commands and options are those of the command line
// itself; the names of objects are asked of the gateway.
#pragma once

#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace sluice::sluicectl {

class Session;

/// Prints a line for each candidate: the word, and after a tab what it is, if there is something to say.
/// `words`: what has been typed after the program's name; the last one, which may be empty, is to be
/// completed. A last line `:files` or `:directories` has the shell offer those besides. Where the gateway
/// does not answer within two seconds, or has no such objects, there are no names of them and no complaint.
void print_completions(CLI::App& app, Session& session, std::vector<std::string> words);

}  // namespace sluice::sluicectl
