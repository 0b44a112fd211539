// The literals were computed by vectors.py, in this folder.
#include "prober/media/rtmp/authentication.h"

#include <gtest/gtest.h>

namespace linkpilot::rtmp {
namespace {

const Credentials kAlice{.user = "alice", .password = "pa:ss word"};
const Credentials kBob{.user = "bob", .password = "secret"};

Result<std::string> ask(std::string_view description, const Credentials& credentials, int rounds) {
  return next_authentication({.description = description,
                              .credentials = credentials,
                              .app = "live",
                              .random = 0x0badcafe,
                              .rounds_before = rounds});
}

TEST(Authentication, ComputesTheResponsesOfTheVectors) {
  EXPECT_EQ(adobe_response(kAlice, {.salt = "SoFT8g==", .opaque = "AgAAAA==", .challenge = "Xy01"},
                           "1a2b3c4d"),
            "XQEhmsAGno86ic80i4V6Ig==");
  EXPECT_EQ(
      adobe_response(kAlice, {.salt = "SoFT8g==", .opaque = "", .challenge = "Xy01"}, "00000007"),
      "iUjMfrN7G2tsPg6DRJBKpg==");
  EXPECT_EQ(llnw_response(kBob, "live", "n0nce", "0badcafe"), "075290e4d4714a396d68d4f9291b34be");
  EXPECT_EQ(llnw_response(kBob, "live/eu", "n0nce", "0badcafe"),
            "387b3b462f668598bfe4fbea1a7ae552");
}

TEST(Authentication, NamesItselfFirstAndAnswersTheChallengeThen) {
  EXPECT_EQ(ask("[ AccessManager.Reject ] : [ authmod=adobe ] : [ code=403 need auth; ]", kAlice, 0)
                .value(),
            "authmod=adobe&user=alice");
  EXPECT_EQ(ask("[ AccessManager.Reject ] : [ authmod=llnw ] : "
                "?reason=needauth&user=bob&nonce=n0nce",
                kBob, 1)
                .value(),
            "authmod=llnw&user=bob&nonce=n0nce&cnonce=0badcafe&nc=00000001&"
            "response=075290e4d4714a396d68d4f9291b34be");
  const auto adobe =
      ask("[ authmod=adobe ] : ?reason=needauth&user=alice&salt=SoFT8g==&challenge=Xy01&"
          "opaque=AgAAAA==",
          kAlice, 1);
  EXPECT_EQ(adobe.value(),
            "authmod=adobe&user=alice&challenge=0badcafe&response=" +
                adobe_response(kAlice, {.salt = "SoFT8g==", .opaque = "AgAAAA==", .challenge = ""},
                               "0badcafe") +
                "&opaque=AgAAAA==");
}

TEST(Authentication, SaysWhyThereIsNoNextRound) {
  struct Case {
    const char* description;
    Credentials credentials;
    int rounds;
    const char* words;
  };
  const Case cases[] = {
      {"[ authmod=adobe ] : [ code=403 need auth; ]", {}, 0, "put them into the URL"},
      {"[ authmod=adobe ] : ?reason=authfailed&opaque=x", kAlice, 2, "password"},
      {"[ authmod=adobe ] : ?reason=nosuchuser", kAlice, 1, "does not know this user"},
      {"[ authmod=adobe ] : ?reason=needauth&salt=x", kAlice, 2, "again"},
      {"[ authmod=adobe ] : [ code=403 need auth; ]", kAlice, 1, "without saying how"},
      {"[ authmod=other ] : [ code=403 need auth; ]", kAlice, 0, "neither"}};
  for (const Case& c : cases) {
    const auto query = ask(c.description, c.credentials, c.rounds);
    ASSERT_FALSE(query) << c.description;
    EXPECT_NE(query.error().message.find(c.words), std::string::npos) << query.error().message;
  }
  EXPECT_FALSE(asks_for_authentication("no such application"));
}

}  // namespace
}  // namespace linkpilot::rtmp
