// What the agent reads from and keeps in files: its configuration, its sequence.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <set>

#include "agent/config/agent_config.h"
#include "agent/spool/sequence_file.h"

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
  EXPECT_EQ(shipped->collector_key_file, smallest->collector_key_file);
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

class SequenceFileTest : public testing::Test {
 protected:
  SequenceFileTest() {
    directory_ = std::filesystem::temp_directory_path() /
                 ("linkpilot-sequence-" + std::to_string(::getpid()));
    std::filesystem::create_directories(directory_);
  }
  ~SequenceFileTest() override { std::filesystem::remove_all(directory_); }
  [[nodiscard]] std::string path() const { return directory_ / "sequence"; }
  std::filesystem::path directory_;
};

TEST_F(SequenceFileTest, KeepsItsEpochAndNeverRepeatsASequenceOverRestarts) {
  std::set<std::uint64_t> seen;
  std::uint64_t epoch = 0;
  for (int run = 0; run < 5; ++run) {  // every run ends without a word, as after SIGKILL
    auto file = SequenceFile::open(path());
    ASSERT_TRUE(file) << file.error().message;
    if (run == 0) epoch = file->epoch();
    EXPECT_EQ(file->epoch(), epoch);
    for (std::uint64_t i = 0; i < SequenceFile::kBlock + 10; ++i) {
      const auto sequence = file->take();
      ASSERT_TRUE(sequence);
      EXPECT_TRUE(seen.insert(*sequence).second) << *sequence;
    }
  }
  EXPECT_EQ(*seen.begin(), 1U);
}

TEST_F(SequenceFileTest, ADamagedFileMeansANewEpoch) {
  const auto first = SequenceFile::open(path());
  ASSERT_TRUE(first);
  for (const char* text :
       {"", "epoch=\n", "epoch=12 next=\n", "epoch=0 next=5\n", "epoch=12 next=5x\n",
        "epoch=12 next=5", "epoch=12345678901234567890123 next=1\n"}) {
    std::ofstream(path()) << text;
    const auto again = SequenceFile::open(path());
    ASSERT_TRUE(again);
    EXPECT_NE(again->epoch(), first->epoch());
    EXPECT_NE(again->epoch(), 0x12U);
  }
}

TEST_F(SequenceFileTest, ADirectoryThatIsNotThereIsAnError) {
  const auto file = SequenceFile::open(directory_ / "missing" / "sequence");
  ASSERT_FALSE(file);
  EXPECT_THAT(file.error().message, testing::HasSubstr("missing"));
}

}  // namespace
}  // namespace linkpilot::agent
