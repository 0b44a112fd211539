#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tools/lab/control_codec.h"

namespace linkpilot::lab {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;

TEST(LabControl, ReadsAFault) {
  const auto request = parse_control(
      R"({"op":"fault","kind":"delay","from":"fra","to":"nyc","both":true,"add_ms":80})");
  ASSERT_TRUE(request) << request.error().message;
  const auto& fault = std::get<FaultRequest>(*request);
  EXPECT_EQ(fault.kind, FaultKind::delay);
  EXPECT_EQ(fault.from, "fra");
  EXPECT_EQ(fault.to, "nyc");
  EXPECT_EQ(fault.direction, Direction::both_ways);
  EXPECT_EQ(fault.delay, 80ms);
}

TEST(LabControl, ReadsEveryOtherOp) {
  EXPECT_TRUE(std::holds_alternative<HealRequest>(*parse_control(R"({"op":"heal","id":3})")));
  EXPECT_TRUE(std::get<StatusRequest>(*parse_control(R"({"op":"status","reset":true})")).reset);
  EXPECT_TRUE(std::holds_alternative<LinksRequest>(*parse_control(R"({"op":"links"})")));
  EXPECT_TRUE(std::holds_alternative<FlushRequest>(*parse_control(R"({"op":"flush"})")));
}

struct CommandMistake {
  const char* line;
  const char* words;
};

TEST(LabControl, NamesMistakes) {
  const std::vector<CommandMistake> mistakes = {
      {"", "JSON"},
      {"[]", "JSON"},
      {"{", "JSON"},
      {R"({"op":"fail"})", "fail"},
      {R"({"op":"fault","kind":"delay","from":"a","to":"b","add":5})", "add"},
      {R"({"op":"fault","kind":"delay","from":"a","to":"b","add_ms":"5"})", "add_ms"},
      {R"({"op":"fault","kind":"loss","from":"a","to":"b","ratio":-1})", "ratio"},
      {R"({"op":"fault","kind":"loss","from":7,"to":"b","ratio":0.5})", "from"},
      {R"({"op":"fault","kind":"blackhole","from":"a","to":"b","both":1})", "both"},
      {R"({"op":"heal","kind":"los"})", "los"},
      {R"({"op":"status","from":"a"})", "from"},
  };
  for (const CommandMistake& mistake : mistakes) {
    SCOPED_TRACE(mistake.line);
    const auto request = parse_control(mistake.line);
    ASSERT_FALSE(request);
    EXPECT_THAT(request.error().message, HasSubstr(mistake.words));
  }
}

TEST(LabControl, RefusesALineThatIsTooLong) {
  EXPECT_FALSE(parse_control(std::string(kControlLineBytesMax + 1, ' ')));
}

}  // namespace
}  // namespace linkpilot::lab
