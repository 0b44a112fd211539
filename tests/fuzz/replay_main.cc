// Runs a fuzz body over every file of its corpus folder, twice: once as kept and once cut in half.
// An empty or missing corpus is a failure, so that a lost folder cannot pass for a tested parser.
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <vector>

#include "tests/fuzz/fuzz_target.h"

namespace {

const FuzzReplay* find_body(const char* name) {
  const FuzzReplay* body = FuzzReplay::first();
  while (body != nullptr && std::strcmp(body->name, name) != 0) body = body->next;
  return body;
}

}  // namespace

int main(int argc, char** argv) {
  const FuzzReplay* body = argc == 3 ? find_body(argv[1]) : nullptr;
  if (body == nullptr || !std::filesystem::is_directory(argv[2])) {
    std::fprintf(stderr, "usage: %s BODY CORPUS_FOLDER\n", argv[0]);
    return 2;
  }
  std::size_t inputs = 0;
  for (const auto& entry : std::filesystem::directory_iterator(argv[2])) {
    std::ifstream file(entry.path(), std::ios::binary);
    const std::vector<char> text{std::istreambuf_iterator<char>(file), {}};
    const std::vector<std::uint8_t> bytes(text.begin(), text.end());
    body->run(bytes.data(), bytes.size());
    body->run(bytes.data(), bytes.size() / 2);
    ++inputs;
  }
  std::printf("%zu inputs\n", inputs);
  return inputs > 0 ? 0 : 1;
}
