#include "tests/component/agent/agent_process.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <fstream>
#include <iterator>
#include <sstream>
#include <utility>

#include "base/assert.h"

extern char** environ;

namespace linkpilot::test {

AgentProcess::AgentProcess(AgentProcessOptions options)
    : options_(std::move(options)), keys_(make_curve_key_pair()) {
  LP_ASSERT(save_curve_key_pair(path("agent.key"), keys_));
  write_config(options_.extra);
}

AgentProcess::~AgentProcess() {
  if (pid_ > 0) stop(SIGKILL);
}

std::string AgentProcess::path(const std::string& file) const {
  return options_.directory + "/" + options_.name + "." + file;
}

void AgentProcess::write_config(const std::string& extra) const {
  std::ofstream(path("toml")) << "[node]\nname = \"" << options_.name << "\"\nstate_directory = \""
                              << path("state") << "\"\n[[ports]]\nlisten = \"" << options_.address
                              << "\"\nstamp_port = " << options_.stamp_port
                              << "\n[collector]\nconnect = [\"" << options_.collector
                              << "\"]\npublic_key_file = \"" << options_.collector_key
                              << "\"\nkey_file = \"" << path("agent.key")
                              << "\"\n[routes]\nsigner_public_key_files = [\""
                              << options_.signer_hex << "\"]\n"
                              << extra;
}

void AgentProcess::start() {
  LP_ASSERT(pid_ < 0);
  const std::string config = path("toml");
  const std::string log_file = path("log");
  std::string program = LINKPILOT_AGENT;
  std::string flag = "--config";
  std::string value = config;
  const std::array<char*, 4> arguments{program.data(), flag.data(), value.data(), nullptr};
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, log_file.c_str(),
                                   O_WRONLY | O_CREAT | O_APPEND, 0600);
  LP_ASSERT(posix_spawn(&pid_, LINKPILOT_AGENT, &actions, nullptr, arguments.data(), environ) == 0);
  posix_spawn_file_actions_destroy(&actions);
}

int AgentProcess::stop(int number) {
  if (pid_ <= 0) return 0;
  ::kill(pid_, number);
  int status = 0;
  ::waitpid(pid_, &status, 0);
  pid_ = -1;
  return status;
}

void AgentProcess::signal(int number) const {
  if (pid_ > 0) ::kill(pid_, number);
}

bool AgentProcess::running() {
  if (pid_ <= 0) return false;
  int status = 0;
  if (::waitpid(pid_, &status, WNOHANG) == 0) return true;
  pid_ = -1;
  return false;
}

std::string AgentProcess::log() const {
  std::ifstream file(path("log"));
  return {std::istreambuf_iterator<char>(file), {}};
}

int AgentProcess::log_lines_with(const std::string& word) const {
  std::istringstream lines(log());
  int count = 0;
  for (std::string line; std::getline(lines, line);) {
    if (line.find(word) != std::string::npos) ++count;
  }
  return count;
}

}  // namespace linkpilot::test
