// HttpTransfer: one GET by libcurl's multi interface on a DialLoop, over a TCP connection that is
// already there: addresses were resolved, judged and connected by the dial, and libcurl resolves
// nothing, follows nothing and knows no proxy. TLS, framing of HTTP/1.1 and (if TLS offers it)
// HTTP/2 are libcurl's.
//
// Certificates never stop a handshake; `secured` sees them before a single octet of the request
// leaves, and says whether it may. No deadline: that is the dial's. One thread; the loop must
// outlive it. Must not be destroyed from within its handlers, `done` included.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/address.h"
#include "prober/media/dial/certificate_socket.h"
#include "prober/media/dial/dial_loop_socket.h"
#include "prober/media/http_flv/http_judgement.h"
#include "prober/media/http_flv/http_url.h"

namespace linkpilot::prober {

struct TransferRequest {
  HttpUrl url;
  SocketMode mode = SocketMode::prompt;
  TlsContext trusted;  // with https
};

// Those that return bool say whether to go on; after false only `done` is called.
struct TransferHandlers {
  std::function<bool(const TlsReport&, MonoTime at)> secured;
  std::function<bool(std::string_view line)> head_line;
  std::function<bool(std::span<const std::uint8_t> part)> body;
  std::function<void(const TransferEnd&)> done;  // once
  // Of the connection when it closes, before it is gone.
  std::function<void(int fd)> closing;
};

class HttpTransfer {
 public:
  // Makes libcurl ready, which takes a moment that belongs to no phase of the dial.
  HttpTransfer(DialLoop& loop, TransferRequest request, TransferHandlers handlers);
  ~HttpTransfer();
  HttpTransfer(const HttpTransfer&) = delete;
  HttpTransfer& operator=(const HttpTransfer&) = delete;

  // `connected` is a non-blocking descriptor, connected to `server`.
  void start(UniqueFd connected, const Endpoint& server);
  // Ends it without `done`, from anywhere but libcurl's own calls; the connection closes.
  void close();
  [[nodiscard]] ExchangeStage stage() const;  // up to the answer
  [[nodiscard]] std::optional<MonoTime> first_octet() const { return first_octet_; }
  [[nodiscard]] int fd() const { return fd_; }  // -1 once closed
  [[nodiscard]] std::uint64_t octets_out() const;

 private:
  struct Curl;  // libcurl's handles

  void configure();
  void pin(const Endpoint& server);
  void act(int fd, Readiness ready);
  void watch(int what);
  [[nodiscard]] bool judge_connection();

  DialLoop& loop_;
  TransferRequest request_;
  UniqueFd connected_;  // until libcurl has it
  TransferHandlers handlers_;
  std::unique_ptr<Curl> curl_;
  FdWatch watch_;
  LoopTimer timer_;
  bool watched_ = false;
  int fd_ = -1;
  MonoTime began_;
  std::optional<MonoTime> first_octet_;
  bool secured_ = false;
  bool done_ = false;
  std::uint64_t octets_out_ = 0;  // once curl_ is gone
};

}  // namespace linkpilot::prober
