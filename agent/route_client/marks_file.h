// The writer of the marks file (schemas/route_file.h): which first hops look-ups must skip. A mark
// is seen by every mapped reader at once, without a system call. One writer process, one thread.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/ids.h"
#include "base/result.h"
#include "base/time.h"

namespace linkpilot::route_client {

enum class MediaFlow : std::uint8_t { outbound, inbound };  // me -> peer, peer -> me

class MarksFile {
 public:
  // Maps the file, clears all marks; makes a new one (by rename) if there is none or it is not
  // ours.
  [[nodiscard]] static Result<std::unique_ptr<MarksFile>> open(const std::string& path, NodeId self,
                                                               UnixNanos now);
  ~MarksFile();
  MarksFile(const MarksFile&) = delete;
  MarksFile& operator=(const MarksFile&) = delete;

  struct FirstHop {
    NodeId peer;
    PortIndex near_port;  // mine
    PortIndex far_port;   // the peer's
    MediaFlow flow = MediaFlow::outbound;
  };
  void set_dead(FirstHop hop, bool dead);
  [[nodiscard]] bool is_dead(FirstHop hop) const;
  void clear_all();
  void set_self(NodeId self);
  // Says "I am alive" to readers; call at least once a second.
  void touch(UnixNanos now);

 private:
  struct Mapping;
  explicit MarksFile(std::unique_ptr<Mapping> mapping);
  std::unique_ptr<Mapping> mapping_;
};

}  // namespace linkpilot::route_client
