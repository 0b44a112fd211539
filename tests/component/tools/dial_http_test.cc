// `linkpilot dial http://...` as an operator has it: the real program against a scripted server;
// what it saves beside what the server sent, and beside what curl fetches. Needs curl and ffprobe.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>

#include "prober/media/flv/flv_demuxer.h"
#include "tests/support/http_flv_fixture.h"
#include "tests/support/scripted_http_server.h"
#include "tests/support/temporary_directory.h"
#include "tests/unit/prober/media/tag_log.h"

namespace linkpilot::prober {
namespace {

using testing::HasSubstr;
using testing::Not;

std::string text_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

TagLog tags_of(const std::string& flv) {
  TagLog log;
  FlvDemuxer demuxer(log);
  EXPECT_TRUE(demuxer.consume({reinterpret_cast<const std::uint8_t*>(flv.data()), flv.size()}, {}));
  return log;
}

class DialOverHttp : public testing::Test {
 protected:
  struct Said {
    int code = -1;
    std::string out;
    std::string err;
  };
  Said run(const std::string& command) const {
    const std::string out = directory_.path("out");
    const std::string err = directory_.path("err");
    const int status = std::system(fmt::format("{} > {} 2> {}", command, out, err).c_str());
    return {.code = WEXITSTATUS(status), .out = text_of(out), .err = text_of(err)};
  }

  TemporaryDirectory directory_;
  std::string flv_ = flv_body(std::chrono::seconds(2));
  ScriptedHttpServer server_{[this](HttpPeer& peer) {
    const std::string request = peer.read_request();
    if (request.starts_with("GET /old")) {
      peer.send("HTTP/1.1 302 Found\r\nLocation: /live/x.flv?token=topsecret\r\n\r\n");
      return;
    }
    if (!request.starts_with("GET /live/x.flv")) {
      peer.send("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
      return;
    }
    peer.send(fmt::format("HTTP/1.1 200 OK\r\nServer: scripted/1\r\nContent-Type: "
                          "video/x-flv\r\nContent-Length: {}\r\n\r\n",
                          flv_.size()) +
              flv_);
  }};
};

TEST_F(DialOverHttp, SavesWhatCurlFetches) {
  const std::string saved = directory_.path("saved.flv");
  const std::string fetched = directory_.path("fetched.flv");
  const Said said = run(fmt::format("{} dial '{}' --allow loopback --save-flv {}", LINKPILOT_CLI,
                                    server_.url("old"), saved));
  EXPECT_EQ(said.code, 0) << said.out << said.err;
  EXPECT_THAT(said.out, HasSubstr("302"));
  EXPECT_THAT(said.out + said.err, Not(HasSubstr("topsecret")));
  EXPECT_EQ(run(fmt::format("curl -sLo {} '{}'", fetched, server_.url("old"))).code, 0);
  EXPECT_EQ(text_of(fetched), flv_);
  const TagLog by_dial = tags_of(text_of(saved));
  const TagLog by_curl = tags_of(text_of(fetched));
  ASSERT_EQ(by_dial.tags.size(), by_curl.tags.size());
  for (std::size_t i = 0; i < by_curl.tags.size(); ++i) {
    EXPECT_EQ(by_dial.tags[i].type, by_curl.tags[i].type);
    EXPECT_EQ(by_dial.tags[i].timestamp_ms, by_curl.tags[i].timestamp_ms);
    EXPECT_EQ(by_dial.tags[i].body, by_curl.tags[i].body);
  }
  const Said probed =
      run("ffprobe -v error -count_packets -show_entries stream=nb_read_packets -of "
          "csv=p=0 " +
          saved);
  EXPECT_EQ(probed.code, 0) << probed.err;
  EXPECT_EQ(probed.err, "");
}

TEST_F(DialOverHttp, TellsItInJson) {
  const Said said = run(fmt::format("{} dial '{}' --first-frame --json", LINKPILOT_CLI,
                                    server_.url("live/x.flv?token=topsecret")));
  EXPECT_EQ(said.code, 0) << said.out << said.err;
  const auto report = nlohmann::json::parse(said.out, nullptr, false);
  ASSERT_TRUE(report.is_object()) << said.out;
  EXPECT_EQ(report["carrier"], "http-flv");
  EXPECT_EQ(report["success"], true);
  EXPECT_THAT(said.out, HasSubstr("scripted/1"));
  EXPECT_THAT(said.out, Not(HasSubstr("topsecret")));
}

TEST_F(DialOverHttp, ShowsWhatEachEdgeSaysOfItself) {
  const Said said = run(fmt::format("{} dial '{}' --first-frame --each-address", LINKPILOT_CLI,
                                    server_.url("live/x.flv")));
  EXPECT_EQ(said.code, 0) << said.out << said.err;
  EXPECT_THAT(said.out, HasSubstr("    Server: scripted/1\n"));
  EXPECT_THAT(said.out, HasSubstr("    Content-Type: video/x-flv\n"));
}

TEST_F(DialOverHttp, SaysThatItsOwnCeilingEndedIt) {
  const Said said = run(fmt::format("{} dial '{}' --within 60 --max-megabytes 1 --max-mbit-per-s 1",
                                    LINKPILOT_CLI, server_.url("live/x.flv")));
  EXPECT_EQ(said.code, 0) << "the file is smaller: " << said.out << said.err;
}

TEST_F(DialOverHttp, FailsInWordsThatHelp) {
  const Said said = run(fmt::format("{} dial '{}'", LINKPILOT_CLI, server_.url("live/y.flv")));
  EXPECT_EQ(said.code, 1);
  EXPECT_THAT(said.out, HasSubstr("404"));
  EXPECT_THAT(said.out, HasSubstr("no such stream"));
}

}  // namespace
}  // namespace linkpilot::prober
