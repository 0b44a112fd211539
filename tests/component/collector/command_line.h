// The real command line against a collector's process. Who includes this defines LINKPILOT_CLI.
#pragma once

#include <sys/wait.h>

#include <array>
#include <cstdio>
#include <string>

#include "tests/component/collector/scripted_agent.h"

namespace linkpilot::collector {

struct CliRun {
  int exit_code = -1;
  std::string output;  // both streams
};

// Blocks until it ends.
inline CliRun run_cli(const CollectorProcess& process, const std::string& arguments) {
  const std::string command = std::string(LINKPILOT_CLI) + " --collector " + process.http_url() +
                              " --token-file " + process.folder() + "/token " + arguments + " 2>&1";
  CliRun ran;
  FILE* pipe = ::popen(command.c_str(), "r");
  if (pipe == nullptr) return ran;
  std::array<char, 512> chunk{};
  while (const std::size_t got = std::fread(chunk.data(), 1, chunk.size(), pipe)) {
    ran.output.append(chunk.data(), got);
  }
  ran.exit_code = WEXITSTATUS(::pclose(pipe));
  return ran;
}

}  // namespace linkpilot::collector
