// What the agent reads from and keeps in files: its configuration, its sequence.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <set>

#include "agent/config/agent_config.h"
#include "agent/spool/report_numbers.h"
#include "tests/support/temporary_directory.h"

namespace linkpilot::agent {
namespace {

Result<AgentConfig> parse(const std::string& text) {
  auto reader = ConfigReader::from_text(text, "agent.toml");
  if (!reader) return fail(reader.error());
  return parse_agent_config(std::move(*reader));
}

constexpr const char* kSmallest =
    "[node]\nname = \"node-1\"\n[[ports]]\nlisten = \"192.0.2.10\"\n"
    "[collector]\nconnect = [\"tcp://192.0.2.1:7100\"]\n";

TEST(AgentConfig, TheShippedFileSaysWhatTheDefaultsAre) {
  const auto shipped = load_agent_config("agent/agent.toml");
  ASSERT_TRUE(shipped) << shipped.error().message;
  const auto smallest = parse(kSmallest);
  ASSERT_TRUE(smallest) << smallest.error().message;
  EXPECT_EQ(shipped->self, smallest->self);
  EXPECT_EQ(shipped->state_directory, smallest->state_directory);
  EXPECT_EQ(shipped->ceilings, smallest->ceilings);
  EXPECT_EQ(shipped->route_file, smallest->route_file);
  EXPECT_EQ(shipped->marks_file, smallest->marks_file);
  EXPECT_EQ(shipped->signer_files, smallest->signer_files);
  EXPECT_EQ(shipped->key_file, smallest->key_file);
  EXPECT_EQ(shipped->collector_key_files, smallest->collector_key_files);
  EXPECT_EQ(shipped->spool, smallest->spool);
  EXPECT_EQ(shipped->log_level, smallest->log_level);
}

TEST(AgentConfig, NamesTheMistakeItsLineAndTheNearestKey) {
  struct Case {
    const char* name;
    std::string text;
    const char* want;
  };
  const std::string good = kSmallest;
  const Case cases[] = {
      {"typo", good + "[probing]\nflow_max = 2\n", "flows_max"},
      {"wrong type", good + "[probing]\nflows_max = \"two\"\n", "flows_max"},
      {"no unit", good + "[probing]\ntick = 5\n", "tick"},
      {"out of range", good + "[probing]\ntick = \"2s\"\n", "tick"},
      {"role", good + "[log]\nlevel = \"loud\"\n", "one of debug"},
      {"name", "[node]\nname = \"Node_1\"\n", "a-z"},
      {"no name", "[[ports]]\nlisten = \"192.0.2.10\"\n", "name"},
      {"no port", "[node]\nname = \"a\"\n", "ports"},
      {"address", "[node]\nname = \"a\"\n[[ports]]\nlisten = \"nowhere\"\n", "listen"},
      {"collector",
       "[node]\nname = \"a\"\n[[ports]]\nlisten = \"192.0.2.1\"\n[collector]\n"
       "connect = [\"192.0.2.1:7100\"]\n",
       "tcp://"},
      {"same port twice", good + "[[ports]]\nlisten = \"192.0.2.10\"\n", "listen"},
      {"not TOML", "[node\n", "agent.toml"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    const auto config = parse(c.text);
    ASSERT_FALSE(config);
    EXPECT_THAT(config.error().message, testing::HasSubstr(c.want));
    EXPECT_THAT(config.error().message, testing::HasSubstr("agent.toml"));
  }
}

TEST(AgentConfig, SaysWhatAReloadCannotChange) {
  const auto current = parse(kSmallest);
  ASSERT_TRUE(current);
  AgentConfig next = *current;
  next.collectors = {"tcp://192.0.2.2:7100"};
  next.log_level = LogLevel::debug;
  next.ceilings.flows_max = 1;
  EXPECT_TRUE(keys_needing_restart(*current, next).empty());
  next.ceilings.dscp = 10;
  next.self.ports[0].stamp_port = 1000;
  EXPECT_THAT(keys_needing_restart(*current, next),
              testing::UnorderedElementsAre("ports", testing::StartsWith("probing")));
}

class ReportNumbersTest : public testing::Test {
 protected:
  static ReportNumbers begin(std::optional<NumberReservation> found) {
    return ReportNumbers(found, [n = std::uint64_t{100}]() mutable { return n++; });
  }
  // As the daemon does at start and each second.
  void save(ReportNumbers& numbers) const {
    if (const auto wanted = numbers.wanted()) {
      ASSERT_TRUE(save_numbers(path(), *wanted));
      numbers.on_saved(*wanted);
    }
  }
  [[nodiscard]] std::string path() const { return directory_.path("sequence"); }
  TemporaryDirectory directory_;
};

TEST_F(ReportNumbersTest, KeepTheirEpochAndNeverRepeatOverRestarts) {
  std::set<std::uint64_t> seen;
  std::uint64_t epoch = 0;
  for (int run = 0; run < 5; ++run) {  // every run ends without a word, as after SIGKILL
    ReportNumbers numbers = begin(load_numbers(path()));
    save(numbers);
    if (run == 0) epoch = numbers.epoch();
    for (std::uint64_t i = 0; i < ReportNumbers::kBlock * 2; ++i) {
      if (i % 100 == 0) save(numbers);
      const ReportId id = numbers.take();
      EXPECT_EQ(id.epoch, epoch);
      EXPECT_TRUE(seen.insert(id.sequence).second) << id.sequence;
    }
  }
  EXPECT_EQ(*seen.begin(), 1U);
}

TEST_F(ReportNumbersTest, WithoutADiskAFreshEpochGoesOn) {
  ReportNumbers first = begin(load_numbers(path()));
  save(first);
  const std::uint64_t epoch = first.epoch();
  std::uint64_t other = 0;
  for (std::uint64_t i = 0; i < 2 * ReportNumbers::kBlock; ++i) other = first.take().epoch;
  EXPECT_NE(other, epoch);
  // Nothing of the second epoch is on the disk: the next run goes on with the first.
  ReportNumbers next = begin(load_numbers(path()));
  EXPECT_EQ(next.epoch(), epoch);
  // The disk works again: the second epoch is found by the next run, behind all that it used.
  const ReportId last = first.take();
  save(first);
  ReportNumbers later = begin(load_numbers(path()));
  save(later);
  EXPECT_EQ(later.epoch(), other);
  EXPECT_GT(later.take().sequence, last.sequence);
}

TEST_F(ReportNumbersTest, ASaveThatWasOvertakenReservesNothing) {
  ReportNumbers numbers = begin(std::nullopt);
  const auto wanted = numbers.wanted();
  ASSERT_TRUE(wanted);
  for (std::uint64_t i = 0; i < ReportNumbers::kBlock + 10; ++i) (void)numbers.take();
  numbers.on_saved(*wanted);
  EXPECT_EQ(numbers.take().epoch, wanted->epoch);
}

TEST_F(ReportNumbersTest, ADamagedFileIsNoFile) {
  for (const char* text :
       {"", "epoch=\n", "epoch=12 next=\n", "epoch=0 next=5\n", "epoch=12 next=5x\n",
        "epoch=12 next=5", "epoch=12345678901234567890123 next=1\n"}) {
    std::ofstream(path()) << text;
    EXPECT_FALSE(load_numbers(path())) << text;
  }
  EXPECT_FALSE(save_numbers(directory_.path("missing/sequence"), {1, 2}));
}

}  // namespace
}  // namespace linkpilot::agent
