// The words a program is started with: verbs, options, `--help` and `--version`.
//
// A narrow front of CLI11, which is compiled in command_line.cc alone: its header takes longer to
// compile than most of our folders. A mistake in the words is told on stderr, with exit code 2.
//
//   CommandLine words("Forwards media.", "forwarder 1.0");
//   Command run = words.root().verb("run", "Until Ctrl-C");
//   run.option("--port", port, "UDP port").range(1, 65535).shows_default();
//   if (const auto code = words.parse(argc, argv)) return *code;
//
// What options write to must live until parse() returns. One thread.
#pragma once

#include <functional>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace linkpilot {

// One option, flag or positional word: a handle, valid as long as its CommandLine.
class Option {
 public:
  explicit Option(CLI::Option* option) : option_(option) {}

  const Option& required() const;
  const Option& shows_default() const;  // the value it had when this was called, in the help
  const Option& range(double low, double high) const;
  const Option& one_of(std::initializer_list<const char*> words) const;
  const Option& from_environment(const std::string& variable) const;
  const Option& group(const std::string& title) const;  // in the help
  const Option& one_value_each() const;                 // of a list: `--x A --x B`, not `--x A B`
  const Option& split_at(char delimiter) const;         // of a list: `--x A,B`
  const Option& excludes(const Option& other) const;

 private:
  CLI::Option* option_;
};

// The program itself or one of its verbs: a handle, valid as long as its CommandLine.
class Command {
 public:
  explicit Command(CLI::App* app) : app_(app) {}

  [[nodiscard]] Command verb(const std::string& name, const std::string& what) const;
  const Command& needs_verb() const;                     // its own name alone is a mistake
  const Command& footer(const std::string& text) const;  // examples, below the help
  const Command& options_after_verbs() const;            // its options may follow a verb's
  const Command& runs(
      std::function<void()> work) const;          // called by parse() if this verb was chosen
  [[nodiscard]] std::string chosen_verb() const;  // after parse(); "" if none

  // `names` as in "-4", "--port" or "KEY,--key"; without dashes it is a positional word.
  // T: std::string, a number, or a std::vector<std::string>.
  template <class T>
  Option option(const std::string& names, T& into, const std::string& help = "") const;
  Option flag(const std::string& names, bool& into, const std::string& help = "") const;
  // T: std::string or double.
  template <class T>
  Option on_option(const std::string& names, std::function<void(const T&)> take,
                   const std::string& help) const;
  Option on_flag(const std::string& names, std::function<void()> take,
                 const std::string& help) const;

 private:
  CLI::App* app_;
};

class CommandLine {
 public:
  static constexpr int kUsage = 2;

  explicit CommandLine(const std::string& about, const std::string& version = "");
  ~CommandLine();
  CommandLine(const CommandLine&) = delete;
  CommandLine& operator=(const CommandLine&) = delete;

  [[nodiscard]] Command root() { return Command(app_.get()); }
  // An exit code, if the program is to end: 0 after --help and --version, kUsage after a mistake.
  [[nodiscard]] std::optional<int> parse(int argc, char** argv);

 private:
  std::unique_ptr<CLI::App> app_;
};

}  // namespace linkpilot
