// Certificates for tests of TLS, made by openssl in a directory: an authority, and keys with
// certificates of it that are good, expired, for another name, or signed by themselves or by
// somebody nobody trusts.
#pragma once

#include <fmt/format.h>

#include <cstdlib>
#include <string>

#include "base/assert.h"

namespace linkpilot {

class Certificates {
 public:
  explicit Certificates(std::string directory) : directory_(std::move(directory)) {
    make_authority("ca");
    make_authority("stranger");
    sign("good", "IP:127.0.0.1,DNS:localhost", "ca", 30);
    sign("expired", "IP:127.0.0.1,DNS:localhost", "ca", -1);
    sign("other", "DNS:other.example", "ca", 30);
    sign("unknown", "IP:127.0.0.1,DNS:localhost", "stranger", 30);
    run(
        fmt::format("openssl req -x509 {} -days 30 -subj /CN=self -addext "
                    "subjectAltName=IP:127.0.0.1,DNS:localhost -keyout {} -out {}",
                    kNewKey, key("self"), certificate("self")));
  }

  // Of "good", "expired", "other", "unknown", "self".
  [[nodiscard]] std::string certificate(const std::string& name) const {
    return fmt::format("{}/{}.pem", directory_, name);
  }
  [[nodiscard]] std::string key(const std::string& name) const {
    return fmt::format("{}/{}.key", directory_, name);
  }
  [[nodiscard]] std::string authority() const { return certificate("ca"); }

 private:
  static constexpr const char* kNewKey = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";

  static void run(const std::string& command) {
    if (std::system((command + " >/dev/null 2>&1").c_str()) == 0) return;
    std::fprintf(stderr, "failed: %s\n", command.c_str());
    std::abort();
  }
  void make_authority(const std::string& name) const {
    run(fmt::format(
        "openssl req -x509 {} -days 3650 -subj '/CN=LinkPilot test {}' -keyout {} -out {}", kNewKey,
        name, key(name), certificate(name)));
  }
  void sign(const std::string& name, const std::string& subjects, const std::string& by,
            int days) const {
    const std::string request = fmt::format("{}/{}.csr", directory_, name);
    run(fmt::format("openssl req {} -subj /CN={} -addext subjectAltName={} -keyout {} -out {}",
                    kNewKey, name, subjects, key(name), request));
    run(
        fmt::format("openssl x509 -req -in {} -CA {} -CAkey {} -CAcreateserial -days {} "
                    "-copy_extensions copy -out {}",
                    request, certificate(by), key(by), days, certificate(name)));
  }

  std::string directory_;
};

}  // namespace linkpilot
