// DialExporter: GET /probe?module=NAME&target=URL on loopback dials the URL and answers with a page
// for Prometheus, in the manner of blackbox_exporter; GET /metrics has its own counters.
//
// Runs in a thread of its own with a DialLoop of its own, so that no dial delays a probe of the
// agent. Bounds: dials at once (503 beyond), connections beside them, octets of a request, time for
// it to come and for its answer to leave; a dial ends with its module's timeout, half a second
// before its scraper's patience, or when the scraper leaves.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <thread>

#include "agent/exporter/exporter_settings.h"
#include "base/result.h"
#include "base/runtime/files.h"

namespace linkpilot::agent {

struct ExporterCounters {
  std::uint64_t dials = 0;                // answered with a page
  std::uint64_t dials_failed = 0;         // of those, without success
  std::uint64_t dials_abandoned = 0;      // the scraper left
  std::uint64_t refused_busy = 0;         // concurrent_max
  std::uint64_t refused_requests = 0;     // not understood, not served, unknown module
  std::uint64_t connections_dropped = 0;  // too many, too slow, too long
};

class DialExporter {
 public:
  // Listens before it returns. The settings name an address to listen on.
  [[nodiscard]] static Result<std::unique_ptr<DialExporter>> start(
      const ExporterSettings& settings);
  ~DialExporter();  // ends dials and thread
  DialExporter(const DialExporter&) = delete;
  DialExporter& operator=(const DialExporter&) = delete;

  [[nodiscard]] std::uint16_t port() const { return port_; }

 private:
  class Server;

  DialExporter(const ExporterSettings& settings, UniqueFd listener, UniqueFd stop,
               std::uint16_t port);
  void run(const ExporterSettings& settings);

  UniqueFd listener_;
  UniqueFd stop_;
  std::uint16_t port_;
  std::thread thread_;
};

}  // namespace linkpilot::agent
