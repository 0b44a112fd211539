#include "prober/media/http_flv/http_url.h"

#include <gtest/gtest.h>

namespace linkpilot::prober {
namespace {

TEST(HttpUrl, IsTakenApartAndPutTogether) {
  const auto url = parse_http_url("HTTPS://User:p%40ss@CDN.example:8443/live/a.flv?token=abcdef#x");
  ASSERT_TRUE(url) << url.error().message;
  EXPECT_TRUE(url->tls);
  EXPECT_EQ(url->host, "cdn.example");
  EXPECT_EQ(url->port, 8443);
  EXPECT_EQ(url->target, "/live/a.flv?token=abcdef");
  EXPECT_EQ(url->user, "User");
  EXPECT_EQ(url->password, "p@ss");
  EXPECT_EQ(url->text(), "https://cdn.example:8443/live/a.flv?token=abcdef");
  EXPECT_EQ(url->masked(), "https://cdn.example:8443/live/a.flv?token=***");
}

TEST(HttpUrl, LeavesOutTheSchemesPortAndBracketsIpv6) {
  EXPECT_EQ(parse_http_url("http://h:80/x")->text(), "http://h/x");
  EXPECT_EQ(parse_http_url("https://h/x")->port, 443);
  EXPECT_EQ(parse_http_url("http://[2001:DB8::1]:81/x")->text(), "http://[2001:db8::1]:81/x");
  EXPECT_EQ(parse_http_url("http://h")->target, "/");
  EXPECT_EQ(parse_http_url("http://h?a=b")->target, "/?a=b");
}

TEST(HttpUrl, RefusesWhatIsNoUrlOfAStream) {
  for (const char* text :
       {"", "h/x", "rtmp://h/x", "http:///x", "http://h:0/", "http://h:65536/", "http://h:1:2/",
        "http://[::1/x", "http://[zz]/x", "http://a b/", "http://h/\x01", "http://h/\xc3\xa4",
        "http://h\\/x", "http://h%00/x", "ftp://h/x", "://"}) {
    EXPECT_FALSE(parse_http_url(text)) << text;
  }
  EXPECT_FALSE(parse_http_url("http://h/" + std::string(5000, 'a')));
}

TEST(HttpUrl, ErrorsRepeatNoSecrets) {
  const auto url = parse_http_url("http://user:hunter2hunter2@h:99999/x?token=topsecret");
  ASSERT_FALSE(url);
  EXPECT_EQ(url.error().message.find("hunter2"), std::string::npos);
  EXPECT_EQ(url.error().message.find("topsecret"), std::string::npos);
}

// RFC 3986 s5.4, its reference examples, base http://a/b/c/d;p?q, as far as fragments are not sent.
TEST(HttpUrl, ResolvesTheReferencesOfRfc3986) {
  struct Case {
    const char* reference;
    const char* want;
  };
  const HttpUrl base = parse_http_url("http://a/b/c/d;p?q").value();
  for (const Case& c :
       {Case{"g", "http://a/b/c/g"},      Case{"./g", "http://a/b/c/g"},
        Case{"g/", "http://a/b/c/g/"},    Case{"/g", "http://a/g"},
        Case{"//g", "http://g/"},         Case{"?y", "http://a/b/c/d;p?y"},
        Case{"g?y", "http://a/b/c/g?y"},  Case{"#s", "http://a/b/c/d;p?q"},
        Case{"g#s", "http://a/b/c/g"},    Case{"g?y#s", "http://a/b/c/g?y"},
        Case{";x", "http://a/b/c/;x"},    Case{"g;x?y#s", "http://a/b/c/g;x?y"},
        Case{".", "http://a/b/c/"},       Case{"./", "http://a/b/c/"},
        Case{"..", "http://a/b/"},        Case{"../", "http://a/b/"},
        Case{"../g", "http://a/b/g"},     Case{"../..", "http://a/"},
        Case{"../../g", "http://a/g"},    Case{"../../../g", "http://a/g"},
        Case{"/./g", "http://a/g"},       Case{"/../g", "http://a/g"},
        Case{"g.", "http://a/b/c/g."},    Case{"..g", "http://a/b/c/..g"},
        Case{"./../g", "http://a/b/g"},   Case{"g/./h", "http://a/b/c/g/h"},
        Case{"g/../h", "http://a/b/c/h"}, Case{"g?y/../x", "http://a/b/c/g?y/../x"}}) {
    const auto url = resolve_location(base, c.reference);
    ASSERT_TRUE(url) << c.reference << ": " << url.error().message;
    EXPECT_EQ(url->text(), c.want) << c.reference;
  }
}

TEST(HttpUrl, ARedirectToAnotherSchemeOrNowhereIsRefused) {
  const HttpUrl base = parse_http_url("http://a/b").value();
  for (const char* location : {"", "   ", "rtmp://h/live/x", "javascript:alert(1)",
                               "file:///etc/passwd", "http://", "http://h:0/x", "//"}) {
    EXPECT_FALSE(resolve_location(base, location)) << location;
  }
  EXPECT_FALSE(resolve_location(base, "/" + std::string(10'000, 'x')));
}

TEST(HttpUrl, EncodesWhatAServerLeftUnencoded) {
  const HttpUrl base = parse_http_url("http://a/b").value();
  EXPECT_EQ(resolve_location(base, "/x y\xc3\xa4")->text(), "http://a/x%20y%C3%A4");
}

TEST(HttpUrl, CredentialsStayWithinTheirOrigin) {
  const HttpUrl base = parse_http_url("http://u:pw@a/b").value();
  EXPECT_EQ(resolve_location(base, "/c")->password, "pw");
  EXPECT_EQ(resolve_location(base, "http://a/c")->password, "pw");
  EXPECT_EQ(resolve_location(base, "https://a/c")->password, "");
  EXPECT_EQ(resolve_location(base, "http://a:81/c")->password, "");
  EXPECT_EQ(resolve_location(base, "http://b/c")->password, "");
  EXPECT_EQ(resolve_location(base, "http://x:y@b/c")->password, "y");
}

TEST(HttpUrl, RedactsWhatAServerRepeats) {
  const HttpUrl url = parse_http_url("http://u:password9@a/b?sign=s3cret%2Fx&t=12").value();
  EXPECT_EQ(url.redact("bad sign s3cret/x (s3cret%2Fx) for password9, t 12"),
            "bad sign *** (***) for ***, t 12");
  EXPECT_EQ(mask_queries("see <http://u:p@h/x?a=b> and /y?c=d; end?"),
            "see <http://***@h/x?***> and /y?***; end?");
}

}  // namespace
}  // namespace linkpilot::prober
