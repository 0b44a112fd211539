// How many RTMP chunks a core takes through a whole client session (chunks, messages, tags) and on
// to the first octets of each tag, where codec headers are: a stream of 600 kbit/s with AVC at 25
// frames a second and AAC, at the chunk sizes servers use, in reads of 64 kB. The aim is 8 M
// chunks/s.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <array>

#include "prober/media/rtmp/rtmp_client.h"

namespace {

using linkpilot::Now;
using linkpilot::prober::TagHeader;
using linkpilot::prober::TagSink;
using linkpilot::prober::TagType;
namespace rtmp = linkpilot::rtmp;

using Octets = std::vector<std::uint8_t>;

constexpr std::size_t kReadOctets = 65536;

// Looks at what a demultiplexer needs of each tag: codec, packet type, frame type, the composition
// time, and the length field of each NAL unit, wherever the parts cut them.
class HeaderWalk final : public TagSink {
 public:
  void on_tag_begin(const TagHeader& tag, Now /*now*/) override {
    tag_ = tag;
    head_octets_ = 0;
    nal_left_ = 0;
    nal_field_ = 0;
    ++tags;
  }
  void on_tag_body(std::span<const std::uint8_t> part) override {
    const std::size_t kept = std::min(part.size(), head_.size() - head_octets_);
    std::copy_n(part.begin(), kept, head_.begin() + static_cast<std::ptrdiff_t>(head_octets_));
    head_octets_ += kept;
    if (tag_.type == TagType::video) walk_units(part.subspan(kept));
  }
  void on_tag_end(Now /*now*/) override {
    if (head_octets_ < head_.size()) return;
    key_frames += tag_.type == TagType::video && (head_[0] >> 4) == 1 ? 1 : 0;
    configurations += head_[1] == 0 ? 1 : 0;
  }

  std::uint64_t tags = 0;
  std::uint64_t key_frames = 0;
  std::uint64_t configurations = 0;
  std::uint64_t units = 0;

 private:
  void walk_units(std::span<const std::uint8_t> part) {
    while (!part.empty()) {
      const std::size_t skipped = std::min<std::size_t>(nal_left_, part.size());
      nal_left_ -= skipped;
      part = part.subspan(skipped);
      while (nal_left_ == 0 && nal_field_ < 4 && !part.empty()) {
        nal_length_ = nal_length_ << 8 | part.front();
        part = part.subspan(1);
        if (++nal_field_ == 4) {
          nal_left_ = nal_length_;
          nal_field_ = 0;
          nal_length_ = 0;
          ++units;
        }
      }
    }
  }

  TagHeader tag_;
  std::array<std::uint8_t, 5> head_{};
  std::size_t head_octets_ = 0;
  std::size_t nal_left_ = 0;
  std::uint32_t nal_length_ = 0;
  std::uint32_t nal_field_ = 0;
};

Octets video_body(std::size_t octets, bool key) {
  Octets body(octets, 0x5a);
  const auto length = static_cast<std::uint32_t>(octets - 9);
  const std::array<std::uint8_t, 9> head{static_cast<std::uint8_t>(key ? 0x17 : 0x27),
                                         1,
                                         0,
                                         0,
                                         80,
                                         static_cast<std::uint8_t>(length >> 24),
                                         static_cast<std::uint8_t>(length >> 16),
                                         static_cast<std::uint8_t>(length >> 8),
                                         static_cast<std::uint8_t>(length)};
  std::copy(head.begin(), head.end(), body.begin());
  return body;
}

// Ten seconds, as a server would send them.
Octets stream_of(std::uint32_t chunk_octets) {
  rtmp::ChunkWriter writer;
  writer.set_chunk_octets(chunk_octets);
  Octets out;
  double audio_ms = 0;
  for (std::uint32_t frame = 0; frame < 250; ++frame) {
    const bool key = frame % 50 == 0;
    writer.write({.type = rtmp::MessageType::video,
                  .timestamp_ms = frame * 40,
                  .stream = 1,
                  .chunk_stream = 6},
                 video_body(key ? 12'000 : 2'300, key), out);
    for (; audio_ms < (frame + 1) * 40; audio_ms += 1024 / 44.1) {
      Octets audio(290, 0x21);
      audio[0] = 0xaf;
      writer.write({.type = rtmp::MessageType::audio,
                    .timestamp_ms = static_cast<std::uint32_t>(audio_ms),
                    .stream = 1,
                    .chunk_stream = 4},
                   audio, out);
    }
  }
  return out;
}

void append_message(Octets& out, const rtmp::MessageHeader& header, const Octets& body) {
  rtmp::ChunkWriter writer;
  writer.write(header, body, out);
}

// What a server says until it has accepted play, at the given chunk size.
Octets opening(std::uint32_t chunk_octets) {
  Octets out(1 + 2 * rtmp::kHandshakeOctets, 3);
  const rtmp::MessageHeader command{.type = rtmp::MessageType::command_amf0, .chunk_stream = 3};
  Octets body;
  rtmp::AmfWriter(body).text("_result").number(1).null();
  append_message(out, command, body);
  body.clear();
  rtmp::AmfWriter(body).text("_result").number(2).null().number(1);
  append_message(out, command, body);
  body.clear();
  rtmp::AmfWriter(body).text("onStatus").number(0).null().object();
  rtmp::AmfWriter(body).name("code").text("NetStream.Play.Start").end();
  append_message(out, command, body);
  append_message(
      out, {.type = rtmp::MessageType::set_chunk_size, .chunk_stream = 2},
      {static_cast<std::uint8_t>(chunk_octets >> 24), static_cast<std::uint8_t>(chunk_octets >> 16),
       static_cast<std::uint8_t>(chunk_octets >> 8), static_cast<std::uint8_t>(chunk_octets)});
  return out;
}

std::uint64_t chunks_in(const Octets& stream, std::uint32_t chunk_octets) {
  rtmp::ChunkReader reader;
  Octets all(opening(chunk_octets));
  all.erase(all.begin(), all.begin() + 1 + 2 * rtmp::kHandshakeOctets);
  const std::uint64_t before = 4;
  all.insert(all.end(), stream.begin(), stream.end());
  std::span<const std::uint8_t> in(all);
  while (reader.next(in)) {
  }
  return reader.chunks() - before;
}

void walk(benchmark::State& state) {
  const auto chunk_octets = static_cast<std::uint32_t>(state.range(0));
  const Octets stream = stream_of(chunk_octets);
  const std::uint64_t chunks = chunks_in(stream, chunk_octets);
  HeaderWalk sink;
  rtmp::RtmpClientOptions options;
  options.url = rtmp::parse_rtmp_url("rtmp://bench.example/live/stream").value();
  rtmp::RtmpClient client(options, sink);
  const Now now{.mono = {1}, .wall = {1}};
  client.start(now);
  client.on_bytes(opening(chunk_octets), now);
  for (auto _ : state) {
    for (std::size_t at = 0; at < stream.size(); at += kReadOctets) {
      client.on_bytes(std::span(stream).subspan(at, std::min(kReadOctets, stream.size() - at)),
                      now);
      client.on_sent(client.output().size());
    }
  }
  if (client.outcome() || sink.units == 0) state.SkipWithError("the session has ended");
  benchmark::DoNotOptimize(sink.key_frames);
  state.SetItemsProcessed(static_cast<std::int64_t>(chunks) * state.iterations());
  state.SetBytesProcessed(static_cast<std::int64_t>(stream.size()) * state.iterations());
  state.counters["tags_per_s"] =
      benchmark::Counter(static_cast<double>(sink.tags), benchmark::Counter::kIsRate);
}
BENCHMARK(walk)->Arg(128)->Arg(4096);

}  // namespace
