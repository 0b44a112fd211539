#include "prober/media/rtmp/aggregate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/rtmp_wire.h"

namespace linkpilot::rtmp {
namespace {

using testing::IsEmpty;
using testing::SizeIs;

Bytes inner_tag(int type, std::uint32_t time, const Bytes& body, std::uint32_t back_error = 0) {
  return joined({{static_cast<std::uint8_t>(type)},
                 big(body.size(), 3),
                 big(time & 0xffffff, 3),
                 big(time >> 24, 1),
                 big(0, 3),
                 body,
                 big(body.size() + 11 + back_error, 4)});
}

struct Taken {
  RecordingSink sink;
  std::uint32_t faults = 0;
};

void take(Taken& taken, const Bytes& body, std::uint32_t timestamp_ms, std::size_t step) {
  taken.sink.allow_lost_ends();
  Deinterleaver lanes(taken.sink);
  AggregateReader reader;
  reader.begin(static_cast<std::uint32_t>(body.size()), timestamp_ms);
  for (std::size_t at = 0; at < body.size(); at += step) {
    const std::span<const std::uint8_t> rest = std::span(body).subspan(at);
    EXPECT_TRUE(reader.body(rest.first(std::min(step, rest.size())), lanes, 0, {}));
  }
  reader.end(lanes, 0);
  taken.faults = reader.faults();
}

TEST(AggregateReader, ShiftsInnerTimesToThatOfTheAggregate) {
  const Bytes body = joined({inner_tag(8, 0x1000005, filler(3)), inner_tag(9, 0x1000028, filler(7)),
                             inner_tag(18, 0x1000000, {})});
  for (const std::size_t step : {std::size_t{1}, std::size_t{5}, body.size()}) {
    Taken taken;
    take(taken, body, 1000, step);
    ASSERT_THAT(taken.sink.tags(), SizeIs(3));
    EXPECT_EQ(taken.sink.tags()[0].header.timestamp_ms, 1000U);
    EXPECT_EQ(taken.sink.tags()[1].header.timestamp_ms, 1035U);
    EXPECT_EQ(taken.sink.tags()[2].header.timestamp_ms, 995U);
    EXPECT_EQ(taken.sink.tags()[1].body, filler(7));
    EXPECT_TRUE(taken.sink.tags()[2].complete);
    EXPECT_EQ(taken.faults, 0U);
  }
}

TEST(AggregateReader, CountsAWrongBackPointerAndReadsOn) {
  Taken taken;
  take(taken, joined({inner_tag(8, 0, filler(3), 1), inner_tag(8, 5, filler(3))}), 0, 64);
  EXPECT_THAT(taken.sink.tags(), SizeIs(2));
  EXPECT_EQ(taken.faults, 1U);
}

TEST(AggregateReader, StopsAtATagLongerThanTheAggregate) {
  Bytes body = joined({inner_tag(8, 0, filler(3)), inner_tag(9, 5, filler(30))});
  body.resize(body.size() - 10);
  Taken taken;
  take(taken, body, 0, 64);
  EXPECT_THAT(taken.sink.tags(), SizeIs(1));
  EXPECT_EQ(taken.faults, 1U);
}

TEST(AggregateReader, StopsAtAnAggregateWithinAnAggregate) {
  Taken taken;
  take(taken, inner_tag(22, 0, inner_tag(8, 0, filler(3))), 0, 64);
  EXPECT_THAT(taken.sink.tags(), IsEmpty());
  EXPECT_EQ(taken.faults, 1U);
}

TEST(AggregateReader, AcceptsAnEmptyOneAndCountsACutHeader) {
  Taken empty;
  take(empty, {}, 0, 1);
  EXPECT_EQ(empty.faults, 0U);
  Taken cut;
  take(cut, filler(5), 0, 1);
  EXPECT_EQ(cut.faults, 1U);
  Taken without_back_pointer;
  take(without_back_pointer, {8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, 0, 1);
  EXPECT_THAT(without_back_pointer.sink.tags(), SizeIs(1));
}

}  // namespace
}  // namespace linkpilot::rtmp
