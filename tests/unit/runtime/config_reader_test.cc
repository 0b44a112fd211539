#include "base/runtime/config_reader.h"

#include <gtest/gtest.h>

namespace linkpilot {
namespace {

using namespace std::chrono_literals;

ConfigReader reader_of(std::string_view text) {
  Result<ConfigReader> reader = ConfigReader::from_text(text, "test.toml");
  EXPECT_TRUE(reader) << reader.error().message;
  return std::move(*reader);
}

std::string mistake_of(ConfigReader& reader) {
  const Status status = reader.finish();
  return status ? "" : status.error().message;
}

TEST(ConfigReader, ReadsEveryKindOfValue) {
  ConfigReader reader = reader_of(R"(
name = "a"
count = 3
ratio = 0.5
whole = 2
on = true
interval = "250ms"
rate = "20pps"
size = "64KiB"
speed = "10Mbit/s"
address = "192.0.2.1"
list = ["x", "y"]
factors = [1, 2.5]
)");
  EXPECT_EQ(reader.required_text("name"), "a");
  EXPECT_EQ(reader.integer("count", 1, {0, 10}), 3);
  EXPECT_EQ(reader.number("ratio", 0, {0, 1}), 0.5);
  EXPECT_EQ(reader.number("whole", 0, {0, 9}), 2.0);
  EXPECT_TRUE(reader.flag("on", false));
  EXPECT_EQ(reader.duration("interval", 1s, {1ms, 1h}), 250ms);
  EXPECT_EQ(reader.rate_per_second("rate", 1, {0, 100}), 20.0);
  EXPECT_EQ(reader.bytes("size", {}, {{1}, {1 << 20}}).value, 65536u);
  EXPECT_EQ(reader.bits_per_second("speed", {}).value, 10'000'000u);
  EXPECT_EQ(reader.address("address", {}).to_string(), "192.0.2.1");
  EXPECT_EQ(reader.texts("list", 5), (std::vector<std::string>{"x", "y"}));
  EXPECT_EQ(reader.numbers("factors", 5), (std::vector<double>{1, 2.5}));
  EXPECT_EQ(mistake_of(reader), "");
}

TEST(ConfigReader, GivesDefaultsForWhatIsMissing) {
  ConfigReader reader = reader_of("");
  EXPECT_EQ(reader.text("name", "nobody"), "nobody");
  EXPECT_EQ(reader.duration("interval", 3s, {1s, 5s}), 3s);
  EXPECT_TRUE(reader.texts("list", 5).empty());
  ConfigReader probing = reader.table("probing");
  EXPECT_EQ(probing.integer("flows", 2, {1, 4}), 2);
  EXPECT_TRUE(reader.tables("ports", 8).empty());
  EXPECT_EQ(mistake_of(reader), "");
}

TEST(ConfigReader, NamesFileLineKeyAndProblem) {
  struct Case {
    const char* name;
    const char* text;
    void (*read)(ConfigReader&);
    const char* message;
  };
  const Case cases[] = {
      {"wrong type", "\nname = 3\n", [](ConfigReader& r) { r.text("name", ""); },
       "test.toml:2: name: expected a string, found an integer"},
      {"missing", "", [](ConfigReader& r) { r.required_text("name"); },
       "test.toml:1: name: is missing"},
      {"empty", "name = ''", [](ConfigReader& r) { r.required_text("name"); },
       "test.toml:1: name: must not be empty"},
      {"range", "count = 11", [](ConfigReader& r) { r.integer("count", 1, {0, 10}); },
       "test.toml:1: count: 11 is outside 0..10"},
      {"duration without unit", "\n\ninterval = 250",
       [](ConfigReader& r) { r.duration("interval", 1s, {0s, 1h}); },
       "test.toml:3: interval: expected a duration such as \"250ms\", found an integer"},
      {"unknown unit", "interval = '5 fortnights'",
       [](ConfigReader& r) { r.duration("interval", 1s, {0s, 1h}); },
       "test.toml:1: interval: '5 fortnights' needs a number and a unit (ns, us, ms, s, min, h, "
       "d), "
       "e.g. \"250ms\""},
      {"duration range", "interval = '2h'",
       [](ConfigReader& r) { r.duration("interval", 1s, {1ms, 1h}); },
       "test.toml:1: interval: 7200s is outside 1ms..3600s"},
      {"address", "a = 'localhost'", [](ConfigReader& r) { r.address("a", {}); },
       "test.toml:1: a: 'localhost' is not an IP address"},
      {"mixed list", "list = ['x', 1]", [](ConfigReader& r) { r.texts("list", 5); },
       "test.toml:1: list: expected an array of strings, found an integer in it"},
      {"long list", "list = ['x', 'y']", [](ConfigReader& r) { r.texts("list", 1); },
       "test.toml:1: list: has 2 entries, at most 1 are allowed"},
      {"infinite number", "n = inf", [](ConfigReader& r) { r.number("n", 0, {0, 1}); },
       "test.toml:1: n: inf is outside 0..1"},
      {"typo", "[probing]\ninterval = '1s'\nintervall = '2s'",
       [](ConfigReader& r) { r.table("probing").duration("interval", 1s, {0s, 1h}); },
       "test.toml:3: probing.intervall: unknown key; did you mean 'interval'?"},
      {"unlike anything", "zzzzzzzz = 1", [](ConfigReader& r) { r.text("name", ""); },
       "test.toml:1: zzzzzzzz: unknown key"},
      {"table expected", "probing = 3", [](ConfigReader& r) { r.table("probing"); },
       "test.toml:1: probing: expected a table, found an integer"},
      {"array of tables", "[[ports]]\n[[ports]]\nisp = 1",
       [](ConfigReader& r) {
         for (ConfigReader& port : r.tables("ports", 8)) port.text("isp", "");
       },
       "test.toml:3: ports[1].isp: expected a string, found an integer"},
      {"meaning", "[a]\nx = '5s'\n",
       [](ConfigReader& r) {
         ConfigReader a = r.table("a");
         a.duration("x", 1s, {0s, 1h});
         a.reject("x", "must be below y");
       },
       "test.toml:2: a.x: must be below y"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    ConfigReader reader = reader_of(c.text);
    c.read(reader);
    EXPECT_EQ(mistake_of(reader), c.message);
  }
}

TEST(ConfigReader, ListsSeveralUnknownKeysInTheOrderOfTheFile) {
  ConfigReader reader = reader_of("zeta = 1\nalpha = 2\n");
  EXPECT_EQ(mistake_of(reader), "test.toml:1: zeta: unknown key\ntest.toml:2: alpha: unknown key");
}

TEST(ConfigReader, ReturnsDefaultsAfterTheFirstMistake) {
  ConfigReader reader = reader_of("a = 1\nb = 'kept'");
  reader.text("a", "");
  EXPECT_EQ(reader.text("b", "default"), "default");
  EXPECT_EQ(mistake_of(reader), "test.toml:1: a: expected a string, found an integer");
}

TEST(ConfigReader, LetsTheOperatorChooseNames) {
  ConfigReader reader = reader_of("[regions]\nwest = 1\neast = 2\n");
  ConfigReader regions = reader.table("regions");
  for (const std::string& name : regions.unread_keys()) regions.integer(name, 0, {0, 9});
  EXPECT_TRUE(regions.unread_keys().empty());
  EXPECT_EQ(mistake_of(reader), "");
}

TEST(ConfigReader, RefusesWhatIsNotToml) {
  const Result<ConfigReader> reader = ConfigReader::from_text("a = 1\nb = = 2\n", "test.toml");
  ASSERT_FALSE(reader);
  EXPECT_EQ(reader.error().message.rfind("test.toml:2: ", 0), 0u) << reader.error().message;
}

// toml++ 3.3 aborts on these.
TEST(ConfigReader, RefusesATableHeaderWithoutAName) {
  for (const char* header : {"[=a]", "[.a]", "[[#]]", "[\n]", "[\x01]", "[ ,"}) {
    SCOPED_TRACE(header);
    const Result<ConfigReader> reader =
        ConfigReader::from_text("a = 1\n\n" + std::string(header) + "\nb = 2\n", "test.toml");
    ASSERT_FALSE(reader);
    EXPECT_EQ(reader.error().message.rfind("test.toml:3: ", 0), 0u) << reader.error().message;
  }
}

std::string utf8(char32_t point) {
  const auto octet = [](char32_t value) { return static_cast<char>(value); };
  if (point < 0x800) return {octet(0xC0 | point >> 6), octet(0x80 | (point & 0x3F))};
  if (point < 0x10000) {
    return {octet(0xE0 | point >> 12), octet(0x80 | (point >> 6 & 0x3F)),
            octet(0x80 | (point & 0x3F))};
  }
  return {octet(0xF0 | point >> 18), octet(0x80 | (point >> 12 & 0x3F)),
          octet(0x80 | (point >> 6 & 0x3F)), octet(0x80 | (point & 0x3F))};
}

// toml++ 3.3 runs into undefined behaviour on letters of some blocks, and takes 20 points of all
// planes for blanks (the last is U+FEFF).
TEST(ConfigReader, RefusesEveryCharacterAfterANumberThatIsNoBlank) {
  std::size_t refused = 0;
  std::size_t taken = 0;
  for (char32_t point = 0x80; point <= 0x10FFFF; point += point < 0x10000 ? 1 : 0x1F3) {
    if (point >= 0xD800 && point <= 0xDFFF) continue;  // surrogates are no characters
    const bool fine = ConfigReader::from_text("a = 1" + utf8(point), "test.toml").has_value();
    (fine ? taken : refused) += 1;
  }
  EXPECT_GT(refused, 60'000u);
  EXPECT_LE(taken, 25u);
}

TEST(ConfigReader, RefusesLettersWhereverABlankMayStand) {
  for (const char* text :
       {"a = 1\u00e9", "a = 1.5\u00df", "a = 0x1\u0142", "a = 2026-11-21\u00ff", "a\u00e9 = 1",
        "\u00e9 = 1", "[a\u00e9]", "a = [1\u00e9]", "a = {b\u00e9 = 1}", "a = true\u0431",
        "a = '1'\u00e9", "a = 1\u2c5f", "a = 1\ufe30"}) {
    SCOPED_TRACE(text);
    EXPECT_FALSE(ConfigReader::from_text(text, "test.toml"));
  }
}

TEST(ConfigReader, RefusesEndlessNesting) {
  std::string keys = "a";
  for (int i = 0; i < 100'000; ++i) keys += ".a";
  EXPECT_FALSE(ConfigReader::from_text(keys + " = 1", "test.toml"));
  EXPECT_FALSE(ConfigReader::from_text("x = " + std::string(100'000, '['), "test.toml"));
  EXPECT_FALSE(ConfigReader::from_text(std::string(ConfigReader::kFileBytesMax + 1, '\n'), "t"));
  EXPECT_TRUE(ConfigReader::from_text("# " + std::string(200, '.') + "\n", "test.toml"));
}

TEST(ConfigReader, SaysWhichFileIsMissing) {
  const Result<ConfigReader> reader = ConfigReader::from_file("/nonexistent/agent.toml");
  ASSERT_FALSE(reader);
  EXPECT_EQ(reader.error().code, ErrorCode::not_found);
  EXPECT_NE(reader.error().message.find("/nonexistent/agent.toml"), std::string::npos);
}

}  // namespace
}  // namespace linkpilot
