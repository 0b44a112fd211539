// What tests of HTTP-FLV share: an FLV body of our own making, and a dial run to its report.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/assert.h"
#include "prober/media/flv/flv_muxer.h"
#include "prober/media/flv/synthetic_stream.h"
#include "tests/support/dial_run.h"

namespace linkpilot::prober {

// A whole FLV file: header, configurations, `length` of picture and sound.
inline std::string flv_body(Duration length) {
  auto stream = SyntheticStream::create({});
  LP_ASSERT(stream.has_value());
  std::vector<std::uint8_t> out;
  append_flv_header({.audio = true, .video = true}, out);
  for (const OwnedTag& tag : stream->headers()) append_flv_tag(tag, out);
  // Made just now, or a puller calls it late by its clock.
  const UnixNanos began = SystemClock().now().wall - length;
  while (stream->due() < length) {
    append_flv_tag(stream->next(began + stream->due()), out);
  }
  return {out.begin(), out.end()};
}

// For loopback, redirects too, with deadlines for a machine that may be slow.
inline DialRequest http_request(const std::string& url) {
  DialRequest request = patient(loopback_request(url));
  request.policy.allowed = parse_ranges("loopback").value();
  return request;
}

inline DialReport run_dial(DialRequest request) {
  auto loop = DialLoop::create().value();
  auto dial = make_dial(*loop, std::move(request));
  dial->start();
  const MonoTime end = loop->now().mono + std::chrono::seconds(120);
  while (!dial->done() && loop->now().mono < end) loop->turn(std::chrono::milliseconds(100));
  LP_ASSERT(dial->done());
  DialReport report = dial->report();
  dial.reset();
  return report;
}

// "response timeout", "media http_status 404"; "ok" without a failure.
inline std::string failure_of(const DialReport& report) {
  if (!report.failure) return "ok";
  return std::string(to_string(report.failure->stage)) + " " +
         std::string(to_string(report.failure->kind)) +
         (report.failure->code.empty() ? "" : " " + report.failure->code);
}

inline bool has_phase(const DialReport& report, DialPhase phase) {
  return report.since_start(phase).has_value();
}

}  // namespace linkpilot::prober
