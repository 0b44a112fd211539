#include "base/runtime/files.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>

#include "tests/support/temporary_directory.h"

namespace linkpilot {
namespace {

std::vector<std::uint8_t> octets_of(std::string_view text) { return {text.begin(), text.end()}; }

std::size_t entries_in(const std::filesystem::path& directory) {
  std::size_t count = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(directory)) ++count;
  return count;
}

TEST(Files, ReplacesAFileWholeWithItsMode) {
  const TemporaryDirectory directory;
  const std::string path = directory.path("state");
  ASSERT_TRUE(replace_file(path, octets_of("one"), 0644));
  ASSERT_TRUE(replace_file(path, octets_of("second"), 0600));
  EXPECT_EQ(*read_file(path, 100), octets_of("second"));
  struct stat info{};
  ASSERT_EQ(::stat(path.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
  EXPECT_EQ(entries_in(directory.path("")), 1u);
}

TEST(Files, KeepsTheOldFileAndNoRestWhenAReplacementFails) {
  const TemporaryDirectory directory;
  const std::string path = directory.path("taken");
  ASSERT_TRUE(make_directories(path + "/inside"));  // rename() onto a full directory fails
  const Status status = replace_file(path, octets_of("new"), 0644);
  ASSERT_FALSE(status);
  EXPECT_NE(status.error().message.find(path), std::string::npos);
  EXPECT_TRUE(std::filesystem::is_directory(path));
  EXPECT_EQ(entries_in(directory.path("")), 1u);
}

TEST(Files, ReportsAMissingDirectory) {
  const TemporaryDirectory directory;
  const Status status = replace_file(directory.path("no/such/file"), octets_of("x"), 0644);
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, ErrorCode::not_found);
}

TEST(Files, RefusesToReadMoreThanAsked) {
  const TemporaryDirectory directory;
  ASSERT_TRUE(replace_file(directory.path("f"), octets_of("12345"), 0644));
  EXPECT_TRUE(read_file(directory.path("f"), 5));
  const auto over = read_file(directory.path("f"), 4);
  ASSERT_FALSE(over);
  EXPECT_EQ(over.error().code, ErrorCode::limit_exceeded);
}

TEST(Files, NamesAMissingFile) {
  const auto missing = read_file("/nonexistent/file", 10);
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, ErrorCode::not_found);
  EXPECT_EQ(missing.error().message, "open /nonexistent/file: No such file or directory");
}

TEST(Files, AnEndlessFileStopsAtTheBound) {
  const auto endless = read_file("/dev/zero", 1 << 20);
  ASSERT_FALSE(endless);
  EXPECT_EQ(endless.error().code, ErrorCode::limit_exceeded);
}

TEST(UniqueFd, ClosesOnce) {
  UniqueFd fd(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  ASSERT_TRUE(fd);
  const int number = fd.get();
  UniqueFd moved(std::move(fd));
  EXPECT_EQ(moved.get(), number);
  UniqueFd other;
  other = std::move(moved);
  EXPECT_EQ(::fcntl(number, F_GETFD), FD_CLOEXEC);
  other.reset();
  EXPECT_EQ(::fcntl(number, F_GETFD), -1);
  EXPECT_FALSE(other);
}

}  // namespace
}  // namespace linkpilot
