// linkpilot-routes-sync: for a node without an agent. Connects to the collector as a route reader,
// verifies each table it is sent and keeps the same file that an agent would, so that
// linkpilot-routes reads it. Needs the standard library only; everything else is inside.
//
//   std::string error;
//   auto sync = linkpilot::RouteSync::start({.collectors = {"tcp://192.0.2.1:7100"}, ...}, error);
//
// Runs on one thread of its own; the callback is called there. It reconnects for ever.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#if defined(__GNUC__)
#define LINKPILOT_ROUTES_SYNC_API __attribute__((visibility("default")))
#else
#define LINKPILOT_ROUTES_SYNC_API
#endif

namespace linkpilot {

class LINKPILOT_ROUTES_SYNC_API RouteSync {
 public:
  struct Options {
    std::string name;                     // this node's, as it is enrolled
    std::vector<std::string> collectors;  // "tcp://IP:7100", tried in turn
    std::string collector_public_key;     // Z85, or the file that holds it
    std::string key_file;                 // this node's CURVE secret key; PATH.pub beside it
    std::vector<std::string> signer_public_keys;  // hex, or files
    std::string route_file;                       // where the table goes
  };

  enum class Event : std::uint8_t {
    table_accepted,
    table_refused,  // the old one stays
    connected,      // the collector has welcomed this node
    disconnected,   // nothing heard for five seconds, or the connection broke
    refused,        // the collector does not want this node: wrong key, or another holds it
  };
  struct Notice {
    Event event = Event::disconnected;
    std::uint64_t epoch = 0;  // of the table in use, 0: none
    std::uint64_t version = 0;
    std::string detail;  // why, for refusals
  };
  using OnNotice = std::function<void(const Notice&)>;

  // Null with `error` set: a key that cannot be read, or none, or no collector. The last good
  // table on disk is verified here; a bad one is reported by the first notice.
  [[nodiscard]] static std::unique_ptr<RouteSync> start(const Options& options, OnNotice on_notice,
                                                        std::string& error);
  virtual ~RouteSync();  // stops the thread

 protected:
  RouteSync() = default;
};

}  // namespace linkpilot
