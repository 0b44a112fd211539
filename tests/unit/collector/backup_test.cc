// What a backup's manifest may say.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "collector/store/backup_manifest.h"

namespace linkpilot::collector {
namespace {

using testing::HasSubstr;

BackupManifest manifest() {
  BackupManifest out;
  out.made = UnixNanos{1'000};
  out.software = "linkpilot-collector 0.1.0";
  out.store_schema = 2;
  out.segment_version = 1;
  out.config_name = "collector.toml";
  const std::string digest(64, 'a');
  out.files = {{"config.toml", 3, digest},
               {"store/notes.sqlite", 4'096, digest},
               {"store/reports/0000000000000001.seg", 4'096, digest},
               {"enrolled/node-1.pub", 41, digest}};
  return out;
}

std::string edited(const std::string& from, const std::string& to) {
  std::string text = encode(manifest());
  text.replace(text.find(from), from.size(), to);
  return text;
}

TEST(BackupManifest, IsReadBackAsItWasWritten) {
  const Result<BackupManifest> read = parse_manifest(encode(manifest()));
  ASSERT_TRUE(read.has_value()) << read.error().message;
  EXPECT_EQ(*read, manifest());
}

TEST(BackupManifest, OfANewerProgramIsRefusedWithASentence) {
  for (const auto& [from, to] : std::vector<std::pair<std::string, std::string>>{
           {"\"format\": 1", "\"format\": 2"},
           {"\"store_schema\": 2", "\"store_schema\": 99"},
           {"\"segment_version\": 1", "\"segment_version\": 9"}}) {
    const Result<BackupManifest> read = parse_manifest(edited(from, to));
    ASSERT_FALSE(read.has_value()) << to;
    EXPECT_THAT(read.error().message, HasSubstr("of a newer program (linkpilot-collector 0.1.0)"));
    EXPECT_THAT(read.error().message, HasSubstr("restore with that version"));
  }
}

TEST(BackupManifest, NamesNoFileOutsideTheBackup) {
  for (const char* name : {"/etc/passwd", "../x", "keys/../x", "keys/a/b", "keys/", "keys/.hidden",
                           "other/x", "store/other.sqlite", "enrolled/a b", "keys/..", ""}) {
    EXPECT_FALSE(is_backup_name(name)) << name;
    EXPECT_FALSE(parse_manifest(edited("enrolled/node-1.pub", name)).has_value()) << name;
  }
}

TEST(BackupManifest, ThatIsNoneIsRefused) {
  const std::string whole = encode(manifest());
  for (const std::string& text :
       {std::string(), std::string("{}"), std::string("[]"), whole.substr(0, whole.size() / 2),
        edited("linkpilot-collector-backup", "something else"), edited("config.toml", "keys/x"),
        edited(std::string(64, 'a'), "short"), edited("\"collector.toml\"", "\"../../x\""),
        edited("\"octets\": 3", "\"octets\": -3").replace(0, 0, " ") + "x",
        std::string(100'000, '[')}) {
    EXPECT_FALSE(parse_manifest(text).has_value());
  }
}

}  // namespace
}  // namespace linkpilot::collector
