#include "tools/linkpilot/hand_order.h"

#include <fmt/format.h>
#include <pwd.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <cstdlib>

namespace linkpilot::cli {

std::string default_author() {
  std::array<char, 256> host{};
  if (::gethostname(host.data(), host.size() - 1) != 0) host[0] = '\0';
  const char* user = std::getenv("USER");
  std::string name = user == nullptr ? "" : user;
  if (name.empty()) {
    const passwd* entry = ::getpwuid(::getuid());
    name = entry == nullptr ? std::to_string(::getuid()) : entry->pw_name;
  }
  return fmt::format("{}@{}", name, host.data());
}

Result<Duration> parse_lasts(const std::string& text) {
  struct Unit {
    const char* name;
    std::chrono::seconds length;
  };
  constexpr std::array kUnits = {
      Unit{"s", std::chrono::seconds(1)}, Unit{"min", std::chrono::minutes(1)},
      Unit{"m", std::chrono::minutes(1)}, Unit{"h", std::chrono::hours(1)},
      Unit{"d", std::chrono::hours(24)}};
  constexpr std::int64_t kCountMax = 10'000'000;
  std::int64_t count = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
  if (error == std::errc() && count > 0 && count < kCountMax) {
    const std::string_view unit(end, static_cast<std::size_t>(text.data() + text.size() - end));
    for (const Unit& each : kUnits) {
      if (unit == each.name) return Duration(each.length * count);
    }
  }
  return fail(ErrorCode::invalid_argument,
              fmt::format("--for '{}' is no time; write it like 90s, 30min, 2h or 7d", text));
}

std::shared_ptr<Signed> sign_options(Command command, bool has_end) {
  auto signature = std::make_shared<Signed>();
  command.option("--reason", signature->reason, "why, for those who find it later").required();
  command.option("--author", signature->author, "who orders this; default: you, at this host");
  if (has_end) {
    command.option("--for", signature->lasts,
                   "until it ends by itself: 90s, 30min, 2h, 7d (drain 4h, pin 1h, else 30min)");
  }
  return signature;
}

int send_order(const Context& context, const Signed& signature, Json order, Json* answer) {
  order["author"] = signature.author.empty() ? default_author() : signature.author;
  order["reason"] = signature.reason;
  if (!signature.lasts.empty()) {
    const Result<Duration> lasts = parse_lasts(signature.lasts);
    if (!lasts) return report_failure(lasts.error());
    order["for_ms"] = std::chrono::duration_cast<std::chrono::milliseconds>(*lasts).count();
  }
  Result<Json> done = context.client().post("/v1/hand", order, context.api.timeout_s + 10);
  if (!done) return report_failure(done.error());
  if (context.json) {
    print_json("order_done", *done);
  } else {
    fmt::print("{}\n", text_of(*done, "done"));
  }
  for (const Json& warning : done->value("warnings", Json::array())) {
    if (warning.is_string()) fmt::print(stderr, "note: {}\n", warning.get<std::string>());
  }
  if (answer != nullptr) *answer = *std::move(done);
  return kOk;
}

}  // namespace linkpilot::cli
