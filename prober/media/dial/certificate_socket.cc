#include "prober/media/dial/certificate_socket.h"

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <array>
#include <ctime>
#include <vector>

#include "base/address.h"
#include "prober/media/rtmp/printable.h"

namespace linkpilot::prober {
namespace {

std::string openssl_words() {
  const unsigned long error = ERR_get_error();
  if (error == 0) return "unknown fault";
  std::array<char, 160> text{};
  ERR_error_string_n(error, text.data(), text.size());
  ERR_clear_error();
  return text.data();
}

std::string name_text(const X509_NAME* name) {
  const std::unique_ptr<BIO, decltype(&BIO_free_all)> out(BIO_new(BIO_s_mem()), &BIO_free_all);
  if (!out || X509_NAME_print_ex(out.get(), name, 0, XN_FLAG_ONELINE & ~ASN1_STRFLGS_ESC_MSB) < 0) {
    return {};
  }
  char* data = nullptr;
  const long octets = BIO_get_mem_data(out.get(), &data);
  return rtmp::printable(std::string_view(data, static_cast<std::size_t>(octets)));
}

UnixNanos time_of(const ASN1_TIME* time) {
  std::tm parts{};
  if (ASN1_TIME_to_tm(time, &parts) != 1) return {};
  return {std::int64_t{timegm(&parts)} * 1'000'000'000};
}

// Goes on after each fault, so that all are found and not the first alone.
int collect_fault(int ok, X509_STORE_CTX* context) {
  if (ok == 1) return 1;
  auto* faults = static_cast<std::vector<int>*>(X509_STORE_CTX_get_app_data(context));
  if (faults->size() < 32) faults->push_back(X509_STORE_CTX_get_error(context));
  return 1;
}

std::vector<int> faults_of(SSL* connection, X509* leaf, const std::string& host) {
  std::vector<int> faults;
  const std::unique_ptr<X509_STORE_CTX, decltype(&X509_STORE_CTX_free)> context(
      X509_STORE_CTX_new(), &X509_STORE_CTX_free);
  X509_STORE* store = SSL_CTX_get_cert_store(SSL_get_SSL_CTX(connection));
  if (!context ||
      X509_STORE_CTX_init(context.get(), store, leaf, SSL_get_peer_cert_chain(connection)) != 1) {
    return {X509_V_ERR_UNSPECIFIED};
  }
  X509_STORE_CTX_set_default(context.get(), "ssl_server");
  X509_VERIFY_PARAM* rules = X509_STORE_CTX_get0_param(context.get());
  if (IpAddress::parse(host)) {
    X509_VERIFY_PARAM_set1_ip_asc(rules, host.c_str());
  } else {
    X509_VERIFY_PARAM_set1_host(rules, host.c_str(), host.size());
  }
  X509_STORE_CTX_set_app_data(context.get(), &faults);
  X509_STORE_CTX_set_verify_cb(context.get(), &collect_fault);
  X509_verify_cert(context.get());
  return faults;
}

struct FaultRow {
  int openssl;
  DialFault fault;
};

// The first row that was found is the fault: what an operator mends first.
constexpr std::array kFaults{
    FaultRow{X509_V_ERR_CERT_HAS_EXPIRED, DialFault::certificate_expired},
    FaultRow{X509_V_ERR_CERT_NOT_YET_VALID, DialFault::certificate_not_yet_valid},
    FaultRow{X509_V_ERR_HOSTNAME_MISMATCH, DialFault::certificate_name},
    FaultRow{X509_V_ERR_IP_ADDRESS_MISMATCH, DialFault::certificate_name},
    FaultRow{X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT, DialFault::certificate_self_signed},
    FaultRow{X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN, DialFault::certificate_chain},
    FaultRow{X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT, DialFault::certificate_chain},
    FaultRow{X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY, DialFault::certificate_chain},
    FaultRow{X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE, DialFault::certificate_chain},
    FaultRow{X509_V_ERR_CERT_SIGNATURE_FAILURE, DialFault::certificate_chain},
    FaultRow{X509_V_ERR_CERT_CHAIN_TOO_LONG, DialFault::certificate_chain},
    FaultRow{X509_V_ERR_INVALID_CA, DialFault::certificate_chain},
};

void judge(const std::vector<int>& faults, TlsReport& report) {
  if (faults.empty()) return;
  for (const FaultRow& row : kFaults) {
    if (std::find(faults.begin(), faults.end(), row.openssl) == faults.end()) continue;
    report.certificate_fault = row.fault;
    report.certificate_code = X509_verify_cert_error_string(row.openssl);
    return;
  }
  report.certificate_fault = DialFault::certificate_other;
  report.certificate_code = X509_verify_cert_error_string(faults.front());
}

}  // namespace

void TlsContextDeleter::operator()(ssl_ctx_st* context) const { SSL_CTX_free(context); }

namespace {

void apply_settings(SSL_CTX* context) {
  SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
  SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION);
  SSL_CTX_set_verify(context, SSL_VERIFY_NONE, nullptr);
}

}  // namespace

Result<TlsContext> make_tls_context(const std::string& ca_file) {
  TlsContext context(SSL_CTX_new(TLS_client_method()));
  if (!context) return fail(ErrorCode::internal, "cannot make a TLS context: " + openssl_words());
  apply_settings(context.get());
  const int loaded = ca_file.empty()
                         ? SSL_CTX_set_default_verify_paths(context.get())
                         : SSL_CTX_load_verify_locations(context.get(), ca_file.c_str(), nullptr);
  if (loaded == 1) return context;
  return fail(ErrorCode::invalid_argument,
              fmt::format("cannot read trusted certificates{}: {}",
                          ca_file.empty() ? "" : " from " + ca_file, openssl_words()));
}

void prepare_tls_context(ssl_ctx_st* context, ssl_ctx_st* trusted) {
  apply_settings(context);
  SSL_CTX_set1_cert_store(context, SSL_CTX_get_cert_store(trusted));
}

Result<TlsContext> TrustedContexts::find(const std::string& ca_file, MonoTime now) {
  auto known = known_.find(ca_file);
  if (known == known_.end() || now - known->second.read_at >= kAgeMax) {
    Result<TlsContext> made = make_tls_context(ca_file);
    if (!made) return fail(made.error());
    ++reads_;
    if (known_.size() >= kFilesMax && known == known_.end()) known_.clear();
    known =
        known_.insert_or_assign(ca_file, Known{.context = std::move(*made), .read_at = now}).first;
  }
  SSL_CTX_up_ref(known->second.context.get());
  return TlsContext(known->second.context.get());
}

TlsReport read_tls(ssl_st* connection, const std::string& host) {
  TlsReport report;
  report.version = SSL_get_version(connection);
  report.cipher = SSL_get_cipher_name(connection);
  const unsigned char* alpn = nullptr;
  unsigned alpn_octets = 0;
  SSL_get0_alpn_selected(connection, &alpn, &alpn_octets);
  for (unsigned i = 0; i < alpn_octets; ++i) report.alpn += static_cast<char>(alpn[i]);
  const STACK_OF(X509)* chain = SSL_get_peer_cert_chain(connection);
  report.chain_length = chain == nullptr ? 0 : static_cast<std::uint32_t>(sk_X509_num(chain));
  const std::unique_ptr<X509, decltype(&X509_free)> leaf(SSL_get1_peer_certificate(connection),
                                                         &X509_free);
  if (!leaf) {
    report.certificate_fault = DialFault::certificate_other;
    report.certificate_code = "no certificate";
    return report;
  }
  report.subject = name_text(X509_get_subject_name(leaf.get()));
  report.issuer = name_text(X509_get_issuer_name(leaf.get()));
  report.not_after = time_of(X509_get0_notAfter(leaf.get()));
  judge(faults_of(connection, leaf.get(), host), report);
  return report;
}

std::string certificate_sentence(const TlsReport& report, const std::string& host) {
  switch (report.certificate_fault.value_or(DialFault::certificate_other)) {
    case DialFault::certificate_expired:
      return fmt::format("the certificate of {} expired at {}: renew it", host,
                         format_utc(report.not_after));
    case DialFault::certificate_not_yet_valid:
      return fmt::format("the certificate of {} is not valid yet: check the clocks of both ends",
                         host);
    case DialFault::certificate_name:
      return fmt::format("the certificate is for another name than {}: it names {}", host,
                         report.subject);
    case DialFault::certificate_self_signed:
      return fmt::format("the certificate of {} is signed by itself: no player will trust it",
                         host);
    case DialFault::certificate_chain:
      return fmt::format(
          "nobody we trust has signed the certificate of {}, or an intermediate certificate is "
          "missing (issuer: {})",
          host, report.issuer);
    default:
      return fmt::format("the certificate of {} cannot be trusted: {}", host,
                         report.certificate_code);
  }
}

}  // namespace linkpilot::prober
