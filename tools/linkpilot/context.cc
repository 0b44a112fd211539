#include "tools/linkpilot/context.h"

#include <fmt/format.h>

#include <cstdio>
#include <utility>

namespace linkpilot::cli {

int report_failure(const Error& error) {
  fmt::print(stderr, "linkpilot: {}\n", error.message);
  switch (error.code) {
    case ErrorCode::invalid_argument:
      return kUsage;
    case ErrorCode::not_found:
      return kNegative;
    case ErrorCode::timeout:
    case ErrorCode::unavailable:
    case ErrorCode::corrupt:
    case ErrorCode::permission:
    case ErrorCode::limit_exceeded:
    case ErrorCode::internal:
      return kUnavailable;
  }
  return kUnavailable;
}

void print_json(std::string_view kind, const Json& object) {
  Json out = {{"schema_version", 1}, {"kind", kind}};
  out.update(object);
  fmt::print("{}\n", out.dump());
}

void on_run(Command command, Context& context, std::function<int()> work) {
  command.runs([&context, work = std::move(work)] { context.exit_code = work(); });
}

std::string number_text(const Json& object, const char* key, int decimals) {
  const auto found = object.find(key);
  if (found == object.end() || !found->is_number()) return "-";
  return fmt::format("{:.{}f}", found->get<double>(), decimals);
}

std::string text_of(const Json& object, const char* key) {
  const auto found = object.find(key);
  if (found == object.end()) return "";
  return found->is_string() ? found->get<std::string>() : found->dump();
}

std::string age_text(const Json& object, const char* key) {
  const auto found = object.find(key);
  if (found == object.end() || !found->is_number()) return "-";
  return fmt::format("{:.1f}s", found->get<double>() / 1000.0);
}

std::string path_text(const Json& candidate) {
  std::string out;
  for (const Json& node : candidate.value("path", Json::array())) {
    out += (out.empty() ? "" : " > ") + (node.is_string() ? node.get<std::string>() : node.dump());
  }
  return out;
}

}  // namespace linkpilot::cli
