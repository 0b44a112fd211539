#include "prober/media/http_flv/http_transfer_socket.h"

#include <curl/curl.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>

#include "prober/media/rtmp/printable.h"

namespace linkpilot::prober {

// Callbacks are C functions: static members, so that they may see the transfer's own.
struct HttpTransfer::Curl {
  struct EasyDeleter {
    void operator()(CURL* easy) const { curl_easy_cleanup(easy); }
  };
  struct MultiDeleter {
    void operator()(CURLM* multi) const { curl_multi_cleanup(multi); }
  };
  struct SlistDeleter {
    void operator()(curl_slist* list) const { curl_slist_free_all(list); }
  };

  std::unique_ptr<CURLM, MultiDeleter> multi{curl_multi_init()};
  std::unique_ptr<CURL, EasyDeleter> easy{curl_easy_init()};
  std::unique_ptr<curl_slist, SlistDeleter> resolve;
  std::unique_ptr<curl_slist, SlistDeleter> fields;
  std::array<char, CURL_ERROR_SIZE> detail{};

  ~Curl() {
    if (multi && easy) curl_multi_remove_handle(multi.get(), easy.get());
    // The connection lives in the multi handle and is closed through a callback of the easy one.
    easy.reset();
    multi.reset();
  }
  template <typename Value>
  void set(CURLoption option, Value value) {
    // Fails only for options this libcurl does not know, and the build names the version.
    (void)curl_easy_setopt(easy.get(), option, value);
  }

  static int on_socket(CURL*, curl_socket_t, int what, void* self, void*) {
    static_cast<HttpTransfer*>(self)->watch(what);
    return 0;
  }
  static int on_timer(CURLM*, long ms, void* self) {
    auto& transfer = *static_cast<HttpTransfer*>(self);
    if (ms < 0) {
      transfer.timer_.cancel();
    } else {
      transfer.timer_.set(transfer.loop_.now().mono + std::chrono::milliseconds(ms));
    }
    return 0;
  }
  static curl_socket_t on_open(void* self, curlsocktype, curl_sockaddr*) {
    auto& transfer = *static_cast<HttpTransfer*>(self);
    // A second connection (libcurl tries again where a kept one was stale) is not to be had.
    if (!transfer.connected_) return CURL_SOCKET_BAD;
    return transfer.fd_ = transfer.connected_.release();
  }
  static int on_opened(void*, curl_socket_t, curlsocktype) {
    return CURL_SOCKOPT_ALREADY_CONNECTED;
  }
  static int on_close(void* self, curl_socket_t fd) {
    auto& transfer = *static_cast<HttpTransfer*>(self);
    if (fd == transfer.fd_) {
      transfer.fd_ = -1;
      transfer.watch(CURL_POLL_REMOVE);
      if (transfer.handlers_.closing) transfer.handlers_.closing(fd);
    }
    return ::close(fd);
  }
  static CURLcode on_tls_context(CURL*, void* context, void* self) {
    const auto& transfer = *static_cast<HttpTransfer*>(self);
    prepare_tls_context(static_cast<ssl_ctx_st*>(context), transfer.request_.trusted.get());
    return CURLE_OK;
  }
  static int on_ready(void* self, char*, char*, int, int) {
    return static_cast<HttpTransfer*>(self)->judge_connection() ? CURL_PREREQFUNC_OK
                                                                : CURL_PREREQFUNC_ABORT;
  }
  static std::size_t on_head(char* data, std::size_t size, std::size_t count, void* self) {
    auto& transfer = *static_cast<HttpTransfer*>(self);
    if (!transfer.first_octet_) transfer.first_octet_ = transfer.loop_.now().mono;
    return transfer.handlers_.head_line({data, size * count}) ? size * count : 0;
  }
  static std::size_t on_body(char* data, std::size_t size, std::size_t count, void* self) {
    auto& transfer = *static_cast<HttpTransfer*>(self);
    const std::size_t octets = size * count;
    const bool go_on =
        transfer.handlers_.body({reinterpret_cast<const std::uint8_t*>(data), octets});
    return go_on || octets == 0 ? octets : 0;
  }
};

HttpTransfer::HttpTransfer(DialLoop& loop, TransferRequest request, TransferHandlers handlers)
    : loop_(loop),
      request_(std::move(request)),
      handlers_(std::move(handlers)),
      timer_(loop, [this] { act(CURL_SOCKET_TIMEOUT, {}); }) {
  static const CURLcode ready = curl_global_init(CURL_GLOBAL_DEFAULT);
  if (ready != CURLE_OK) return;
  curl_ = std::make_unique<Curl>();
  if (curl_->multi && curl_->easy) {
    configure();
  } else {
    curl_.reset();
  }
}

HttpTransfer::~HttpTransfer() { close(); }

// Before the members that closing calls back to.
void HttpTransfer::close() {
  done_ = true;
  octets_out_ = octets_out();
  curl_.reset();
  timer_.cancel();
}

void HttpTransfer::configure() {
  Curl& curl = *curl_;
  curl_multi_setopt(curl.multi.get(), CURLMOPT_SOCKETFUNCTION, &Curl::on_socket);
  curl_multi_setopt(curl.multi.get(), CURLMOPT_SOCKETDATA, this);
  curl_multi_setopt(curl.multi.get(), CURLMOPT_TIMERFUNCTION, &Curl::on_timer);
  curl_multi_setopt(curl.multi.get(), CURLMOPT_TIMERDATA, this);

  const std::string url = request_.url.text();
  curl.set(CURLOPT_URL, url.c_str());
  curl.set(CURLOPT_PROTOCOLS_STR, "http,https");
  curl.set(CURLOPT_PATH_AS_IS, 1L);
  curl.set(CURLOPT_PROXY, "");  // whatever the environment says
  curl.set(CURLOPT_NOSIGNAL, 1L);
  curl.set(CURLOPT_FOLLOWLOCATION, 0L);
  curl.set(CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_2TLS));
  curl.set(CURLOPT_USERAGENT, "LinkPilot");
  curl.set(CURLOPT_FORBID_REUSE, 1L);
  curl.set(CURLOPT_TCP_NODELAY, request_.mode == SocketMode::prompt ? 1L : 0L);
  // What libcurl would wait for by itself is longer than any deadline of ours.
  curl.set(CURLOPT_CONNECTTIMEOUT, 3600L);
  curl.set(CURLOPT_ERRORBUFFER, curl.detail.data());
  if (!request_.url.user.empty()) {
    curl.set(CURLOPT_HTTPAUTH, static_cast<long>(CURLAUTH_BASIC));
    curl.set(CURLOPT_USERNAME, request_.url.user.c_str());
    curl.set(CURLOPT_PASSWORD, request_.url.password.c_str());
  }
  // An edge that compresses what it was not asked for is told so; CURLOPT_ACCEPT_ENCODING would
  // undo the compression, and hide it.
  curl.fields.reset(curl_slist_append(nullptr, "Accept-Encoding: identity"));
  curl.set(CURLOPT_HTTPHEADER, curl.fields.get());
  curl.set(CURLOPT_OPENSOCKETFUNCTION, &Curl::on_open);
  curl.set(CURLOPT_OPENSOCKETDATA, this);
  curl.set(CURLOPT_SOCKOPTFUNCTION, &Curl::on_opened);
  curl.set(CURLOPT_CLOSESOCKETFUNCTION, &Curl::on_close);
  curl.set(CURLOPT_CLOSESOCKETDATA, this);
  curl.set(CURLOPT_SSL_VERIFYPEER, 0L);  // `secured` judges
  curl.set(CURLOPT_SSL_VERIFYHOST, 0L);
  curl.set(CURLOPT_CAINFO, static_cast<char*>(nullptr));
  curl.set(CURLOPT_CAPATH, static_cast<char*>(nullptr));
  curl.set(CURLOPT_SSL_CTX_FUNCTION, &Curl::on_tls_context);
  curl.set(CURLOPT_SSL_CTX_DATA, this);
  curl.set(CURLOPT_PREREQFUNCTION, &Curl::on_ready);
  curl.set(CURLOPT_PREREQDATA, this);
  curl.set(CURLOPT_HEADERFUNCTION, &Curl::on_head);
  curl.set(CURLOPT_HEADERDATA, this);
  curl.set(CURLOPT_WRITEFUNCTION, &Curl::on_body);
  curl.set(CURLOPT_WRITEDATA, this);
}

void HttpTransfer::pin(const Endpoint& server) {
  if (IpAddress::parse(request_.url.host)) return;  // literal addresses need no answer
  const std::string pinned =
      fmt::format("{}:{}:{}", request_.url.host, request_.url.port, server.address.to_string());
  curl_->resolve.reset(curl_slist_append(nullptr, pinned.c_str()));
  curl_->set(CURLOPT_RESOLVE, curl_->resolve.get());
}

void HttpTransfer::start(UniqueFd connected, const Endpoint& server) {
  began_ = loop_.now().mono;
  connected_ = std::move(connected);
  if (!curl_) {
    done_ = true;
    handlers_.done({.code = CURLE_FAILED_INIT, .os_error = 0, .detail = "libcurl does not start"});
    return;
  }
  pin(server);
  curl_multi_add_handle(curl_->multi.get(), curl_->easy.get());
  act(CURL_SOCKET_TIMEOUT, {});
}

void HttpTransfer::watch(int what) {
  if (what == CURL_POLL_REMOVE || fd_ < 0) {
    watch_.reset();
    watched_ = false;
    return;
  }
  const Interest interest{.read = what == CURL_POLL_IN || what == CURL_POLL_INOUT,
                          .write = what == CURL_POLL_OUT || what == CURL_POLL_INOUT};
  if (watched_) {
    watch_.want(interest);
    return;
  }
  watched_ = true;
  watch_ = FdWatch(loop_, fd_, interest, [this](Readiness ready) { act(fd_, ready); });
}

// `fd` is the connection, or CURL_SOCKET_TIMEOUT.
void HttpTransfer::act(int fd, Readiness ready) {
  if (done_) return;
  if (fd >= 0 && ready.read && request_.mode == SocketMode::prompt) {
    const int on = 1;  // the kernel takes it back by itself
    ::setsockopt(fd, IPPROTO_TCP, TCP_QUICKACK, &on, sizeof(on));
  }
  const int mask = (ready.read ? CURL_CSELECT_IN : 0) | (ready.write ? CURL_CSELECT_OUT : 0);
  int running = 0;
  curl_multi_socket_action(curl_->multi.get(), fd, mask, &running);
  int left = 0;
  while (const CURLMsg* message = curl_multi_info_read(curl_->multi.get(), &left)) {
    if (message->msg != CURLMSG_DONE) continue;
    long os_error = 0;
    curl_easy_getinfo(curl_->easy.get(), CURLINFO_OS_ERRNO, &os_error);
    const char* detail =
        curl_->detail[0] != '\0' ? curl_->detail.data() : curl_easy_strerror(message->data.result);
    done_ = true;
    handlers_.done({.code = static_cast<int>(message->data.result),
                    .os_error = static_cast<int>(os_error),
                    .detail = rtmp::printable(detail)});
    return;
  }
}

// Called once the connection can carry the request, and TLS stands if there is any.
bool HttpTransfer::judge_connection() {
  curl_off_t took_us = 0;
  curl_easy_getinfo(curl_->easy.get(), CURLINFO_APPCONNECT_TIME_T, &took_us);
  const curl_tlssessioninfo* session = nullptr;
  curl_easy_getinfo(curl_->easy.get(), CURLINFO_TLS_SSL_PTR, &session);
  secured_ = true;
  if (!request_.url.tls) return true;
  if (session == nullptr || session->internals == nullptr) return false;
  return handlers_.secured(read_tls(static_cast<ssl_st*>(session->internals), request_.url.host),
                           began_ + std::chrono::microseconds(took_us));
}

ExchangeStage HttpTransfer::stage() const {
  if (request_.url.tls && !secured_) return ExchangeStage::tls;
  return octets_out() == 0 ? ExchangeStage::request : ExchangeStage::response;
}

std::uint64_t HttpTransfer::octets_out() const {
  if (!curl_) return octets_out_;
  long octets = 0;
  curl_easy_getinfo(curl_->easy.get(), CURLINFO_REQUEST_SIZE, &octets);
  return static_cast<std::uint64_t>(octets);
}

}  // namespace linkpilot::prober
