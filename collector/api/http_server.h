// HTTP/1.1 for the API: a small pool of threads, every request bounded (each header line and
// the address 8 kB, body 64 kB, one connection per thread plus a short queue, 5 s to be read). What
// is asked is answered by Api.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/result.h"
#include "collector/api/api.h"

namespace linkpilot::collector {

class HttpServer {
 public:
  struct Options {
    std::string listen;  // "127.0.0.1:7180", "[::1]:7180"; port 0 binds any free one
    int threads = 4;
  };
  using Answer = std::function<ApiResponse(const ApiRequest&)>;

  [[nodiscard]] static Result<std::unique_ptr<HttpServer>> start(const Options& options,
                                                                 Answer answer);
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;
  [[nodiscard]] int port() const;

 private:
  struct State;
  explicit HttpServer(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace linkpilot::collector
