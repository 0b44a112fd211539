// A time zone as mails need it: what the wall clock shows at a moment, and when it shows a time of
// day next. Fixed offsets, or the rules of a TZif file (RFC 8536, as the system's tzdata has them)
// as far as the file spells them out. A value; cheap to copy.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"

namespace linkpilot::collector {

struct LocalTime {
  int year = 1970;
  int month = 1;
  int day = 1;
  int hour = 0;
  int minute = 0;
  int second = 0;
  std::int32_t offset_s = 0;  // east of UTC
  std::string abbreviation;   // "CET"
};

inline constexpr std::size_t kZoneOctetsMax = std::size_t{64} << 10;
inline constexpr std::size_t kZoneNameMax = 64;

class TimeZone {
 public:
  TimeZone() = default;  // UTC
  // "UTC", "+08:00", "-03:30".
  [[nodiscard]] static Result<TimeZone> fixed(std::string_view text);
  // A zone whose rules go on for ever, but which the file ends before `until`, is refused.
  [[nodiscard]] static Result<TimeZone> from_tzif(std::string name,
                                                  std::span<const std::uint8_t> octets,
                                                  UnixNanos until);

  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] LocalTime at(UnixNanos time) const;
  // "2026-11-21 14:02:11 UTC", "2026-11-21 22:02:11 CST (+08:00)"
  [[nodiscard]] std::string text(UnixNanos time) const;
  [[nodiscard]] std::string clock(UnixNanos time) const;  // "22:02:11 CST"
  // The first moment after `after` at which the wall clock shows that many minutes of a day.
  [[nodiscard]] UnixNanos next_daily(UnixNanos after, int minute_of_day) const;

  friend bool operator==(const TimeZone& a, const TimeZone& b) { return a.name_ == b.name_; }

 private:
  struct Period {
    std::int64_t begin_s = 0;
    std::int32_t offset_s = 0;
    std::string abbreviation;
  };
  [[nodiscard]] const Period& period_at(std::int64_t second) const;
  std::string name_ = "UTC";
  Period first_{0, 0, "UTC"};                                // before the others
  std::shared_ptr<const std::vector<Period>> periods_ = {};  // in order; null: none
};

// Whether it may name a file of the zone folder: "Asia/Shanghai".
[[nodiscard]] bool is_zone_name(std::string_view text);
// Reads /usr/share/zoneinfo/NAME, or takes a fixed offset.
[[nodiscard]] Result<TimeZone> load_time_zone(const std::string& name, UnixNanos now);

}  // namespace linkpilot::collector
