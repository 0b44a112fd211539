#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "tools/linkpilot/context.h"

namespace linkpilot::cli {
namespace {

// The collector itself gives up after its [mail] timeout, once or twice that.
constexpr int kPatienceMinS = 130;

int test_mail(const Context& context, const std::string& to) {
  Json body = Json::object();
  if (!to.empty()) body["to"] = to;
  const Result<Json> answer =
      context.client().post("/v1/mail/test", body, std::max(kPatienceMinS, context.api.timeout_s));
  if (!answer) return report_failure(answer.error());
  const bool ok = answer->value("ok", false);
  if (context.json) {
    print_json("mail_test", *answer);
    return ok ? kOk : kNegative;
  }
  for (const Json& who : answer->value("handed", Json::array())) {
    fmt::print("handed over for {} ({})\n", who.is_string() ? who.get<std::string>() : who.dump(),
               text_of(*answer, "message_id"));
  }
  for (const Json& who : answer->value("refused", Json::array())) {
    fmt::print("refused: {}\n", who.is_string() ? who.get<std::string>() : who.dump());
  }
  const std::string error = text_of(*answer, "error");
  if (!error.empty()) fmt::print("not handed over: {}\n", error);
  return ok ? kOk : kNegative;
}

}  // namespace

void add_mail(Command fault, Context& context) {
  Command mail = fault.verb("mail", "Mail about faults: does it arrive?").needs_verb();
  auto to = std::make_shared<std::string>();
  Command test = mail.verb(
      "test", "Hand a test mail to the configured server, at once (exit 1 if it did not take it)");
  test.option("--to", *to, "to this address instead of [mail] to");
  on_run(test, context, [&context, to] { return test_mail(context, *to); });
}

}  // namespace linkpilot::cli
