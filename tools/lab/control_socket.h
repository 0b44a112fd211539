// A unix stream socket that carries lines: the lab's side answers each line with one line, the
// client's side asks once. Bounds: kClientsMax connections, kControlLineBytesMax a line; a client
// that breaks them is cut off.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/runtime/files.h"
#include "base/time.h"

namespace linkpilot::lab {

class ControlServer {
 public:
  static constexpr std::size_t kClientsMax = 16;
  using Answer = std::function<std::string(std::string_view line)>;  // without the line end

  // A socket file that nobody listens on is replaced; a live one is an error.
  [[nodiscard]] static Result<ControlServer> listen(const std::string& path);
  ControlServer(ControlServer&&) noexcept = default;
  ControlServer& operator=(ControlServer&&) = delete;
  ~ControlServer();

  // Serves for at most `timeout`, or until `interrupt` is readable. True: it is.
  [[nodiscard]] bool serve(Duration timeout, int interrupt, const Answer& answer);

 private:
  struct Client {
    UniqueFd socket;
    std::string input;
  };
  ControlServer(UniqueFd socket, std::string path)
      : socket_(std::move(socket)), path_(std::move(path)) {}
  void accept_one();
  [[nodiscard]] static bool serve_client(Client& client, const Answer& answer);

  UniqueFd socket_;
  std::string path_;
  std::vector<Client> clients_;
};

// Sends one line, returns the answer's line.
[[nodiscard]] Result<std::string> ask_control(const std::string& path, const std::string& line);

}  // namespace linkpilot::lab
