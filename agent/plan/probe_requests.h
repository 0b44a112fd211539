// ProbeRequests: bursts somebody asked for, and the samples that answer them. The burst's probes
// are part of the link's ordinary samples, so the answer is the sum of the samples that overlap it.
// A core.
#pragma once

#include <optional>
#include <vector>

#include "base/message.h"
#include "base/result.h"
#include "base/time.h"

namespace linkpilot::agent {

// Adds `sample` to `sum`: counts and sums exactly, times as the span of both.
void add_sample(LinkSample& sum, const LinkSample& sample);

class ProbeRequests {
 public:
  inline static constexpr std::size_t kPendingMax = 32;
  inline static constexpr std::uint32_t kCountMax = 10'000;
  inline static constexpr Duration kLengthMax = std::chrono::seconds(60);
  // Beyond the end of the burst: the open interval, its drain, and slack.
  inline static constexpr Duration kPatience = std::chrono::seconds(8);

  // Checks bounds and remembers the request; on error the caller answers with the message.
  [[nodiscard]] Status accept(const ProbeRequest& request, Now now);
  void on_sample(const LinkSample& sample);
  // Answers that are complete, or out of patience; taken out.
  [[nodiscard]] std::vector<ProbeResult> take(Now now);

 private:
  struct Pending {
    ProbeRequest request;
    UnixNanos from;
    UnixNanos to;
    MonoTime give_up;
    std::optional<LinkSample> sum;
    bool complete = false;
  };
  std::vector<Pending> pending_;
};

}  // namespace linkpilot::agent
