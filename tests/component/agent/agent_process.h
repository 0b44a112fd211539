// A real linkpilot-agent process over loopback, in a directory of its own: configuration, keys,
// state, log. It is stopped by its process id only.
#pragma once

#include <sys/types.h>

#include <string>

#include "base/ids.h"
#include "base/runtime/curve_keys.h"

namespace linkpilot::test {

struct AgentProcessOptions {
  std::string directory;  // made before
  std::string name;
  std::string address;  // 127.x.y.z
  std::uint16_t stamp_port = 0;
  std::string collector;      // tcp://...
  std::string collector_key;  // Z85
  std::string signer_hex;     // Ed25519 public key
  std::string extra;          // more of agent.toml, at its end
};

class AgentProcess {
 public:
  explicit AgentProcess(AgentProcessOptions options);
  ~AgentProcess();
  AgentProcess(const AgentProcess&) = delete;
  AgentProcess& operator=(const AgentProcess&) = delete;

  void start();
  // Sends the signal and waits for the end of the process; the wait status.
  int stop(int signal);
  void signal(int number) const;
  [[nodiscard]] bool running();
  [[nodiscard]] pid_t pid() const { return pid_; }

  [[nodiscard]] const CurveKeyPair& keys() const { return keys_; }
  [[nodiscard]] const AgentProcessOptions& options() const { return options_; }
  // For the next write_config().
  [[nodiscard]] AgentProcessOptions& options() { return options_; }
  [[nodiscard]] std::string path(const std::string& file) const;
  [[nodiscard]] std::string log() const;
  // Lines of the log that hold `word`.
  [[nodiscard]] int log_lines_with(const std::string& word) const;
  void write_config(const std::string& extra) const;

 private:
  AgentProcessOptions options_;
  CurveKeyPair keys_;
  pid_t pid_ = -1;
};

}  // namespace linkpilot::test
