// What is wrong with a server's certificate, each fault by its own name, for whoever makes TLS
// connections with OpenSSL: our own, and libcurl's through CURLOPT_SSL_CTX_FUNCTION. Here, behind a
// name of a shell, because it is OpenSSL's business. One thread.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "base/result.h"
#include "base/time.h"
#include "prober/media/dial/dial_report.h"

struct ssl_ctx_st;
struct ssl_st;

namespace linkpilot::prober {

// A context for clients: system trust, or `ca_file` alone; TLS 1.2 at least; buffers released when
// idle. Verification never stops a handshake: its result is read afterwards with read_certificate.
struct TlsContextDeleter {
  void operator()(ssl_ctx_st* context) const;
};
using TlsContext = std::unique_ptr<ssl_ctx_st, TlsContextDeleter>;
[[nodiscard]] Result<TlsContext> make_tls_context(const std::string& ca_file);

// The same settings and trust on a context that somebody else made (libcurl).
void prepare_tls_context(ssl_ctx_st* context, ssl_ctx_st* trusted);

// The contexts of a loop. Reading the trusted certificates takes milliseconds, which belong to no
// phase of a dial: it is done once for each file, before the dial's clock starts, and again when
// what was read is kAgeMax old. At most kFilesMax files are kept.
class TrustedContexts {
 public:
  static constexpr std::size_t kFilesMax = 32;
  static constexpr Duration kAgeMax = std::chrono::minutes(1);

  // Shared with whoever has it already.
  [[nodiscard]] Result<TlsContext> find(const std::string& ca_file, MonoTime now);
  [[nodiscard]] std::uint64_t reads() const { return reads_; }

 private:
  struct Known {
    TlsContext context;
    MonoTime read_at;
  };
  std::map<std::string, Known> known_;
  std::uint64_t reads_ = 0;
};

// Of a connection whose handshake is complete; the fault of the certificate if there is one, of
// several the one an operator mends first (expired, name, self-signed, chain). `host` is the name
// or literal address that was dialled.
[[nodiscard]] TlsReport read_tls(ssl_st* connection, const std::string& host);

// A sentence for the fault of a report that has one.
[[nodiscard]] std::string certificate_sentence(const TlsReport& report, const std::string& host);

}  // namespace linkpilot::prober
