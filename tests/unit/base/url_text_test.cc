#include "base/url_text.h"

#include <gtest/gtest.h>

namespace linkpilot {
namespace {

TEST(UrlText, TakesAnAuthorityApart) {
  const auto whole = parse_authority("us%40er:p%3Aw@Host.Example:1935");
  ASSERT_TRUE(whole);
  EXPECT_EQ(whole->user, "us@er");
  EXPECT_EQ(whole->password, "p:w");
  EXPECT_EQ(whole->host, "host.example");
  EXPECT_EQ(whole->port, 1935);
  EXPECT_FALSE(whole->bracketed);
  const auto six = parse_authority("[FE80::1]");
  ASSERT_TRUE(six);
  EXPECT_EQ(six->host, "fe80::1");
  EXPECT_TRUE(six->bracketed);
  EXPECT_EQ(six->port, 0) << "none was given";
  for (const char* bad : {"", ":1", "h:0", "h:65536", "h:1x", "::1", "[::1", "[::1]x", "[host]"}) {
    EXPECT_FALSE(parse_authority(bad)) << bad;
  }
}

TEST(UrlText, FindsTheAuthorityOfAUrlOfAnyScheme) {
  EXPECT_EQ(authority_of("x://u@h:1/p?q"), "u@h:1");
  EXPECT_EQ(authority_of("x://h?q"), "h");
  EXPECT_EQ(authority_of("no url"), "");
}

TEST(UrlText, DecodesWhatIsEncodedAndLeavesTheRest) {
  EXPECT_EQ(percent_decoded("a%2fb%zz%4"), "a/b%zz%4");
  EXPECT_EQ(percent_decoded("a+b"), "a+b");
  EXPECT_EQ(percent_decoded("a+b", PlusSign::blank), "a b");
}

TEST(UrlText, KnowsAHostInAnyCaseAndWithTheDotOfTheRoot) {
  EXPECT_TRUE(same_host("CDN.example", "cdn.Example."));
  EXPECT_FALSE(same_host("cdn.example", "cdn.examplf"));
  EXPECT_FALSE(same_host("cdn.example", "cdn.example.org"));
}

TEST(UrlText, SeesEachParameterOfTheQuery) {
  std::string seen;
  each_parameter("path?a=1&b&c=2=3", "&", [&seen](std::string_view key, std::string_view value) {
    seen.append(key).append(":").append(value).append(";");
  });
  EXPECT_EQ(seen, "a:1;:b;c:2=3;");
}

TEST(UrlText, MasksTheLongestSecretFirstAndNoOrdinaryWord) {
  EXPECT_EQ(mask_secrets("the secret is secretive", {"secret", "secretive", "is", ""}),
            "the *** is ***");
}

}  // namespace
}  // namespace linkpilot
