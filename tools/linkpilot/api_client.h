// The CLI's way to the collector: one request, one JSON answer, or an Error whose message names
// what was asked, what came back and the next thing to try. Blocking; one thread.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"

namespace linkpilot::cli {

using Json = nlohmann::json;
using Query = std::vector<std::pair<std::string, std::string>>;

struct ApiOptions {
  std::string url = "http://127.0.0.1:7180";
  std::string token_file;  // needed by POST only
  int timeout_s = 10;
};

class ApiClient {
 public:
  explicit ApiClient(ApiOptions options) : options_(std::move(options)) {}

  // Codes: unavailable (nobody answers), permission (token), not_found (with near matches),
  // timeout, corrupt (not a collector), and what the collector says of itself.
  [[nodiscard]] Result<Json> get(const std::string& path, const Query& query = {}) const;
  [[nodiscard]] Result<Json> post(const std::string& path, const Json& body, int timeout_s) const;
  // An answer that is not JSON, e.g. /metrics.
  [[nodiscard]] Result<std::string> text(const std::string& path) const;
  // The healthz answer, also when it is 503.
  [[nodiscard]] Result<Json> health() const;

 private:
  ApiOptions options_;
};

// The collector's error object as one sentence with its near matches and hint. Pure; for tests.
[[nodiscard]] Error describe_failure(int status, const std::string& body, const std::string& path);

}  // namespace linkpilot::cli
