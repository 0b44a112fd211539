// What every command of the CLI has: the collector, the form of the output, and exit codes.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/runtime/command_line.h"
#include "tools/linkpilot/api_client.h"

namespace linkpilot::cli {

// Exit codes, the same for every command: scripts rely on them.
inline constexpr int kOk = 0;
inline constexpr int kNegative = 1;     // asked, and the answer is "no" or "not healthy"
inline constexpr int kUsage = 2;        // the call's words are off
inline constexpr int kUnavailable = 3;  // could not ask

struct Context {
  ApiOptions api;
  bool json = false;
  int exit_code = kOk;

  [[nodiscard]] ApiClient client() const { return ApiClient(api); }
};

// Prints `error` on stderr and returns the exit code that fits.
int report_failure(const Error& error);

// One line of JSON with "schema_version" and "kind" in front of the object's own keys.
void print_json(std::string_view kind, const Json& object);

// Registers a command whose work returns an exit code.
void on_run(Command command, Context& context, std::function<int()> work);

// Text of a figure that may be null: "12.3", or "-".
[[nodiscard]] std::string number_text(const Json& object, const char* key, int decimals);
[[nodiscard]] std::string text_of(const Json& object, const char* key);
// "1.2s" from a number of milliseconds.
[[nodiscard]] std::string age_text(const Json& object, const char* key);
// "tokyo > mumbai > paris"
[[nodiscard]] std::string path_text(const Json& candidate);

// One function per noun; each adds its verbs to the tree.
void add_node(Command app, Context& context);
void add_auto(Command app, Context& context);
void add_hand(Command app, Context& context);
void add_audit(Command app, Context& context);
void add_status(Command app, Context& context);
void add_agent(Command app, Context& context);
void add_link(Command app, Context& context);
void add_route(Command app, Context& context);
void add_event(Command app, Context& context);
void add_fault(Command app, Context& context);
// Verbs of `fault`.
void add_fault_evidence(Command fault, Context& context);
void add_mail(Command fault, Context& context);
void add_plan(Command app, Context& context);
void add_keys(Command app, Context& context);
void add_config(Command app, Context& context);
void add_dial(Command app, Context& context);
void add_path(Command app, Context& context);
void add_doctor(Command app, Context& context);
void add_support_bundle(Command app, Context& context);

}  // namespace linkpilot::cli
