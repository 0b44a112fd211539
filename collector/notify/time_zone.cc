#include "collector/notify/time_zone.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <ctime>

#include "base/runtime/files.h"

namespace linkpilot::collector {

namespace {

constexpr std::int64_t kNanos = 1'000'000'000;
constexpr std::int64_t kDaySeconds = 86'400;
constexpr Duration kRulesAhead = std::chrono::hours(24 * 366);

// RFC 8536 s3.1: magic, version, 15 octets unused, six counts.
constexpr std::size_t kHeaderSize = 44;
struct Counts {
  std::size_t ut = 0;
  std::size_t standard = 0;
  std::size_t leap = 0;
  std::size_t times = 0;
  std::size_t types = 0;
  std::size_t chars = 0;
  [[nodiscard]] std::size_t block(std::size_t time_size) const {
    return times * (time_size + 1) + types * 6 + chars + leap * (time_size + 4) + standard + ut;
  }
};

std::uint64_t big_endian(std::span<const std::uint8_t> octets) {
  std::uint64_t value = 0;
  for (const std::uint8_t octet : octets) value = value << 8 | octet;
  return value;
}

Result<Counts> read_header(std::span<const std::uint8_t> octets) {
  constexpr std::string_view kMagic = "TZif";
  if (octets.size() < kHeaderSize || !std::equal(kMagic.begin(), kMagic.end(), octets.begin()) ||
      octets[4] < '2') {
    return fail(ErrorCode::corrupt, "no TZif file of version 2 or later");
  }
  const auto count = [&](std::size_t i) {
    return static_cast<std::size_t>(big_endian(octets.subspan(20 + 4 * i, 4)));
  };
  const Counts counts{count(0), count(1), count(2), count(3), count(4), count(5)};
  for (const std::size_t each :
       {counts.ut, counts.standard, counts.leap, counts.times, counts.types, counts.chars}) {
    if (each > kZoneOctetsMax) return fail(ErrorCode::corrupt, "a TZif file with absurd counts");
  }
  return counts;
}

std::string abbreviation_at(std::span<const std::uint8_t> chars, std::size_t index) {
  std::string text;
  for (std::size_t i = index; i < chars.size() && chars[i] != 0 && text.size() < 8; ++i) {
    const char c = static_cast<char>(chars[i]);
    text += std::isalnum(chars[i]) != 0 || c == '+' || c == '-' ? c : '?';
  }
  return text;
}

std::string offset_text(std::int32_t offset_s) {
  const std::int32_t size = offset_s < 0 ? -offset_s : offset_s;
  return fmt::format("{}{:02}:{:02}", offset_s < 0 ? '-' : '+', size / 3600, size % 3600 / 60);
}

}  // namespace

Result<TimeZone> TimeZone::fixed(std::string_view text) {
  if (text.empty() || text == "UTC") return TimeZone();
  const auto digit = [&](std::size_t i) { return text[i] >= '0' && text[i] <= '9'; };
  if (text.size() != 6 || (text[0] != '+' && text[0] != '-') || !digit(1) || !digit(2) ||
      text[3] != ':' || !digit(4) || !digit(5)) {
    return fail(ErrorCode::invalid_argument,
                fmt::format("\"{}\" is no offset; write +08:00", text.substr(0, kZoneNameMax)));
  }
  const std::int32_t hours = (text[1] - '0') * 10 + (text[2] - '0');
  const std::int32_t minutes = (text[4] - '0') * 10 + (text[5] - '0');
  if (hours > 14 || minutes > 59) {
    return fail(ErrorCode::invalid_argument, fmt::format("\"{}\" is no offset of a zone", text));
  }
  TimeZone zone;
  zone.name_ = std::string(text);
  zone.first_ = {0, (text[0] == '-' ? -1 : 1) * (hours * 3600 + minutes * 60),
                 "UTC" + std::string(text)};
  return zone;
}

Result<TimeZone> TimeZone::from_tzif(std::string name, std::span<const std::uint8_t> octets,
                                     UnixNanos until) {
  const Error broken{ErrorCode::corrupt, "a TZif file that ends too soon"};
  const Result<Counts> old = read_header(octets);
  if (!old) return fail(old.error());
  const std::size_t second = kHeaderSize + old->block(4);
  if (second > octets.size()) return fail(broken);
  octets = octets.subspan(second);
  const Result<Counts> counts = read_header(octets);
  if (!counts) return fail(counts.error());
  if (kHeaderSize + counts->block(8) > octets.size() || counts->types == 0) return fail(broken);
  const auto times = octets.subspan(kHeaderSize, counts->times * 8);
  const auto indices = octets.subspan(kHeaderSize + counts->times * 8, counts->times);
  const auto types = octets.subspan(kHeaderSize + counts->times * 9, counts->types * 6);
  const auto chars =
      octets.subspan(kHeaderSize + counts->times * 9 + counts->types * 6, counts->chars);
  const auto type = [&](std::size_t index, std::int64_t begin) {
    const auto one = types.subspan(index * 6, 6);
    const auto offset = static_cast<std::int32_t>(big_endian(one.first(4)));
    return Period{begin, std::clamp(offset, -100'000, 100'000), abbreviation_at(chars, one[5])};
  };
  TimeZone zone;
  zone.name_ = std::move(name);
  zone.first_ = type(0, 0);
  auto periods = std::make_shared<std::vector<Period>>();
  for (std::size_t i = 0; i < counts->times; ++i) {
    const auto begin = static_cast<std::int64_t>(big_endian(times.subspan(i * 8, 8)));
    if (indices[i] >= counts->types || (i > 0 && begin <= periods->back().begin_s)) {
      return fail(ErrorCode::corrupt, "a TZif file whose transitions make no sense");
    }
    periods->push_back(type(indices[i], begin));
  }
  const auto footer = octets.subspan(kHeaderSize + counts->block(8));
  const bool goes_on = std::find(footer.begin(), footer.end(), ',') != footer.end();
  if (goes_on && (periods->empty() || periods->back().begin_s < until.ns / kNanos)) {
    return fail(ErrorCode::invalid_argument,
                "the zone's file does not spell out the coming years; write an offset: \"+08:00\"");
  }
  zone.periods_ = std::move(periods);
  return zone;
}

const TimeZone::Period& TimeZone::period_at(std::int64_t second) const {
  if (periods_ == nullptr) return first_;
  const auto after =
      std::upper_bound(periods_->begin(), periods_->end(), second,
                       [](std::int64_t at, const Period& each) { return at < each.begin_s; });
  return after == periods_->begin() ? first_ : *std::prev(after);
}

LocalTime TimeZone::at(UnixNanos time) const {
  const std::int64_t second = std::max<std::int64_t>(0, time.ns) / kNanos;
  const Period& period = period_at(second);
  const std::time_t shifted = second + period.offset_s;
  std::tm parts{};
  gmtime_r(&shifted, &parts);
  return {1900 + parts.tm_year, parts.tm_mon + 1, parts.tm_mday,   parts.tm_hour,
          parts.tm_min,         parts.tm_sec,     period.offset_s, period.abbreviation};
}

std::string TimeZone::text(UnixNanos time) const {
  const LocalTime local = at(time);
  std::string out =
      fmt::format("{:04}-{:02}-{:02} {:02}:{:02}:{:02} {}", local.year, local.month, local.day,
                  local.hour, local.minute, local.second, local.abbreviation);
  if (local.offset_s != 0 && !local.abbreviation.starts_with("UTC")) {
    out += fmt::format(" ({})", offset_text(local.offset_s));
  }
  return out;
}

std::string TimeZone::clock(UnixNanos time) const {
  const LocalTime local = at(time);
  return fmt::format("{:02}:{:02}:{:02} {}", local.hour, local.minute, local.second,
                     local.abbreviation);
}

UnixNanos TimeZone::next_daily(UnixNanos after, int minute_of_day) const {
  const std::int64_t second = std::max<std::int64_t>(0, after.ns) / kNanos;
  // The offset may change on the way: find the day by the present one, then correct once.
  std::int64_t candidate = 0;
  for (std::int64_t day = -1; day <= 2; ++day) {
    const std::int64_t midnight =
        ((second + period_at(second).offset_s) / kDaySeconds + day) * kDaySeconds;
    const std::int64_t wanted = midnight + std::int64_t{minute_of_day} * 60;
    candidate = wanted - period_at(wanted - period_at(second).offset_s).offset_s;
    if (candidate > second) break;
  }
  return {candidate * kNanos};
}

bool is_zone_name(std::string_view text) {
  if (text.empty() || text.size() > kZoneNameMax || text.front() == '/' ||
      text.find("..") != std::string_view::npos) {
    return false;
  }
  return std::all_of(text.begin(), text.end(), [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '/' || c == '_' || c == '-' ||
           c == '+';
  });
}

Result<TimeZone> load_time_zone(const std::string& name, UnixNanos now) {
  Result<TimeZone> zone = TimeZone::fixed(name);
  if (zone || !is_zone_name(name)) return zone;
  const Result<std::vector<std::uint8_t>> octets =
      read_file("/usr/share/zoneinfo/" + name, kZoneOctetsMax);
  if (!octets) {
    return fail(ErrorCode::invalid_argument,
                fmt::format("no zone \"{}\" on this system (is tzdata installed?); an offset such "
                            "as \"+08:00\" needs no file",
                            name));
  }
  return TimeZone::from_tzif(name, *octets, now + kRulesAhead);
}

}  // namespace linkpilot::collector
