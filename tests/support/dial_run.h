// Runs dials of prober/media/dial to their end, for tests: a loop of its own, requests for loopback
// with short deadlines.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "prober/media/dial/dial.h"
#include "prober/media/dial/dial_loop_socket.h"

namespace linkpilot::prober {

// Stages of a second, media for as long as asked: a test of a server that hangs takes no longer.
inline DialRequest loopback_request(std::string url, Duration length = std::chrono::seconds(2)) {
  DialRequest request;
  request.url = std::move(url);
  request.length = length;
  request.policy.trust_given_target = true;
  request.verdict.opening_max = std::chrono::minutes(5);  // the machine may be slow
  const Duration stage = std::chrono::seconds(1);
  request.deadlines = {.dns = stage,
                       .tcp = stage,
                       .tls = stage,
                       .handshake = stage,
                       .connect = stage,
                       .create_stream = stage,
                       .start = stage,
                       .response = stage,
                       .flv_header = stage,
                       .first_media = stage};
  return request;
}

// For servers that do answer, on a machine that may be slow.
inline DialRequest patient(DialRequest request) {
  const Duration stage = std::chrono::seconds(20);
  request.deadlines = {.dns = stage,
                       .tcp = stage,
                       .tls = stage,
                       .handshake = stage,
                       .connect = stage,
                       .create_stream = stage,
                       .start = stage,
                       .response = stage,
                       .flv_header = stage,
                       .first_media = 2 * stage};
  return request;
}

class DialRun {
 public:
  DialRun() : loop_(DialLoop::create().value()) {}

  [[nodiscard]] DialLoop& loop() { return *loop_; }
  // `turn` is called between turns of the loop and may stop the dial.
  DialReport run(const DialRequest& request, const std::function<void(Dial&)>& turn = nullptr) {
    const auto dial = make_dial(*loop_, request);
    dial->start();
    while (!dial->done()) {
      if (turn) turn(*dial);
      loop_->turn(std::chrono::milliseconds(20));
    }
    return dial->report();
  }

 private:
  std::unique_ptr<DialLoop> loop_;
};

// "media dropped", "start not_found NetStream.Play.StreamNotFound"; "opened" whether or not it
// stuttered, which on a busy machine it may; or the verdict's kind.
inline std::string verdict_of(const DialReport& report) {
  if (!report.failure) {
    return report.success ? "opened" : std::string(to_string(report.verdict.kind));
  }
  std::string text(to_string(report.failure->stage));
  text += " " + std::string(to_string(report.failure->kind));
  if (!report.failure->code.empty()) text += " " + report.failure->code;
  return text;
}

}  // namespace linkpilot::prober
