#include "base/runtime/command_line.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdint>
#include <utility>
#include <vector>

namespace linkpilot {

const Option& Option::required() const {
  option_->required();
  return *this;
}

const Option& Option::shows_default() const {
  option_->capture_default_str();
  return *this;
}

const Option& Option::range(double low, double high) const {
  // CLI11's own would call a whole number's bounds FLOAT and print six decimals.
  const std::string bounds = fmt::format("{} to {}", low, high);
  option_->check(CLI::Validator(
      [low, high, bounds](const std::string& text) {
        double value = 0;
        const bool fits = CLI::detail::lexical_cast(text, value) && value >= low && value <= high;
        return fits ? std::string() : fmt::format("'{}' is not from {}", text, bounds);
      },
      bounds));
  return *this;
}

const Option& Option::one_of(std::initializer_list<const char*> words) const {
  option_->check(CLI::IsMember(std::vector<std::string>(words.begin(), words.end())));
  return *this;
}

const Option& Option::from_environment(const std::string& variable) const {
  option_->envname(variable);
  return *this;
}

const Option& Option::group(const std::string& title) const {
  option_->group(title);
  return *this;
}

const Option& Option::one_value_each() const {
  option_->allow_extra_args(false);
  return *this;
}

const Option& Option::split_at(char delimiter) const {
  option_->delimiter(delimiter);
  return *this;
}

const Option& Option::excludes(const Option& other) const {
  option_->excludes(other.option_);
  return *this;
}

Command Command::verb(const std::string& name, const std::string& what) const {
  return Command(app_->add_subcommand(name, what));
}

const Command& Command::needs_verb() const {
  app_->require_subcommand(1);
  return *this;
}

const Command& Command::footer(const std::string& text) const {
  app_->footer(text);
  return *this;
}

const Command& Command::options_after_verbs() const {
  app_->fallthrough();
  return *this;
}

const Command& Command::runs(std::function<void()> work) const {
  app_->callback(std::move(work));
  return *this;
}

std::string Command::chosen_verb() const {
  const auto chosen = app_->get_subcommands();
  return chosen.empty() ? std::string() : chosen.front()->get_name();
}

template <class T>
Option Command::option(const std::string& names, T& into, const std::string& help) const {
  return Option(app_->add_option(names, into, help));
}

Option Command::flag(const std::string& names, bool& into, const std::string& help) const {
  return Option(app_->add_flag(names, into, help));
}

template <class T>
Option Command::on_option(const std::string& names, std::function<void(const T&)> take,
                          const std::string& help) const {
  return Option(app_->add_option_function<T>(names, std::move(take), help));
}

Option Command::on_flag(const std::string& names, std::function<void()> take,
                        const std::string& help) const {
  return Option(app_->add_flag_callback(names, std::move(take), help));
}

template Option Command::option(const std::string&, std::string&, const std::string&) const;
template Option Command::option(const std::string&, std::vector<std::string>&,
                                const std::string&) const;
template Option Command::option(const std::string&, std::int32_t&, const std::string&) const;
template Option Command::option(const std::string&, std::int64_t&, const std::string&) const;
template Option Command::option(const std::string&, std::uint8_t&, const std::string&) const;
template Option Command::option(const std::string&, std::uint16_t&, const std::string&) const;
template Option Command::option(const std::string&, std::uint32_t&, const std::string&) const;
template Option Command::option(const std::string&, std::uint64_t&, const std::string&) const;
template Option Command::option(const std::string&, double&, const std::string&) const;
template Option Command::on_option(const std::string&, std::function<void(const std::string&)>,
                                   const std::string&) const;
template Option Command::on_option(const std::string&, std::function<void(const double&)>,
                                   const std::string&) const;

CommandLine::CommandLine(const std::string& about, const std::string& version)
    : app_(std::make_unique<CLI::App>(about)) {
  if (!version.empty()) app_->set_version_flag("--version", version);
}

CommandLine::~CommandLine() = default;

std::optional<int> CommandLine::parse(int argc, char** argv) {
  try {
    app_->parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app_->exit(error) == 0 ? 0 : kUsage;
  }
  return std::nullopt;
}

}  // namespace linkpilot
