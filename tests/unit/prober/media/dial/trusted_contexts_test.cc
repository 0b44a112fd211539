#include <gtest/gtest.h>

#include "prober/media/dial/certificate_socket.h"

namespace linkpilot::prober {
namespace {

constexpr MonoTime mono_at(Duration since) { return MonoTime{1'000'000'000} + since; }

TEST(TrustedContexts, ReadsTheCertificatesOnceForAllConnectionsOfAMinute) {
  TrustedContexts contexts;
  const auto first = contexts.find("", mono_at({}));
  ASSERT_TRUE(first);
  const auto second = contexts.find("", mono_at(std::chrono::seconds(59)));
  ASSERT_TRUE(second);
  EXPECT_EQ(first->get(), second->get());
  EXPECT_EQ(contexts.reads(), 1U);
  const auto later = contexts.find("", mono_at(std::chrono::seconds(60)));
  ASSERT_TRUE(later);
  EXPECT_EQ(contexts.reads(), 2U) << "the file may have changed";
}

TEST(TrustedContexts, NamesAFileThatCannotBeRead) {
  TrustedContexts contexts;
  const auto none = contexts.find("/no/such/file.pem", mono_at({}));
  ASSERT_FALSE(none);
  EXPECT_NE(none.error().message.find("/no/such/file.pem"), std::string::npos);
  EXPECT_EQ(contexts.reads(), 0U);
}

}  // namespace
}  // namespace linkpilot::prober
