#include "collector/notify/smtp_socket.h"

#include <curl/curl.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>

#include "collector/notify/smtp_transcript.h"

namespace linkpilot::collector {

namespace {

struct EasyCleanup {
  void operator()(CURL* easy) const { curl_easy_cleanup(easy); }
};
struct ListCleanup {
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};
using Easy = std::unique_ptr<CURL, EasyCleanup>;
using List = std::unique_ptr<curl_slist, ListCleanup>;

struct Transfer {
  std::string_view rest;
  SmtpTranscript transcript;
  const std::atomic<bool>& stop;
};

std::size_t read_message(char* buffer, std::size_t size, std::size_t count, void* context) {
  auto& transfer = *static_cast<Transfer*>(context);
  const std::size_t take = std::min(size * count, transfer.rest.size());
  std::memcpy(buffer, transfer.rest.data(), take);
  transfer.rest.remove_prefix(take);
  return take;
}

int note_line(CURL*, curl_infotype kind, char* data, std::size_t size, void* context) {
  auto& transfer = *static_cast<Transfer*>(context);
  if (kind == CURLINFO_HEADER_OUT) transfer.transcript.sent({data, size});
  if (kind == CURLINFO_HEADER_IN) transfer.transcript.received({data, size});
  return 0;
}

std::size_t discard(char*, std::size_t size, std::size_t count, void*) { return size * count; }

int check_stop(void* context, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  return static_cast<Transfer*>(context)->stop ? 1 : 0;
}

template <typename Value>
void set(const Easy& easy, CURLoption option, Value value) {
  // Fails only for options this libcurl does not know, and the build names the version.
  (void)curl_easy_setopt(easy.get(), option, value);
}

void set_security(const Easy& easy, const MailSettings& settings) {
  switch (settings.security) {
    case MailSecurity::starttls:
    case MailSecurity::tls:
      set(easy, CURLOPT_USE_SSL, static_cast<long>(CURLUSESSL_ALL));
      break;
    case MailSecurity::none:
      set(easy, CURLOPT_USE_SSL, static_cast<long>(CURLUSESSL_NONE));
      break;
  }
  set(easy, CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
  set(easy, CURLOPT_SSL_VERIFYPEER, settings.verify_certificate ? 1L : 0L);
  set(easy, CURLOPT_SSL_VERIFYHOST, settings.verify_certificate ? 2L : 0L);
  if (!settings.ca_file.empty()) set(easy, CURLOPT_CAINFO, settings.ca_file.c_str());
}

void set_patience(const Easy& easy, const MailSettings& settings, Transfer& transfer) {
  const auto patience = static_cast<long>(
      std::chrono::duration_cast<std::chrono::milliseconds>(settings.timeout).count());
  set(easy, CURLOPT_NOSIGNAL, 1L);
  set(easy, CURLOPT_TIMEOUT_MS, patience);
  set(easy, CURLOPT_CONNECTTIMEOUT_MS, patience);
  set(easy, CURLOPT_SERVER_RESPONSE_TIMEOUT, std::max(1L, patience / 1'000));
  set(easy, CURLOPT_NOPROGRESS, 0L);
  set(easy, CURLOPT_XFERINFOFUNCTION, &check_stop);
  set(easy, CURLOPT_XFERINFODATA, &transfer);
}

std::string describe(CURLcode code, const char* detail, const SmtpTranscript& transcript) {
  std::string text = detail[0] != '\0' ? detail : curl_easy_strerror(code);
  if (code == CURLE_USE_SSL_FAILED || code == CURLE_REMOTE_ACCESS_DENIED) {
    text += "; nothing is sent in clear unless [mail] security = \"none\"";
  } else if (code == CURLE_PEER_FAILED_VERIFICATION) {
    text += "; see [mail] ca_file and verify_certificate";
  } else if (code == CURLE_LOGIN_DENIED) {
    text += "; see [mail] user and password_file";
  }
  if (transcript.last().code != 0) {
    text += fmt::format(" (the server said last: {} {})", transcript.last().code,
                        transcript.last().text);
  }
  return clean_line(text);
}

}  // namespace

SmtpReport smtp_send(const MailSettings& settings, const std::string& password,
                     const OutgoingMail& mail, const std::atomic<bool>& stop) {
  static const CURLcode ready = curl_global_init(CURL_GLOBAL_DEFAULT);
  SmtpReport failed;
  failed.error = "libcurl does not start";
  if (ready != CURLE_OK) return failed;
  const Easy easy(curl_easy_init());
  if (!easy) return failed;
  List recipients;
  for (const std::string& address : mail.recipients) {
    curl_slist* longer = curl_slist_append(recipients.get(), ("<" + address + ">").c_str());
    if (longer == nullptr) return failed;
    (void)recipients.release();
    recipients.reset(longer);
  }
  Transfer transfer{mail.octets, SmtpTranscript(mail.recipients.size()), stop};
  // The path is what EHLO says: our name.
  const std::string url =
      fmt::format("{}://{}/{}", settings.security == MailSecurity::tls ? "smtps" : "smtp",
                  settings.server, domain_of(settings.from));
  const std::string sender = "<" + mail.from + ">";
  std::array<char, CURL_ERROR_SIZE> detail{};
  set(easy, CURLOPT_URL, url.c_str());
  set(easy, CURLOPT_PROTOCOLS_STR, "smtp,smtps");
  set(easy, CURLOPT_PROXY, "");  // whatever the environment says
  set(easy, CURLOPT_FORBID_REUSE, 1L);
  set(easy, CURLOPT_ERRORBUFFER, detail.data());
  set_security(easy, settings);
  set_patience(easy, settings, transfer);
  if (!settings.user.empty()) {
    set(easy, CURLOPT_USERNAME, settings.user.c_str());
    set(easy, CURLOPT_PASSWORD, password.c_str());
  }
  set(easy, CURLOPT_MAIL_FROM, sender.c_str());
  set(easy, CURLOPT_MAIL_RCPT, recipients.get());
  set(easy, CURLOPT_MAIL_RCPT_ALLLOWFAILS, 1L);
  set(easy, CURLOPT_UPLOAD, 1L);
  set(easy, CURLOPT_READFUNCTION, &read_message);
  set(easy, CURLOPT_READDATA, &transfer);
  set(easy, CURLOPT_INFILESIZE_LARGE, static_cast<curl_off_t>(mail.octets.size()));
  set(easy, CURLOPT_WRITEFUNCTION, &discard);
  set(easy, CURLOPT_HEADERFUNCTION, &discard);
  set(easy, CURLOPT_VERBOSE, 1L);  // to `note_line` only
  set(easy, CURLOPT_DEBUGFUNCTION, &note_line);
  set(easy, CURLOPT_DEBUGDATA, &transfer);
  const CURLcode code = curl_easy_perform(easy.get());
  SmtpReport report = transfer.transcript.report();
  // A server that has taken the message has it, however badly it parts.
  if (code != CURLE_OK && !report.message.good()) {
    report.error = describe(code, detail.data(), transfer.transcript);
  }
  return report;
}

}  // namespace linkpilot::collector
