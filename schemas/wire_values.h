// Small pieces that every message codec uses: texts, octets, addresses, lists, with their bounds.
// Internal to schemas/.
//
// Decoding throws MessageError at the first wrong value; codec.cc turns it into a Result. kj throws
// on broken pointers in the same places, so there is one way out of the nested readers, not two.
#pragma once

#include <capnp/blob.h>
#include <capnp/list.h>

#include <algorithm>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/address.h"
#include "base/assert.h"
#include "base/ids.h"
#include "base/result.h"
#include "base/time.h"

namespace linkpilot::schemas {

// Longer texts are cut when written and refused when read.
inline constexpr std::size_t kTextBytesMax = 1024;
inline constexpr std::size_t kSecretBytesMax = 64;

struct MessageError {
  Error error;
};

[[noreturn]] inline void refuse(ErrorCode code, std::string message) {
  throw MessageError{{code, std::move(message)}};
}
[[noreturn]] inline void refuse(std::string message) {
  refuse(ErrorCode::corrupt, std::move(message));
}

inline void check_count(std::size_t count, std::size_t count_max, const char* what) {
  if (count > count_max) {
    refuse(ErrorCode::limit_exceeded, std::string(what) + " has " + std::to_string(count) +
                                          " entries, at most " + std::to_string(count_max));
  }
}

inline std::string read_text(capnp::Text::Reader text, const char* what) {
  if (text.size() > kTextBytesMax) {
    refuse(ErrorCode::limit_exceeded,
           std::string(what) + " is longer than " + std::to_string(kTextBytesMax) + " octets");
  }
  return {text.begin(), text.size()};
}

inline kj::StringPtr cut_to_fit(const std::string& text, std::string& storage) {
  if (text.size() <= kTextBytesMax) return {text.c_str(), text.size()};
  storage = text.substr(0, kTextBytesMax);
  return {storage.c_str(), storage.size()};
}
// Calls `set` with the text, cut where it is too long.
template <typename Set>
void write_text(const std::string& text, Set set) {
  std::string storage;
  set(cut_to_fit(text, storage));
}

inline std::vector<std::uint8_t> read_octets(capnp::Data::Reader data, std::size_t bytes_max,
                                             const char* what) {
  check_count(data.size(), bytes_max, what);
  return {data.begin(), data.end()};
}

inline capnp::Data::Reader octets_of(std::span<const std::uint8_t> bytes) {
  return {bytes.data(), bytes.size()};
}

// An absent address is the unspecified one.
inline IpAddress read_address(capnp::Data::Reader data) {
  IpAddress address;
  if (data.size() == 0) return address;
  if (data.size() != address.octets.size()) refuse("an address is not 16 octets long");
  std::copy(data.begin(), data.end(), address.octets.begin());
  return address;
}

inline PortIndex read_port_index(std::uint8_t value) {
  if (value >= kPortsPerNodeMax) refuse("port index " + std::to_string(value) + " is out of range");
  return PortIndex(value);
}

// Lengths, intervals, sums of absolute values: never below zero.
inline Duration read_span_ns(std::int64_t ns, const char* what) {
  if (ns < 0) refuse(std::string(what) + " is negative");
  return Duration(ns);
}
// The writer's side of the same rule: a reader must not choke on our own rounding.
inline std::int64_t span_ns(Duration duration) {
  return std::max<std::int64_t>(0, duration.count());
}

// Enumerants of a newer schema read as `unspecified`.
template <typename To, typename From>
To read_enum(From value, To last) {
  return static_cast<std::uint16_t>(value) <= static_cast<std::uint16_t>(last)
             ? static_cast<To>(value)
             : To{};
}
template <typename To, typename From>
To write_enum(From value) {
  return static_cast<To>(value);
}

// Both enums list the same names in the same order; codecs assert the last one.
template <typename T, typename List, typename Read>
std::vector<T> read_list(List list, std::size_t count_max, const char* what, Read read) {
  check_count(list.size(), count_max, what);
  std::vector<T> values;
  values.reserve(list.size());
  for (auto element : list) values.push_back(read(element));
  return values;
}

template <typename T, typename List, typename Write>
void write_list(const std::vector<T>& values, List list, Write write) {
  for (std::size_t i = 0; i < values.size(); ++i) {
    write(values[i], list[static_cast<unsigned>(i)]);
  }
}

}  // namespace linkpilot::schemas
