#include "base/runtime/curve_keys.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "base/runtime/files.h"
#include "base/runtime/secret_file.h"
#include "tests/support/temporary_directory.h"

namespace linkpilot {
namespace {

std::vector<std::uint8_t> octets(std::string_view text) { return {text.begin(), text.end()}; }

void put(const std::string& path, std::string_view text, unsigned mode = 0600) {
  ASSERT_TRUE(replace_file(path, octets(text), mode));
}

TEST(CurveKeys, NeverBeginLikeAnOptionOfACommand) {
  for (int i = 0; i < 600; ++i) ASSERT_NE(make_curve_key_pair().public_key.front(), '-');
}

TEST(CurveKeys, SurviveTheDisk) {
  const TemporaryDirectory directory;
  const CurveKeyPair keys = make_curve_key_pair();
  ASSERT_TRUE(is_valid_curve_key(keys.public_key));
  ASSERT_TRUE(save_curve_key_pair(directory.path("agent"), keys));
  const auto loaded = load_curve_key_pair(directory.path("agent"));
  ASSERT_TRUE(loaded) << loaded.error().message;
  EXPECT_EQ(loaded->public_key, keys.public_key);
  EXPECT_EQ(loaded->secret_key, keys.secret_key);
  EXPECT_EQ(*load_curve_public_key(directory.path("agent.pub")), keys.public_key);
  EXPECT_EQ(*load_curve_public_key(keys.public_key), keys.public_key);
  struct stat info{};
  ASSERT_EQ(::stat(directory.path("agent").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
}

TEST(CurveKeys, AreReadFromAFileWhosePathCouldBeAKey) {
  const TemporaryDirectory directory;
  const CurveKeyPair keys = make_curve_key_pair();
  // Relative, so that its length is ours to choose; dots and slashes are of Z85.
  const std::filesystem::path before = std::filesystem::current_path();
  std::filesystem::current_path(directory.path(""));
  const std::string path = "./" + std::string(34, 'a') + ".pub";
  ASSERT_TRUE(is_valid_curve_key(path));
  put(path, keys.public_key + "\n");
  const Result<std::string> loaded = load_curve_public_key(path);
  std::filesystem::current_path(before);
  ASSERT_TRUE(loaded);
  EXPECT_EQ(*loaded, keys.public_key);
}

TEST(CurveKeys, AreRefusedWhenOthersCanReadThem) {
  const TemporaryDirectory directory;
  const std::string path = directory.path("agent");
  ASSERT_TRUE(save_curve_key_pair(path, make_curve_key_pair()));
  for (const mode_t mode : {0640, 0604, 0620}) {
    ASSERT_EQ(::chmod(path.c_str(), mode), 0);
    const auto loaded = load_curve_key_pair(path);
    ASSERT_FALSE(loaded);
    EXPECT_EQ(loaded.error().code, ErrorCode::permission);
    EXPECT_NE(loaded.error().message.find("chmod 600"), std::string::npos);
  }
}

TEST(CurveKeys, OfTheWrongLengthOrAlphabetAreRefused) {
  const TemporaryDirectory directory;
  const std::string path = directory.path("agent");
  const CurveKeyPair keys = make_curve_key_pair();
  for (const std::string& text :
       {std::string(), keys.secret_key.substr(1), keys.secret_key + "x", std::string(40, '~'),
        std::string(40, '\0'), std::string(200, 'a')}) {
    SCOPED_TRACE(text);
    put(path, text + "\n");
    EXPECT_FALSE(load_curve_key_pair(path));
    EXPECT_FALSE(load_curve_public_key(path));
    EXPECT_FALSE(is_valid_curve_key(text));
  }
  EXPECT_EQ(load_curve_key_pair(directory.path("missing")).error().code, ErrorCode::not_found);
}

TEST(CurveKeys, ThatDoNotBelongTogetherAreRefused) {
  const TemporaryDirectory directory;
  const std::string path = directory.path("agent");
  ASSERT_TRUE(save_curve_key_pair(path, make_curve_key_pair()));
  put(path + ".pub", make_curve_key_pair().public_key);
  EXPECT_EQ(load_curve_key_pair(path).error().code, ErrorCode::corrupt);
}

TEST(SigningKeys, SurviveTheDiskAndSign) {
  const TemporaryDirectory directory;
  const SigningKey key = make_signing_key();
  ASSERT_TRUE(save_signing_key(directory.path("signing"), key));
  const auto loaded = load_signing_key(directory.path("signing"));
  ASSERT_TRUE(loaded) << loaded.error().message;
  const auto public_key = load_signing_public_key(directory.path("signing.pub"));
  ASSERT_TRUE(public_key) << public_key.error().message;
  const Signature signature = sign(*loaded, octets("table"));
  EXPECT_TRUE(verify(*public_key, octets("table"), signature));
  EXPECT_FALSE(verify(*public_key, octets("tablE"), signature));
  EXPECT_FALSE(verify(make_signing_key().public_key, octets("table"), signature));
  Signature bent = signature;
  bent[10] ^= 1;
  EXPECT_FALSE(verify(*public_key, octets("table"), bent));
  EXPECT_FALSE(verify(*public_key, octets("table"), std::span(signature).first(63)));
  EXPECT_FALSE(verify(*public_key, octets("table"), {}));
}

TEST(SigningKeys, ThatAreDamagedAreRefused) {
  const TemporaryDirectory directory;
  const std::string path = directory.path("signing");
  for (const std::string& text : {std::string(), std::string(64, 'a'), std::string(128, 'g'),
                                  std::string(128, 'a'), std::string(129, 'a')}) {
    SCOPED_TRACE(text);
    put(path, text);
    EXPECT_FALSE(load_signing_key(path));
  }
  put(path, std::string(63, 'a'));
  EXPECT_FALSE(load_signing_public_key(path));
  EXPECT_TRUE(load_signing_public_key(std::string(64, 'a')));
  ASSERT_EQ(::chmod(path.c_str(), 0644), 0);
  EXPECT_EQ(load_signing_key(path).error().code, ErrorCode::permission);
}

// RFC 8032 section 7.1, TEST 2.
TEST(SigningKeys, AgreeWithThePublishedVector) {
  const auto key =
      load_signing_public_key("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c");
  ASSERT_TRUE(key);
  const Signature signature{0x92, 0xa0, 0x09, 0xa9, 0xf0, 0xd4, 0xca, 0xb8, 0x72, 0x0e, 0x82,
                            0x0b, 0x5f, 0x64, 0x25, 0x40, 0xa2, 0xb2, 0x7b, 0x54, 0x16, 0x50,
                            0x3f, 0x8f, 0xb3, 0x76, 0x22, 0x23, 0xeb, 0xdb, 0x69, 0xda, 0x08,
                            0x5a, 0xc1, 0xe4, 0x3e, 0x15, 0x99, 0x6e, 0x45, 0x8f, 0x36, 0x13,
                            0xd0, 0xf1, 0x1d, 0x8c, 0x38, 0x7b, 0x2e, 0xae, 0xb4, 0x30, 0x2a,
                            0xee, 0xb0, 0x0d, 0x29, 0x16, 0x12, 0xbb, 0x0c, 0x00};
  EXPECT_TRUE(verify(*key, std::vector<std::uint8_t>{0x72}, signature));
}

TEST(RandomOctets, Differ) {
  EXPECT_NE(random_u64(), random_u64());
  EXPECT_EQ(random_bytes(7).size(), 7u);
  EXPECT_NE(random_bytes(32), random_bytes(32));
}

TEST(CurveKeys, OfOneAgentMayBeTwoDuringAChangeOver) {
  const TemporaryDirectory directory;
  const std::string path = directory.path("node.pub");
  const std::string a = make_curve_key_pair().public_key;
  const std::string b = make_curve_key_pair().public_key;
  put(path, a + "\n");
  EXPECT_EQ(*load_curve_public_keys(path, 2), std::vector{a});
  put(path, "# since Monday\n" + a + "\r\n\n" + b + "\n" + a + "\n");
  EXPECT_EQ(*load_curve_public_keys(path, 2), (std::vector{a, b}));
  EXPECT_FALSE(load_curve_public_keys(path, 1)) << "more than asked for";
  for (const std::string& bad : {std::string(), std::string("\n\n"), a + " " + b, a.substr(1)}) {
    put(path, bad);
    EXPECT_FALSE(load_curve_public_keys(path, 2)) << bad;
  }
}

TEST(Secrets, AreDerivedForOneUseEach) {
  Secret master{};
  const Secret a = derive_secret(master, octets("a"));
  EXPECT_EQ(a, derive_secret(master, octets("a")));
  EXPECT_NE(a, derive_secret(master, octets("b")));
  master[31] = 1;
  EXPECT_NE(a, derive_secret(master, octets("a")));
}

TEST(Secrets, SurviveTheDiskAndAreRefusedWhenOthersCanReadThemOrDamaged) {
  const TemporaryDirectory directory;
  const std::string path = directory.path("probing.key");
  const Secret secret = make_secret();
  ASSERT_TRUE(save_secret(path, secret));
  EXPECT_EQ(*load_secret(path), secret);
  ASSERT_EQ(::chmod(path.c_str(), 0640), 0);
  EXPECT_EQ(load_secret(path).error().code, ErrorCode::permission);
  for (const char* bad : {"", "abcd\n", "zz", "00"}) {
    put(path, bad);
    EXPECT_FALSE(load_secret(path)) << bad;
  }
  EXPECT_FALSE(load_secret(directory.path("none")));
}

}  // namespace
}  // namespace linkpilot
