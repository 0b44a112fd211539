// The forwarding media process of one node, as a step on time: it sends one paced datagram stream
// to every other node of its table along the looked-up push path, relays the streams of others,
// records what arrives, and logs what changed. One thread; the caller sleeps between steps (2 ms
// are right: a process that sleeps 100 us between look-ups eats a core, see the budgets).
//
// Its files, in the output folder, for the report:
//   NAME.receipts      receipt_log.h
//   NAME.events.jsonl  one object per line, "e" tells which:
//     table  {t, self, epoch, version, nodes: {id: name},   a table was taken in
//             routes: {target: [path, ...]}}               push candidates, best first
//     choice {t, to, status, path, flags, version}         what a look-up answers has changed
//     stats  {t, lookups: {...}, fates: {...}, ...}        every second; counts since the start
#pragma once

#include <array>
#include <cstdint>
#include <cstdio>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/address.h"
#include "base/result.h"
#include "base/rng.h"
#include "base/time.h"
#include "tools/media/forwarding.h"
#include "tools/media/media_socket.h"
#include "tools/media/receipt_log.h"
#include "tools/media/route_view.h"

namespace linkpilot::media {

inline constexpr std::size_t kStreamsMax = 4096;

struct MediaOptions {
  std::string name;  // of the files
  std::string output_folder = ".";
  std::uint16_t port = 7400;
  IpAddress listen;                  // unspecified: all addresses of the host
  double datagrams_per_second = 50;  // of each stream
  double lookups_per_second = 1000;  // beside those for sending, over all targets in turn
  std::size_t datagram_bytes = 200;  // header and padding
  std::uint64_t seed = 1;            // of the streams' phases
  RouteView::Options routes;
};

class MediaNode {
 public:
  [[nodiscard]] static Result<std::unique_ptr<MediaNode>> create(MediaOptions options, Now now);
  ~MediaNode();
  MediaNode(const MediaNode&) = delete;
  MediaNode& operator=(const MediaNode&) = delete;

  void step(Now now);

 private:
  struct Stream {
    std::string target_name;
    std::uint32_t sequence = 0;
    MonoTime due;
    ChosenPath choice;  // the last one logged
  };
  struct CloseFile {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  using EventFile = std::unique_ptr<std::FILE, CloseFile>;

  MediaNode(MediaOptions options, RouteView routes, MediaSocket socket, ReceiptLog receipts,
            EventFile events, Now now);
  void take_in_table(Now now);
  void receive(Now now);
  void relay(const Datagram& advanced, Now now);
  void send_due(Now now);
  void look_up_more(Now now);
  void emit(const Datagram& datagram, const IpAddress& address);
  ChosenPath look_up(NodeId target, Stream& stream, Now now);
  void log_stats(Now now);
  void count(Fate fate) { ++fates_[static_cast<std::size_t>(fate)]; }

  MediaOptions options_;
  RouteView routes_;
  MediaSocket socket_;
  ReceiptLog receipts_;
  EventFile events_;
  Rng rng_;
  NodeId self_;
  Duration period_{};
  std::map<NodeId, Stream> streams_;
  std::map<NodeId, Stream>::iterator next_lookup_;
  double lookup_credit_ = 0;
  std::vector<std::uint8_t> packet_;
  std::array<std::uint64_t, kFates> fates_{};
  std::uint64_t sent_ = 0;
  std::uint64_t missed_by_us_ = 0;  // due, and skipped because this process was late
  std::uint64_t no_path_ = 0;       // due, and nowhere to send it
  std::uint64_t no_stamp_ = 0;
  Duration latest_step_{};  // longest pause between steps since the last stats
  MonoTime last_step_;
  MonoTime next_stats_;
  MonoTime next_poll_;
  bool has_news_ = false;  // lines in the event file's buffer
};

}  // namespace linkpilot::media
