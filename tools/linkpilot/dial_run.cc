#include "tools/linkpilot/dial_run.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "base/runtime/files.h"
#include "base/url_text.h"
#include "prober/media/dial/dial.h"
#include "prober/media/dial/dial_loop_socket.h"
#include "prober/media/dial/report_json.h"
#include "prober/media/dial/resolver_socket.h"
#include "tools/linkpilot/context.h"
#include "tools/linkpilot/dial_html.h"
#include "tools/linkpilot/dial_text.h"
#include "tools/linkpilot/flv_file.h"
#include "tools/linkpilot/stop_wish.h"

namespace linkpilot::cli {
namespace {

using prober::DialReport;

constexpr Duration kProgressEach = std::chrono::milliseconds(200);

// Of a URL of any scheme; what is no URL is refused by the dial itself.
std::string host_of(std::string_view url) {
  const auto authority = parse_authority(authority_of(url));
  return authority ? authority->host : std::string();
}

class Runner {
 public:
  Runner(const DialOrder& order, prober::DialLoop& loop)
      : order_(order),
        loop_(loop),
        stop_watch_(loop, stop_.fd(), {.read = true, .write = false},
                    [this](prober::Readiness) { stop_.note(); }),
        shows_progress_(::isatty(STDERR_FILENO) == 1 && !order.json) {}

  int run();

 private:
  DialReport dial_once(const prober::DialRequest& request);
  void show(const DialReport& report, bool one_of_many);
  [[nodiscard]] std::vector<prober::DialRequest> requests();
  [[nodiscard]] std::vector<IpAddress> addresses();

  const DialOrder& order_;
  prober::DialLoop& loop_;
  StopWish stop_;
  prober::FdWatch stop_watch_;
  bool shows_progress_;
};

std::vector<IpAddress> Runner::addresses() {
  std::vector<IpAddress> found;
  prober::Resolver resolver(loop_);
  bool answered = false;
  const std::string host = host_of(order_.request.url);
  if (host.empty()) return found;
  resolver.resolve(host, order_.request.resolver, order_.request.deadlines.dns,
                   [&found, &answered](const prober::Resolved& resolved) {
                     for (const auto& one : resolved.report.answers) found.push_back(one.address);
                     answered = true;
                   });
  while (!answered && !stop_.wished()) loop_.turn(kProgressEach);
  return found;
}

std::vector<prober::DialRequest> Runner::requests() {
  std::vector<prober::DialRequest> all;
  std::vector<std::optional<IpAddress>> targets;
  if (order_.each_address) {
    for (const IpAddress& address : addresses()) targets.emplace_back(address);
  }
  if (targets.empty()) targets.emplace_back(std::nullopt);
  for (int i = 0; i < order_.count; ++i) {
    for (const auto& target : targets) {
      prober::DialRequest request = order_.request;
      request.seed = static_cast<std::uint64_t>(all.size()) + 1;
      request.only_address = target;
      all.push_back(std::move(request));
    }
  }
  return all;
}

DialReport Runner::dial_once(const prober::DialRequest& request) {
  const auto dial = prober::make_dial(loop_, request);
  const MonoTime started = loop_.now().mono;
  MonoTime shown = started;
  std::uint64_t octets = 0;
  dial->start();
  while (!dial->done()) {
    loop_.turn(kProgressEach);
    if (stop_.wished()) dial->stop();
    const MonoTime now = loop_.now().mono;
    if (!shows_progress_ || now - shown < kProgressEach) continue;
    const prober::DialProgress progress = dial->progress();
    const double seconds = std::chrono::duration<double>(now - shown).count();
    const double rate =
        static_cast<double>(progress.octets - std::min(octets, progress.octets)) * 8e-3 / seconds;
    fmt::print(stderr, "\r{}\033[K", progress_line(progress, now - started, rate));
    std::fflush(stderr);
    octets = progress.octets;
    shown = now;
  }
  if (shows_progress_) fmt::print(stderr, "\r\033[K");
  return dial->report();
}

void Runner::show(const DialReport& report, bool one_of_many) {
  if (order_.json) {
    print_json("dial", Json::parse(prober::dial_report_json(report)));
  } else if (one_of_many) {
    fmt::print("{}\n", summary_line(report));
  } else {
    fmt::print("{}", report_text(report));
  }
  if (order_.each_address && !order_.json) fmt::print("{}", server_text(report));
  std::fflush(stdout);
}

int exit_code_of(const DialReport& report) {
  if (report.verdict.kind == prober::VerdictKind::fine) return kOk;
  if (report.verdict.kind == prober::VerdictKind::probe_limited) return kUnavailable;
  if (!report.failure) return kNegative;
  if (report.failure->kind == prober::DialFault::bad_url) return kUsage;
  return report.failure->kind == prober::DialFault::internal ? kUnavailable : kNegative;
}

int Runner::run() {
  std::unique_ptr<FlvFile> file;
  std::vector<prober::DialRequest> all = requests();
  if (!order_.save_flv.empty()) {
    if (all.size() > 1) {
      return report_failure({ErrorCode::invalid_argument,
                             "--save-flv takes one dial; leave out --count and --each-address"});
    }
    auto made = FlvFile::create(order_.save_flv);
    if (!made) return report_failure(made.error());
    file = std::move(*made);
    all.front().copy = file.get();
  }
  int code = kOk;
  std::vector<DialReport> reports;
  for (const prober::DialRequest& request : all) {
    // Who interrupts the first, or the question for its addresses, is still told where it was.
    if (stop_.wished() && !reports.empty()) break;
    reports.push_back(dial_once(request));
    code = std::max(code, exit_code_of(reports.back()));
    show(reports.back(), all.size() > 1);
  }
  if (reports.size() > 1 && !order_.json) fmt::print("{}", several_text(reports));
  if (file) {
    if (const Status status = file->finish(); !status) return report_failure(status.error());
  }
  if (order_.html.empty()) return code;
  const std::string page = dial_html(reports);
  const Status written = replace_file(
      order_.html, std::span(reinterpret_cast<const std::uint8_t*>(page.data()), page.size()),
      0644);
  return written ? code : report_failure(written.error());
}

}  // namespace

int run_dials(const DialOrder& order) {
  auto loop = prober::DialLoop::create();
  if (!loop) return report_failure(loop.error());
  return Runner(order, **loop).run();
}

}  // namespace linkpilot::cli
