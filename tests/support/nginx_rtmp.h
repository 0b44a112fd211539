// nginx with its RTMP module on loopback, for tests against a real server, and the arguments of the
// ffmpeg that feeds it. Needs nginx, libnginx-mod-rtmp, libnginx-mod-stream and ffmpeg
// (tools/setup).
#pragma once

#include <fmt/format.h>
#include <poll.h>

#include <fstream>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"
#include "tests/support/child_process.h"
#include "tests/support/rtmp_dial.h"
#include "tests/support/temporary_directory.h"

namespace linkpilot::rtmp {

class NginxRtmp {
 public:
  // `more` is put behind the rtmp section: a server of another module, say. RTMP_PORT in it is
  // replaced.
  explicit NginxRtmp(const std::string& more = {}) : port_(free_port()) {
    constexpr const char* kConfig = R"(daemon off;
master_process off;
user root;
load_module /usr/lib/nginx/modules/ngx_rtmp_module.so;
load_module /usr/lib/nginx/modules/ngx_stream_module.so;
pid {0}/nginx.pid;
error_log {0}/error.log info;
events {{ worker_connections 64; }}
rtmp {{
  access_log off;
  server {{
    listen 127.0.0.1:{1};
    chunk_size 4096;
    application live {{ live on; }}
    application strict {{ live on; idle_streams off; }}
    application noplay {{ live on; deny play all; }}
    application nopublish {{ live on; deny publish all; }}
    application hls {{ live on; hls on; hls_path {0}; hls_fragment 1s; }}
  }}
}}
{2}
)";
    const std::string config = directory_.path("nginx.conf");
    std::string others = more;
    constexpr std::string_view mark = "RTMP_PORT";
    if (const std::size_t at = others.find(mark); at != std::string::npos) {
      others.replace(at, mark.size(), std::to_string(port_));
    }
    std::ofstream(config) << fmt::format(kConfig, directory_.path(""), port_, others);
    process_ = std::make_unique<ChildProcess>(
        std::vector<std::string>{"/usr/sbin/nginx", "-p", directory_.path(""), "-c", config},
        directory_.path("nginx.log"));
    SystemClock clock;
    const MonoTime end = clock.now().mono + std::chrono::seconds(20);
    while (!answers() && process_->is_running() && clock.now().mono < end) ::poll(nullptr, 0, 20);
  }

  [[nodiscard]] RtmpClientOptions options(std::string_view path,
                                          Direction direction = Direction::pull) const {
    RtmpClientOptions options;
    options.url = parse_rtmp_url(url(path)).value();
    options.direction = direction;
    return options;
  }
  [[nodiscard]] std::string url(std::string_view path) const {
    return fmt::format("rtmp://127.0.0.1:{}/{}", port_, path);
  }
  [[nodiscard]] std::uint16_t port() const { return port_; }
  [[nodiscard]] std::string path(const std::string& name) const { return directory_.path(name); }
  [[nodiscard]] bool answers() const { return RtmpDial(options("live/probe")).is_connected(); }
  [[nodiscard]] std::string log() const { return process_->log(); }

 private:
  TemporaryDirectory directory_;
  std::uint16_t port_;
  std::unique_ptr<ChildProcess> process_;
};

inline std::vector<std::string> ffmpeg_arguments(bool paced, const std::string& seconds,
                                                 const std::string& target) {
  std::vector<std::string> arguments{"ffmpeg", "-hide_banner", "-nostdin",
                                     "-y",     "-loglevel",    "warning"};
  for (const char* source :
       {"testsrc2=size=320x180:rate=25", "sine=frequency=440:sample_rate=44100"}) {
    if (paced) arguments.push_back("-re");
    arguments.insert(arguments.end(), {"-f", "lavfi", "-i", source});
  }
  arguments.insert(arguments.end(), {"-t", seconds, "-c:v", "libx264", "-preset", "ultrafast", "-g",
                                     "25", "-c:a", "aac", "-f", "flv", target});
  return arguments;
}

}  // namespace linkpilot::rtmp
