// RtmpDial: a pull or push over RTMP or RTMPS, from the name to the verdict: DNS, TCP, TLS, the
// session of rtmp/, redirects each on a connection of its own, what the tags say, and for a push
// the stream and its read-back. See dial.h.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "prober/media/dial/connection_socket.h"
#include "prober/media/dial/dial.h"
#include "prober/media/dial/dial_loop_socket.h"
#include "prober/media/dial/media_watch.h"
#include "prober/media/dial/push_pacer.h"
#include "prober/media/dial/resolver_socket.h"
#include "prober/media/rtmp/rtmp_client.h"

namespace linkpilot::prober {

class RtmpDial final : public Dial, private ConnectionUser {
 public:
  RtmpDial(DialLoop& loop, DialRequest request);

  void start() override;
  void stop() override;
  [[nodiscard]] bool done() const override { return end_ != DialEnd::running; }
  [[nodiscard]] DialReport report() const override;
  [[nodiscard]] DialProgress progress() const override;

 private:
  // A connection and its session; kept until the next one begins.
  struct Hop {
    DialHop report;
    rtmp::RtmpUrl url;
    std::unique_ptr<rtmp::RtmpClient> client;
    std::unique_ptr<Connection> connection;
  };
  struct Push {
    explicit Push(PushFeeder feeder) : pacer(std::move(feeder)) {}
    PushPacer pacer;
    std::unique_ptr<Dial> reader;
  };

  void on_connected(Now now) override;
  void on_octets(std::span<const std::uint8_t> octets, Now now) override;
  void on_room(Now now) override;
  void on_gone(rtmp::PeerClose how, Now now) override;
  void on_connect_failed(DialFailure failure, Now now) override;

  [[nodiscard]] Status prepare(rtmp::RtmpClientOptions& options);
  [[nodiscard]] Status trust(const rtmp::RtmpUrl& url);
  void begin_hop(rtmp::RtmpClientOptions options, std::string why);
  void connect(const Resolved& resolved);
  void on_resolved(Resolved resolved);
  void on_timer();
  void on_limit();
  void settle(Now now);
  void take_events();
  void flush(Now now);
  void on_outcome(Now now);
  void arm(Now now);
  void feed(Now now);
  void begin_read_back(Now now);
  [[nodiscard]] bool push_is_over(Now now) const;
  void finish(DialEnd end, std::optional<DialFailure> failure, Now now);
  void finish_in_order(DialEnd end, std::optional<DialFailure> failure, Now now);
  [[nodiscard]] std::string masked(const rtmp::RtmpUrl& url) const;
  [[nodiscard]] DialStage stage() const;
  [[nodiscard]] bool has_begun() const;  // media, or the push
  [[nodiscard]] bool is_push() const { return request_.direction == DialDirection::push; }

  DialLoop& loop_;
  DialRequest request_;
  Now started_;
  LagCounts lag_before_;
  LagCounts lag_after_;
  MediaWatch watch_;
  Resolver resolver_;
  LoopTimer timer_;
  LoopTimer limit_;  // of the opening, then of the whole
  TlsContext trusted_;
  std::deque<Hop> hops_;
  rtmp::RtmpClientOptions options_;  // of the present hop
  std::optional<rtmp::Reconnect> next_;
  TargetOrigin origin_ = TargetOrigin::given;
  std::optional<Push> push_;
  std::pair<std::uint64_t, std::uint64_t> octets_before_{};  // in and out, of earlier hops
  std::vector<std::string> notices_;
  std::optional<Now> stream_ended_;  // the server's word; it may come back
  std::string end_code_;
  DialEnd end_ = DialEnd::running;
  Now ended_;
  std::optional<DialFailure> failure_;
  std::string url_shown_;
};

}  // namespace linkpilot::prober
