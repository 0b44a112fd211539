// Text of any kind with a secret in it: what comes out has it nowhere, whatever stands around it.
#include <cstdlib>
#include <string>

#include "tests/fuzz/fuzz_target.h"
#include "tools/linkpilot/support/redact.h"

FUZZ_TARGET(support_redact, data, size) {
  using linkpilot::cli::redact;
  const std::string text(reinterpret_cast<const char*>(data), size);
  const std::string secret = "Qu7-secret~value";
  const std::size_t middle = size / 2;
  const std::string with = text.substr(0, middle) + secret + text.substr(middle);
  if (redact(with, {secret}).find(secret) != std::string::npos) std::abort();
  (void)redact(text, {});
  return 0;
}
