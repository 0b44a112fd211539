// An agent that does what the test says: a real MessageClient over CURVE, real codec, no measuring.
// And the collector's process beside it.
#pragma once

#include <sys/types.h>

#include <asio/io_context.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/message.h"
#include "base/runtime/curve_keys.h"
#include "base/runtime/message_socket.h"

namespace linkpilot::collector {

// What the collector said to one agent.
struct Heard {
  std::vector<Welcome> welcomes;
  std::vector<ReportAck> acks;
  std::vector<Plan> plans;
  std::vector<SignedTable> tables;
  std::vector<Pong> pongs;
  std::vector<ProbeRequest> probes;
  std::vector<Refused> refusals;
};

class ScriptedAgent {
 public:
  ScriptedAgent(asio::io_context& loop, std::string name, const CurveKeyPair& keys,
                const std::string& server_public_key, const std::string& endpoint);

  void send(const AgentMessage& message);
  void send_octets(const std::vector<std::uint8_t>& octets) { client_->send(octets); }
  void hello();
  // A report of one second for every link of the last plan, RTTs as given by `rtt`.
  Report make_report(std::uint64_t sequence, const std::function<Duration(LinkId)>& rtt) const;
  void acknowledge(const SignedTable& table);
  void alarm(LinkId link, LinkState state, bool confirmed);

  [[nodiscard]] std::uint64_t acked() const;
  [[nodiscard]] NodeId id() const;
  [[nodiscard]] bool handshake_refused() const { return handshake_refused_; }
  [[nodiscard]] int disconnects() const { return disconnects_; }

  Heard heard;
  std::uint64_t run_id = 1;
  std::uint64_t epoch = 77;
  std::uint64_t sequence = 0;
  bool acknowledge_tables = true;
  std::string name;

 private:
  void on_message(std::span<const std::uint8_t> bytes);
  std::unique_ptr<MessageClient> client_;
  bool handshake_refused_ = false;
  int disconnects_ = 0;
  std::uint64_t episode_ = 0;
};

// One collector process with its own folder under the test's temporary directory.
class CollectorProcess {
 public:
  // Makes keys and configuration; `extra` is appended to collector.toml.
  explicit CollectorProcess(const std::string& extra = "");
  ~CollectorProcess();

  void start();
  void kill_hard();
  // SIGTERM, and waits; the exit code.
  int stop();
  void signal(int number) const;

  // Makes a key pair and drops NAME.pub into the enrolled directory.
  CurveKeyPair enrol(const std::string& name);
  void revoke(const std::string& name);

  struct Response {
    int status = 0;
    std::string body;
    [[nodiscard]] nlohmann::json json() const {
      return nlohmann::json::parse(body, nullptr, false);
    }
  };
  [[nodiscard]] Response get(const std::string& path) const;
  [[nodiscard]] Response post(const std::string& path, const std::string& body,
                              const std::string& token) const;

  [[nodiscard]] const std::string& folder() const { return folder_; }
  [[nodiscard]] const std::string& endpoint() const { return endpoint_; }
  [[nodiscard]] const std::string& next_endpoint() const { return next_endpoint_; }
  [[nodiscard]] std::string http_url() const;
  // Replaces text of the configuration file; takes effect at the next start.
  void edit_config(const std::string& from, const std::string& to) const;
  [[nodiscard]] const std::string& public_key() const { return public_key_; }
  [[nodiscard]] std::string token() const;
  [[nodiscard]] pid_t pid() const { return pid_; }
  [[nodiscard]] int http_port() const { return http_port_; }

 private:
  std::string folder_;
  std::string public_key_;
  std::string endpoint_;
  std::string next_endpoint_;
  int http_port_ = 0;
  int agent_port_ = 0;
  pid_t pid_ = -1;
};

// Runs the loop until `done`, at most `patience`; true if it came.
[[nodiscard]] bool run_until(asio::io_context& loop, const std::function<bool()>& done,
                             std::chrono::milliseconds patience = std::chrono::seconds(20));

}  // namespace linkpilot::collector
