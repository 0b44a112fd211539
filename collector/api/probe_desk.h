// Where HTTP threads leave probe requests for the loop and wait for the answers. Bounded: at most
// kProbesActiveMax at a time. Thread-safe; an answer, a refusal or the deadline ends each wait.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/message.h"
#include "base/result.h"
#include "collector/api/collector_view.h"

namespace linkpilot::collector {

inline constexpr std::size_t kProbesActiveMax = 8;

class ProbeDesk {
 public:
  // Any thread: blocks until answered, at most `patience`.
  [[nodiscard]] Result<LinkSample> probe(LinkId link, std::uint32_t count, Duration interval,
                                         Duration patience);

  // The loop: requests not fetched yet.
  [[nodiscard]] std::vector<ProbeRequest> fetch();
  // The loop: ends the wait. `from`: the node that answered; others cannot answer for it.
  void answer(NodeId from, const ProbeResult& result);
  void refuse(std::uint64_t request, Error error);
  // Ends all waits, and every later one at once.
  void close();
  // Called (on the asking thread) when there is something to fetch.
  void set_wake(std::function<void()> wake) { wake_ = std::move(wake); }

  [[nodiscard]] ProbeFigures figures() const;

 private:
  struct Wait {
    ProbeRequest request;
    bool fetched = false;
    std::optional<Result<LinkSample>> outcome;
  };
  mutable std::mutex mutex_;
  std::condition_variable answered_;
  std::map<std::uint64_t, Wait> waits_;  // guarded by mutex_
  std::uint64_t next_request_ = 1;       // guarded by mutex_
  ProbeFigures figures_;                 // guarded by mutex_
  bool closed_ = false;                  // guarded by mutex_
  std::function<void()> wake_;
};

}  // namespace linkpilot::collector
