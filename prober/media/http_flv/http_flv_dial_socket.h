// HttpFlvDial: the dial of an http:// or https:// URL that carries FLV. Each hop of a redirect is
// its own question to DNS, its own judgement by the policy, its own connection and certificate;
// what is dialled is the address that was judged.
//
// Stages, each with an absolute deadline of its own that ends with it: dns, tcp, tls, response
// (status line and all fields), flv_header, media (the first audio or video tag). One thread, that
// of the loop.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "prober/media/dial/connection_socket.h"
#include "prober/media/dial/dial.h"
#include "prober/media/dial/media_watch.h"
#include "prober/media/dial/resolver_socket.h"
#include "prober/media/flv/flv_demuxer.h"
#include "prober/media/http_flv/body_start.h"
#include "prober/media/http_flv/http_transfer_socket.h"
#include "prober/media/http_flv/http_url.h"
#include "prober/media/http_flv/response_head.h"

namespace linkpilot::prober {

class HttpFlvDial final : public Dial, private ConnectionUser {
 public:
  HttpFlvDial(DialLoop& loop, DialRequest request);
  ~HttpFlvDial() override;
  HttpFlvDial(const HttpFlvDial&) = delete;
  HttpFlvDial& operator=(const HttpFlvDial&) = delete;

  void start() override;
  void stop() override;
  [[nodiscard]] bool done() const override { return report_.end != DialEnd::running; }
  [[nodiscard]] DialReport report() const override;
  [[nodiscard]] DialProgress progress() const override;

 private:
  void begin_hop(HttpUrl url);
  void open_hop();
  void prepare_transfer(TlsContext trusted);
  void on_resolved(const Resolved& resolved);
  void connect();
  void on_connected(Now now) override;
  void on_octets(std::span<const std::uint8_t>, Now) override {}
  void on_room(Now) override {}
  void on_gone(rtmp::PeerClose how, Now now) override;
  void on_connect_failed(DialFailure failure, Now now) override;

  [[nodiscard]] bool on_secured(const TlsReport& tls, MonoTime at);
  [[nodiscard]] bool on_head_line(std::string_view line);
  [[nodiscard]] bool on_head();
  [[nodiscard]] bool on_body(std::span<const std::uint8_t> part);
  void on_transfer_done(const TransferEnd& end);
  void end_of_body(const TransferEnd& end);
  void on_deadline();
  void on_limit();
  void enter(DialStage stage);

  void limit(DialStage stage, Duration length);
  void note(std::string text);
  void mark(DialPhase phase, MonoTime at);
  void conclude(DialEnd end, std::optional<DialFailure> failure);
  void close_hop(MonoTime at);
  [[nodiscard]] DialHop& hop() { return report_.hops.back(); }
  [[nodiscard]] TargetOrigin origin() const;

  DialLoop& loop_;
  DialRequest request_;
  DialReport report_;
  MediaWatch watch_;
  FlvDemuxer demuxer_;
  LagCounts lag_before_;
  LagCounts lag_after_;
  Now ended_;

  HttpUrl url_;
  std::vector<std::string> visited_;
  std::optional<HttpUrl> next_;
  // What a handler of libcurl decided; told once libcurl has returned.
  std::optional<DialEnd> decided_;
  std::optional<DialFailure> decided_failure_;

  Resolver resolver_;
  std::unique_ptr<Connection> connection_;
  std::unique_ptr<HttpTransfer> transfer_;
  // Of the hop before; they may be in the midst of their last calls.
  std::unique_ptr<Connection> retired_connection_;
  std::unique_ptr<HttpTransfer> retired_transfer_;
  ResponseHead head_;
  std::vector<std::uint8_t> body_start_;
  DialStage stage_ = DialStage::url;  // where the dial is; what the deadline is for
  LoopTimer deadline_;
  LoopTimer limit_;  // of the opening, then of the whole
};

}  // namespace linkpilot::prober
