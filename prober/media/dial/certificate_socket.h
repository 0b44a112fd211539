// What is wrong with a server's certificate, each fault by its own name, for whoever makes TLS
// connections with OpenSSL: our own, and libcurl's through CURLOPT_SSL_CTX_FUNCTION. Here, behind a
// name of a shell, because it is OpenSSL's business. One thread.
#pragma once

#include <memory>
#include <string>

#include "base/result.h"
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

// The same settings on a context that somebody else made (libcurl).
[[nodiscard]] Status prepare_tls_context(ssl_ctx_st* context, const std::string& ca_file);

// Of a connection whose handshake is complete; the fault of the certificate if there is one, of
// several the one an operator mends first (expired, name, self-signed, chain). `host` is the name
// or literal address that was dialled.
[[nodiscard]] TlsReport read_tls(ssl_st* connection, const std::string& host);

// A sentence for the fault of a report that has one.
[[nodiscard]] std::string certificate_sentence(const TlsReport& report, const std::string& host);

}  // namespace linkpilot::prober
