// `linkpilot dial` as an operator has it: the real program against a scripted server; words, exit
// codes, files, and no secret anywhere.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "prober/media/dial/push_feeder.h"
#include "tests/support/rtmp_dial.h"
#include "tests/support/scripted_stream.h"
#include "tests/support/temporary_directory.h"

namespace linkpilot::prober {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

struct Said {
  int code = -1;
  std::string out;
  std::string err;
};

class DialCommand : public testing::Test {
 protected:
  Said dial(const std::string& words) {
    const std::string out = folder_.path("out");
    const std::string err = folder_.path("err");
    const int status =
        std::system(fmt::format("{} dial {} > {} 2> {}", LINKPILOT_CLI, words, out, err).c_str());
    return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, text_of(out), text_of(err)};
  }
  static std::string text_of(const std::string& path) {
    std::ifstream in(path);
    std::stringstream text;
    text << in.rdbuf();
    return text.str();
  }
  TemporaryDirectory folder_;
  rtmp::ScriptedServer server_{[](rtmp::ScriptedPeer& peer) {
    if (start_play(peer)) play(peer, std::chrono::seconds(60));
  }};
};

TEST_F(DialCommand, SaysWhatItSawOfAStreamThatIsFine) {
  const std::string flv = folder_.path("saved.flv");
  const std::string html = folder_.path("page.html");
  const Said said = dial(fmt::format("'{}' --seconds 3 --save-flv {} --html {}",
                                     server_.url("live/camera?token=topsecret"), flv, html));
  EXPECT_LE(said.code, 1) << said.err << said.out;  // a busy machine may make it stutter
  EXPECT_THAT(said.out, AllOf(HasSubstr("frames a second"), HasSubstr("key_frame"),
                              HasSubstr("640x360"), HasSubstr("live_edge"), HasSubstr("█"),
                              HasSubstr("token=***"), Not(HasSubstr("topsecret"))));
  const std::string page = text_of(html);
  EXPECT_THAT(page, AllOf(HasSubstr("<svg"), HasSubstr("polyline"), HasSubstr("</html>"),
                          Not(HasSubstr("topsecret")), Not(HasSubstr("http://")),
                          Not(HasSubstr("<script"))));
  const std::string file = text_of(flv);
  const auto tags = read_flv_tags(
      std::span(reinterpret_cast<const std::uint8_t*>(file.data()), file.size()), 1 << 24);
  ASSERT_TRUE(tags);
  EXPECT_GT(tags->size(), 100U);
}

TEST_F(DialCommand, GivesOneObjectADialInJson) {
  const Said said =
      dial(fmt::format("'{}' --first-frame --count 3 --json", server_.url("live/a?key=topsecret")));
  EXPECT_EQ(said.code, 0) << said.err;
  std::istringstream lines(said.out);
  int count = 0;
  for (std::string line; std::getline(lines, line); ++count) {
    const auto object = nlohmann::json::parse(line);
    EXPECT_EQ(object["kind"], "dial");
    EXPECT_EQ(object["success"], true);
    EXPECT_EQ(object["verdict"]["kind"], "fine");
  }
  EXPECT_EQ(count, 3);
  EXPECT_THAT(said.out, Not(HasSubstr("topsecret")));
}

TEST_F(DialCommand, SumsUpSeveralDials) {
  const Said said = dial(fmt::format("{} --first-frame --count 2", server_.url()));
  EXPECT_EQ(said.code, 0) << said.err;
  EXPECT_THAT(said.out, AllOf(HasSubstr("2 of 2 dials fine"), HasSubstr("MEDIAN ms")));
}

TEST_F(DialCommand, HasAnExitCodeForEachKindOfEnd) {
  const std::string closed = fmt::format("rtmp://127.0.0.1:{}/live/x", rtmp::free_port());
  const Said refused = dial(closed);
  EXPECT_EQ(refused.code, 1);
  EXPECT_THAT(refused.out,
              AllOf(HasSubstr("CANNOT OPEN: At tcp (refused)"), HasSubstr("Connection refused")));
  EXPECT_EQ(dial("nonsense").code, 2);
  EXPECT_EQ(dial("").code, 2);
  EXPECT_EQ(dial(closed + " --resolve nonsense").code, 2);
  EXPECT_EQ(dial("--resolve media.test:127.0.0.1 --allow private " + closed).code, 1)
      << "an option takes one word";
  EXPECT_EQ(dial(closed + " --allow everywhere").code, 2);
  EXPECT_EQ(dial(closed + " --save-flv /no/such/folder/x.flv").code, 3);
}

TEST_F(DialCommand, EndsInOrderWhenInterruptedAndReportsWhatItSaw) {
  const std::string out = folder_.path("interrupted");
  const int status =
      std::system(fmt::format("{} dial {} --seconds 60 > {} & sleep 3; kill -INT $!; wait $!",
                              LINKPILOT_CLI, server_.url(), out)
                      .c_str());
  EXPECT_LE(WEXITSTATUS(status), 1);
  EXPECT_THAT(text_of(out), HasSubstr("live_edge"));
}

TEST_F(DialCommand, TeachesItself) {
  const Said said = dial("--help");
  EXPECT_EQ(said.code, 0);
  for (const char* word : {"--push", "--player-like", "--each-address", "--html", "Exit codes",
                           "first key frame", "rtmp://"}) {
    EXPECT_THAT(said.out, HasSubstr(word));
  }
}

}  // namespace
}  // namespace linkpilot::prober
