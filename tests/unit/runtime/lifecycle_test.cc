#include "base/runtime/lifecycle.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <array>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <cstring>

#include "base/runtime/files.h"
#include "tests/support/temporary_directory.h"

namespace linkpilot {
namespace {

using namespace std::chrono_literals;

TEST(Lifecycle, TellsTheServiceManager) {
  const TemporaryDirectory directory;
  const std::string path = directory.path("notify");
  const UniqueFd fd(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
  ASSERT_EQ(::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  ASSERT_EQ(::setenv("NOTIFY_SOCKET", path.c_str(), 1), 0);
  notify_service_manager("READY=1");
  ::unsetenv("NOTIFY_SOCKET");
  std::array<char, 64> text{};
  ASSERT_EQ(::recv(fd.get(), text.data(), text.size(), MSG_DONTWAIT), 7);
  EXPECT_STREQ(text.data(), "READY=1");
}

TEST(Lifecycle, DoesNothingWithoutAServiceManager) {
  ::unsetenv("NOTIFY_SOCKET");
  notify_service_manager("READY=1");
  ::setenv("NOTIFY_SOCKET", "/nonexistent/socket", 1);
  notify_service_manager("READY=1");
  ::setenv("NOTIFY_SOCKET", std::string(500, 'x').c_str(), 1);
  notify_service_manager("READY=1");
  ::unsetenv("NOTIFY_SOCKET");
}

void run_until(asio::io_context& loop, const bool& done) {
  while (!done) loop.run_one_for(1s);
}

TEST(SignalWatch, ReloadsOnHangupAndStopsOnTerm) {
  asio::io_context loop;
  int reloads = 0;
  bool reloaded = false;
  bool stopped = false;
  SignalWatch watch(
      loop, [&] { stopped = true; },
      [&] {
        ++reloads;
        reloaded = true;
      });
  for (int i = 1; i <= 2; ++i) {
    reloaded = false;
    ASSERT_EQ(std::raise(SIGHUP), 0);
    run_until(loop, reloaded);
    EXPECT_EQ(reloads, i);
  }
  ASSERT_EQ(std::raise(SIGTERM), 0);
  run_until(loop, stopped);
  EXPECT_TRUE(stopped);
}

TEST(SignalWatch, TheSecondStopSignalEndsTheProcess) {
  const auto stop_twice = [] {
    asio::io_context loop;
    bool stopped = false;
    SignalWatch watch(loop, [&] { stopped = true; }, [] {});
    std::raise(SIGINT);
    run_until(loop, stopped);
    std::raise(SIGTERM);
  };
  EXPECT_EXIT(stop_twice(), ::testing::KilledBySignal(SIGTERM), "");
}

TEST(SignalWatch, LeavesNothingBehind) {
  asio::io_context loop;
  {
    SignalWatch watch(loop, [] {}, [] {});
  }
  EXPECT_GT(loop.run_for(100ms), 0u);  // the cancelled waits
  EXPECT_EQ(loop.poll(), 0u);
}

}  // namespace
}  // namespace linkpilot
