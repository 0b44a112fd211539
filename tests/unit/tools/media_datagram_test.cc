#include "tools/media/datagram.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <functional>
#include <string>
#include <vector>

namespace linkpilot::media {
namespace {

Datagram example() {
  Datagram datagram;
  datagram.source = NodeId(3);
  datagram.target = NodeId(7);
  datagram.sequence = 0x01020304;
  datagram.sent = UnixNanos{0x1122334455667788};
  datagram.path = {NodeId(5), NodeId(6), NodeId(7), NodeId{}};
  datagram.path_length = 3;
  datagram.index = 1;
  datagram.hop_budget = 5;
  datagram.trail = {NodeId(5)};
  datagram.trail_length = 1;
  return datagram;
}

TEST(MediaDatagram, ReadsBackWhatItWrote) {
  const auto read = parse(encode(example()));
  ASSERT_TRUE(read.has_value()) << read.error().message;
  EXPECT_EQ(*read, example());
  EXPECT_EQ(read->addressee(), NodeId(6));
  EXPECT_FALSE(read->ends_at_addressee());
}

TEST(MediaDatagram, HasTheLayoutItsHeaderStates) {
  const HeaderBytes bytes = encode(example());
  const std::vector<std::uint8_t> first(bytes.begin(), bytes.begin() + 26);
  EXPECT_EQ(first, (std::vector<std::uint8_t>{'L',  'P',  'M',  '1',  3,    0,    7, 0,    4,
                                              3,    2,    1,    3,    1,    5,    1, 0x88, 0x77,
                                              0x66, 0x55, 0x44, 0x33, 0x22, 0x11, 5, 0}));
}

TEST(MediaDatagram, IgnoresPadding) {
  const HeaderBytes header = encode(example());
  std::vector<std::uint8_t> padded(header.begin(), header.end());
  padded.resize(1200, 0xff);
  const auto read = parse(padded);
  ASSERT_TRUE(read.has_value());
  EXPECT_EQ(*read, example());
}

TEST(MediaDatagram, RefusesWhatItCouldNotHaveWritten) {
  struct Case {
    const char* name;
    std::function<void(std::vector<std::uint8_t>&)> spoil;
  };
  const std::vector<Case> cases = {
      {"empty", [](auto& b) { b.clear(); }},
      {"one octet short", [](auto& b) { b.pop_back(); }},
      {"oversized", [](auto& b) { b.resize(kDatagramBytesMax + 1); }},
      {"wrong magic", [](auto& b) { b[0] ^= 1; }},
      {"no path", [](auto& b) { b[12] = 0; }},
      {"path too long", [](auto& b) { b[12] = 5; }},
      {"index outside the path", [](auto& b) { b[13] = 3; }},
      {"hop budget too large", [](auto& b) { b[14] = 9; }},
      {"trail too long", [](auto& b) { b[15] = 9; }},
      {"no source", [](auto& b) { b[4] = 0; }},
      {"source is target", [](auto& b) { b[4] = 7; }},
      {"path names a node twice", [](auto& b) { b[26] = 5; }},
      {"path names no node", [](auto& b) { b[26] = 0; }},
      {"path ends elsewhere", [](auto& b) { b[28] = 9; }},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    const HeaderBytes header = encode(example());
    std::vector<std::uint8_t> bytes(header.begin(), header.end());
    c.spoil(bytes);
    EXPECT_FALSE(parse(bytes).has_value());
  }
}

TEST(MediaDatagram, WhateverIsAcceptedIsWrittenTheSameAgain) {
  const bool held = rc::check("accepted bytes survive a round trip", [] {
    const HeaderBytes header = encode(example());
    std::vector<std::uint8_t> bytes(header.begin(), header.end());
    const auto flips = *rc::gen::inRange(0, 4);
    for (int i = 0; i < flips; ++i) {
      bytes[*rc::gen::inRange<std::size_t>(4, kHeaderBytes)] = *rc::gen::arbitrary<std::uint8_t>();
    }
    const auto read = parse(bytes);
    if (!read) return;
    const auto again = parse(encode(*read));
    RC_ASSERT(again.has_value());
    RC_ASSERT(*again == *read);
  });
  EXPECT_TRUE(held);
}

}  // namespace
}  // namespace linkpilot::media
