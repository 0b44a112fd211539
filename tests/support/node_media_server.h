// node-media-server on loopback, on ports that were free: RTMP, RTMPS, HTTP-FLV and, over HTTP/2
// alone, HTTPS-FLV, with the self-signed certificate it brings. tools/setup installs it, pinned, in
// /var/cache/linkpilot/peers; LINKPILOT_PEERS names another place.
#pragma once

#include <fmt/format.h>
#include <poll.h>

#include <cstdlib>
#include <memory>
#include <string>

#include "tests/support/child_process.h"
#include "tests/support/rtmp_dial.h"
#include "tests/support/temporary_directory.h"

namespace linkpilot {

class NodeMediaServer {
 public:
  NodeMediaServer()
      : rtmp_(rtmp::free_port()),
        rtmps_(rtmp::free_port()),
        http_(rtmp::free_port()),
        https_(rtmp::free_port()) {
    const char* named = std::getenv("LINKPILOT_PEERS");
    const std::string peers = named == nullptr ? "/var/cache/linkpilot/peers" : named;
    const std::string pair = fmt::format(R"("key":"{0}/key.pem","cert":"{0}/cert.pem")",
                                         peers + "/node_modules/node-media-server/bin");
    const std::string config = fmt::format(
        R"({{"logType":2,"rtmp":{{"port":{},"chunk_size":60000,"gop_cache":true,"ping":30,)"
        R"("ping_timeout":60,"ssl":{{"port":{},{}}}}},"http":{{"port":{},"allow_origin":"*",)"
        R"("mediaroot":"{}"}},"https":{{"port":{},{}}}}})",
        rtmp_, rtmps_, pair, http_, directory_.path("media"), https_, pair);
    process_ = std::make_unique<ChildProcess>(
        std::vector<std::string>{"node", "tests/support/peers/node_media_server.js", peers, config},
        directory_.path("server.log"));
    SystemClock clock;
    const MonoTime end = clock.now().mono + std::chrono::seconds(30);
    while (!answers() && process_->is_running() && clock.now().mono < end) ::poll(nullptr, 0, 20);
  }

  [[nodiscard]] std::string rtmp_url(std::string_view path) const {
    return fmt::format("rtmp://127.0.0.1:{}/{}", rtmp_, path);
  }
  [[nodiscard]] std::string rtmps_url(std::string_view path) const {
    return fmt::format("rtmps://127.0.0.1:{}/{}", rtmps_, path);
  }
  [[nodiscard]] std::string http_url(std::string_view path) const {
    return fmt::format("http://127.0.0.1:{}/{}", http_, path);
  }
  [[nodiscard]] std::string https_url(std::string_view path) const {
    return fmt::format("https://127.0.0.1:{}/{}", https_, path);
  }
  [[nodiscard]] std::uint16_t http_port() const { return http_; }
  [[nodiscard]] std::string path(const std::string& name) const { return directory_.path(name); }
  [[nodiscard]] std::string log() const { return process_->log(); }
  // Whether all four ports accept.
  [[nodiscard]] bool answers() const {
    for (const std::uint16_t port : {rtmp_, rtmps_, http_, https_}) {
      const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
      const sockaddr_in address = rtmp::loopback(port);
      const bool accepted =
          ::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0;
      ::close(fd);
      if (!accepted) return false;
    }
    return true;
  }

 private:
  TemporaryDirectory directory_;
  std::uint16_t rtmp_;
  std::uint16_t rtmps_;
  std::uint16_t http_;
  std::uint16_t https_;
  std::unique_ptr<ChildProcess> process_;
};

// ffmpeg publishing a test picture and a tone to `target`, in real time; a key frame every 2 s.
inline std::vector<std::string> live_ffmpeg(const std::string& seconds, const std::string& target) {
  return {
      "ffmpeg",    "-hide_banner", "-nostdin", "-loglevel", "warning",
      "-re",       "-f",           "lavfi",    "-i",        "testsrc2=size=320x180:rate=25",
      "-re",       "-f",           "lavfi",    "-i",        "sine=frequency=440:sample_rate=44100",
      "-t",        seconds,        "-c:v",     "libx264",   "-preset",
      "ultrafast", "-g",           "50",       "-c:a",      "aac",
      "-f",        "flv",          target};
}

}  // namespace linkpilot
