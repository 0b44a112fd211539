#include "agent/route_client/marks_file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "tests/unit/route_client/table_samples.h"

namespace linkpilot::route_client {
namespace {

template <typename Value>
Value value_at(const samples::Octets& file, std::size_t offset) {
  Value value;
  std::memcpy(&value, file.data() + offset, sizeof value);
  return value;
}

MarksFile::FirstHop first_hop(std::uint16_t peer, std::uint8_t near_port, std::uint8_t far_port,
                              MediaFlow flow) {
  return {NodeId(peer), PortIndex(near_port), PortIndex(far_port), flow};
}

TEST(MarksFiles, HaveTheDocumentedLayout) {
  const samples::TemporaryDirectory directory;
  const std::string path = directory.file("marks.bin");
  auto marks = MarksFile::open(path, NodeId(7), samples::kCreated).value();
  const std::uint64_t generation = value_at<std::uint64_t>(samples::get_file(path), 16);
  marks->set_dead(first_hop(300, 2, 3, MediaFlow::outbound), true);
  marks->set_dead(first_hop(300, 7, 7, MediaFlow::inbound), true);
  marks->set_dead(first_hop(300, 7, 7, MediaFlow::inbound), true);
  const samples::Octets file = samples::get_file(path);
  ASSERT_EQ(file.size(), 64U + 65536U * 16U);
  EXPECT_EQ(std::string(file.begin(), file.begin() + 8), "LPMARKS1");
  EXPECT_EQ(value_at<std::uint32_t>(file, 8), 1U);
  EXPECT_EQ(value_at<std::uint32_t>(file, 12), 65536U);
  EXPECT_EQ(value_at<std::uint64_t>(file, 16), generation + 2) << "one step per change";
  EXPECT_EQ(value_at<std::int64_t>(file, 24), samples::kCreated.ns);
  EXPECT_EQ(value_at<std::uint16_t>(file, 32), 7);
  EXPECT_EQ(value_at<std::uint64_t>(file, 64 + 300 * 16), std::uint64_t{1} << 19);
  EXPECT_EQ(value_at<std::uint64_t>(file, 64 + 300 * 16 + 8), std::uint64_t{1} << 63);
}

TEST(MarksFiles, KeepDirectionsPortsAndPeersApart) {
  const samples::TemporaryDirectory directory;
  auto marks = MarksFile::open(directory.file("marks.bin"), NodeId(7), samples::kCreated).value();
  const auto hop = first_hop(9, 1, 2, MediaFlow::outbound);
  marks->set_dead(hop, true);
  EXPECT_TRUE(marks->is_dead(hop));
  EXPECT_FALSE(marks->is_dead(first_hop(9, 1, 2, MediaFlow::inbound)));
  EXPECT_FALSE(marks->is_dead(first_hop(9, 2, 1, MediaFlow::outbound)));
  EXPECT_FALSE(marks->is_dead(first_hop(10, 1, 2, MediaFlow::outbound)));
  marks->set_dead(hop, false);
  EXPECT_FALSE(marks->is_dead(hop));
}

TEST(MarksFiles, KeepTheSameFileOverARestartWithAllMarksCleared) {
  const samples::TemporaryDirectory directory;
  const std::string path = directory.file("marks.bin");
  auto marks = MarksFile::open(path, NodeId(7), samples::kCreated).value();
  const auto first = first_hop(1, 0, 0, MediaFlow::outbound);
  const auto last = first_hop(65535, 0, 0, MediaFlow::inbound);
  marks->set_dead(first, true);
  marks->set_dead(last, true);
  struct stat before{};
  ASSERT_EQ(stat(path.c_str(), &before), 0);
  auto again = MarksFile::open(path, NodeId(7), samples::kCreated).value();
  struct stat after{};
  ASSERT_EQ(stat(path.c_str(), &after), 0);
  EXPECT_EQ(before.st_ino, after.st_ino);
  EXPECT_FALSE(again->is_dead(first));
  EXPECT_FALSE(again->is_dead(last));
  EXPECT_FALSE(marks->is_dead(first)) << "readers that have it mapped see it too";
  again->set_dead(last, true);
  again->clear_all();
  EXPECT_FALSE(again->is_dead(last));
}

TEST(MarksFiles, HaveNoHolesThatAFullDiskCouldNotFill) {
  const samples::TemporaryDirectory directory;
  const std::string path = directory.file("marks.bin");
  for (int run = 0; run < 2; ++run) {
    const auto marks = MarksFile::open(path, NodeId(7), samples::kCreated).value();
    struct stat status{};
    ASSERT_EQ(stat(path.c_str(), &status), 0);
    EXPECT_GE(status.st_blocks * 512, status.st_size);
  }
}

TEST(MarksFiles, ReplaceAFileThatIsNotOurs) {
  const samples::TemporaryDirectory directory;
  const std::string path = directory.file("marks.bin");
  samples::put_file(path, samples::Octets(100));
  EXPECT_TRUE(MarksFile::open(path, NodeId(7), samples::kCreated));
  samples::Octets wrong_magic = samples::get_file(path);
  wrong_magic[0] = 'X';
  samples::put_file(path, wrong_magic);
  EXPECT_TRUE(MarksFile::open(path, NodeId(7), samples::kCreated));
  EXPECT_EQ(samples::get_file(path)[0], 'L');
}

TEST(MarksFiles, SayWhyTheyCannotBeMade) {
  const auto marks = MarksFile::open("/nonexistent/marks.bin", NodeId(7), samples::kCreated);
  ASSERT_FALSE(marks);
  EXPECT_NE(marks.error().message.find("/nonexistent/marks.bin"), std::string::npos);
}

}  // namespace
}  // namespace linkpilot::route_client
