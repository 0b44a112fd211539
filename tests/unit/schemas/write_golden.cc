// write_golden FOLDER: writes the example messages that are new in version 4. The folders of old
// versions are never written again.
#include <cstdio>
#include <fstream>

#include "schemas/codec.h"
#include "tests/unit/schemas/example_messages.h"

namespace {

bool write_file(const std::string& path, const linkpilot::schemas::Octets& bytes) {
  std::ofstream file(path, std::ios::binary);
  for (const std::uint8_t byte : bytes) file.put(static_cast<char>(byte));
  return static_cast<bool>(file.flush());
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: write_golden FOLDER\n");
    return 2;
  }
  const std::string folder = argv[1];
  bool written = true;
  for (const auto& [name, message] : linkpilot::example_agent_messages_v4()) {
    written &= write_file(folder + "/agent_" + name + ".bin", linkpilot::schemas::encode(message));
  }
  for (const auto& [name, message] : linkpilot::example_collector_messages_v4()) {
    written &=
        write_file(folder + "/collector_" + name + ".bin", linkpilot::schemas::encode(message));
  }
  if (!written) std::fprintf(stderr, "write_golden: cannot write to %s\n", folder.c_str());
  return written ? 0 : 1;
}
