#include <fmt/format.h>

#include <chrono>
#include <memory>
#include <thread>

#include "tools/linkpilot/context.h"

namespace linkpilot::cli {
namespace {

struct Tail {
  bool once = false;
  std::int64_t after = -1;  // the collector's default: the newest 100
};

void print_event(const Context& context, const Json& event) {
  if (context.json) {
    print_json("event", event);
  } else {
    std::string where = text_of(event, "link");
    if (where.empty()) where = text_of(event, "node");
    fmt::print("{} {:5} {:22} {:24} {}\n", text_of(event, "time_at"), text_of(event, "level"),
               text_of(event, "name"), where, text_of(event, "detail"));
  }
}

int tail_events(const Context& context, Tail tail) {
  const ApiClient client = context.client();
  while (true) {
    Query query = {{"limit", "1000"}};
    if (tail.after >= 0) query.emplace_back("after", std::to_string(tail.after));
    const Result<Json> answer = client.get("/v1/events", query);
    if (!answer) return report_failure(answer.error());
    for (const Json& event : answer->value("events", Json::array())) print_event(context, event);
    std::fflush(stdout);
    tail.after = answer->value("last_id", tail.after);
    if (tail.once) return kOk;
    std::this_thread::sleep_for(std::chrono::milliseconds(500));
  }
}

}  // namespace

void add_event(Command app, Context& context) {
  Command event = app.verb("event", "What happened: state changes of the fleet").needs_verb();
  Command tail = event.verb("tail", "The newest events, then each new one (Ctrl-C ends)");
  auto options = std::make_shared<Tail>();
  tail.flag("--once", options->once, "print what there is and end");
  tail.option("--after", options->after, "events after this id");
  on_run(tail, context, [&context, options] { return tail_events(context, *options); });
}

}  // namespace linkpilot::cli
