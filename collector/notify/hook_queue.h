// HookQueue: deliveries to the webhook, in order, each until the receiver takes it (2xx), refuses
// it for good (4xx but 408 and 429) or it is too old. Every attempt of a delivery carries the same
// id. Pure: time comes in. Bounded: the oldest goes, and is counted, when there are `queue_max`.
//
// A receiver proves that a delivery is ours with the secret that both hold:
//   X-LinkPilot-Timestamp: 1795271400                  seconds since 1970, of this attempt
//   X-LinkPilot-Signature: sha256=HEX                  HMAC-SHA256(secret, timestamp "." body)
//   X-LinkPilot-Delivery:  5f3a9c12ab01.1.opened       the same in every attempt
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "collector/notify/notice.h"
#include "collector/notify/outgoing_mail.h"
#include "collector/notify/sink_settings.h"

namespace linkpilot::collector {

struct HookDelivery {
  std::string id;
  UnixNanos created;
  std::string body;
};

struct HookCounters {
  std::uint64_t delivered = 0;
  std::uint64_t failed = 0;   // attempts to be repeated
  std::uint64_t refused = 0;  // deliveries that will never be taken
  std::uint64_t dropped = 0;  // too old, or no room
};

struct HookSettled {
  std::string id;
  bool done = false;    // out of the queue
  std::string trouble;  // empty: it was taken
};

class HookQueue {
 public:
  explicit HookQueue(HookSettings settings) : settings_(std::move(settings)) {}
  void set_settings(const HookSettings& settings);

  // Returns the ids that had to go to make room.
  std::vector<std::string> add(HookDelivery delivery);
  [[nodiscard]] const HookDelivery* due(Now now) const;
  [[nodiscard]] std::optional<MonoTime> next_due() const;
  // Of the delivery that `due` gave. `status`: of HTTP; 0: it did not come to that.
  HookSettled settle(const std::string& id, int status, const std::string& error, Now now);

  [[nodiscard]] std::size_t size() const { return waiting_.size(); }
  [[nodiscard]] const HookCounters& counters() const { return counters_; }

 private:
  HookSettings settings_;
  std::deque<HookDelivery> waiting_;
  MonoTime not_before_;
  std::uint32_t attempts_ = 0;
  HookCounters counters_;
};

// JSON; the same notice gives the same octets.
[[nodiscard]] HookDelivery make_delivery(const Notice& notice, UnixNanos now);
// RFC 2104 over the joined parts; 64 hexadecimal digits.
[[nodiscard]] std::string hmac_sha256(std::string_view secret,
                                      std::initializer_list<std::string_view> parts);
// "sha256=" and 64 hexadecimal digits.
[[nodiscard]] std::string sign_delivery(std::string_view secret, std::int64_t timestamp,
                                        std::string_view body);

inline constexpr std::string_view kHookKey = "hook:";
[[nodiscard]] NoticeRow row_of(const HookDelivery& delivery);
[[nodiscard]] Result<HookDelivery> delivery_of(const NoticeRow& row);

}  // namespace linkpilot::collector
