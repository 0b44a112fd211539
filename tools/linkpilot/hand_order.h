// One order of the operator to the collector: who, why, for how long, and what came of it.
#pragma once

#include <memory>
#include <string>

#include "base/result.h"
#include "base/time.h"
#include "tools/linkpilot/context.h"

namespace linkpilot::cli {

// What every order carries.
struct Signed {
  std::string author;
  std::string reason;
  std::string lasts;  // "2h"; empty: the collector's default
};

// "$USER@host".
[[nodiscard]] std::string default_author();
// "90s", "30min", "2h", "7d". Pure.
[[nodiscard]] Result<Duration> parse_lasts(const std::string& text);

// Adds --author and --reason (required), and --for where the order ends by itself.
std::shared_ptr<Signed> sign_options(Command command, bool has_end);

// Posts the order; prints what is so now and every warning; the exit code. `answer` gets the
// collector's JSON where it is not null.
int send_order(const Context& context, const Signed& signature, Json order, Json* answer = nullptr);

}  // namespace linkpilot::cli
