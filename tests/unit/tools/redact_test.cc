#include "tools/linkpilot/support/redact.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tools/linkpilot/support/archive.h"

namespace linkpilot::cli {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST(Redact, LeavesNothingOfWhatIsSecret) {
  struct Case {
    const char* text;
    const char* secret;
  };
  const Case cases[] = {
      {"password = \"correct horse, battery\"", "horse"},
      {"smtp_password: correct horse battery", "battery"},
      {"{\"token\": \"abc-123\"}", "abc-123"},
      {"webhook_secret=abc-123 next=1", "abc-123"},
      {"url = \"https://hooks.example/services/T0/B1/xyzzy\"", "xyzzy"},
      {"dial rtmp://ingest.example/live/my-stream-key failed", "my-stream-key"},
      {"rtmps://user:hunter2@ingest.example/live", "hunter2"},
      {"https://cdn.example/live/a.flv?sign=xyzzy&t=1", "xyzzy"},
      {"https://cdn.example?sign=xyzzy", "xyzzy"},
      {"Authorization: Bearer abc.def.ghi", "abc.def"},
      {"got Bearer abc.def.ghi from it", "abc.def"},
      {"x 0123456789abcdef0123456789ABCDEF y", "0123456789abcdef"},
      {"key=D:)Q[IlAW!ahhC2ac:9*A}h:p?([4%wOTJ%JR%cs7", "IlAW"},
      {"a JTKVSB%%)wK0E.X)V>+}o?pNmC{O&4W4b!Ni{Lh6 b", "wK0E"},
      {"-----BEGIN EC PRIVATE KEY-----\nMHcCAQ\n-----END EC PRIVATE KEY-----\n", "MHcCAQ"},
      {"-----BEGIN PRIVATE KEY-----\nMHcCAQ\n", "MHcCAQ"},
      {"plain text with s3cret-word inside", "s3cret-word"}};
  for (const Case& each : cases) {
    SCOPED_TRACE(each.text);
    EXPECT_THAT(redact(each.text, {"s3cret-word"}), Not(HasSubstr(each.secret)));
  }
}

TEST(Redact, LeavesWhatHelps) {
  for (const char* text :
       {"password_file = \"/etc/linkpilot/smtp.password\"", "name = \"tokyo\"\nrole = \"relay\"",
        "media_base = \"rtmp://192.0.2.1/live\"", "connect = [\"tcp://192.0.2.1:7100\"]",
        "http = \"127.0.0.1:7180\"", "linkpilot_collector_store_ok 1\n",
        "interval_min = \"10ms\"  # the fastest", "2026-11-22T02:00:00.000Z event=link_dead"}) {
    EXPECT_EQ(redact(text, {}), text);
  }
  EXPECT_EQ(redact("to rtmp://h:1935/live/key now", {}), "to rtmp://h:1935/live/*** now");
}

TEST(Archive, IsWhatTarReads) {
  const std::string tar = tar_of({{"a/b", "hello"}}, UnixNanos{1'000'000'000});
  EXPECT_EQ(tar.size(), 512U * 4);
  EXPECT_EQ(tar.substr(257, 5), "ustar");
  EXPECT_EQ(tar.substr(512, 5), "hello");
}

}  // namespace
}  // namespace linkpilot::cli
