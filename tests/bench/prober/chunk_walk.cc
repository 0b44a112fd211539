// How many RTMP chunks a core takes through a whole client session (chunks, messages, tags) and on
// through each tag's codec headers and NAL units (walk), or on to all that a dial measures (watch):
// a stream of 600 kbit/s with AVC at 25 frames a second and AAC, at the chunk sizes servers use, in
// reads of 64 kB. The aim is 8 M chunks/s.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <array>

#include "prober/media/flv/synthetic_stream.h"
#include "prober/media/playback/stream_analyzer.h"
#include "prober/media/rtmp/rtmp_client.h"

namespace {

using linkpilot::Duration;
using linkpilot::Now;
using linkpilot::prober::TagHeader;
using linkpilot::prober::TagSink;
using linkpilot::prober::TagType;
namespace rtmp = linkpilot::rtmp;

using Octets = std::vector<std::uint8_t>;

constexpr std::size_t kReadOctets = 65536;

// What a tag is made of: codec, packet type, frame type, times, and every NAL unit's length field.
class Walk final : public TagSink {
 public:
  void on_tag_begin(const TagHeader& tag, Now /*now*/) override { reader_.begin(tag); }
  void on_tag_body(std::span<const std::uint8_t> part) override { reader_.body(part); }
  void on_tag_end(Now /*now*/) override {
    key_frames_ += reader_.end().begins_decoding ? 1 : 0;
    ++tags_;
  }
  [[nodiscard]] std::uint64_t key_frames() const { return key_frames_; }
  [[nodiscard]] std::uint64_t tags() const { return tags_; }

 private:
  linkpilot::prober::TagReader reader_;
  std::uint64_t key_frames_ = 0;
  std::uint64_t tags_ = 0;
};

// All that a dial makes of a stream: players, rates, clocks, signs of a broken picture.
class Watch final : public TagSink {
 public:
  void on_tag_begin(const TagHeader& tag, Now now) override { analyzer_.on_tag_begin(tag, now); }
  void on_tag_body(std::span<const std::uint8_t> part) override { analyzer_.on_tag_body(part); }
  void on_tag_end(Now now) override {
    analyzer_.on_tag_end(now);
    ++tags_;
  }
  [[nodiscard]] std::uint64_t key_frames() const { return analyzer_.marks().key_frame ? 1 : 0; }
  [[nodiscard]] std::uint64_t tags() const { return tags_; }

 private:
  linkpilot::prober::StreamAnalyzer analyzer_{Now{.mono = {1}, .wall = {1}}};
  std::uint64_t tags_ = 0;
};

Octets video_body(std::size_t octets, bool key) {
  Octets body(octets, 0x5a);
  const auto length = static_cast<std::uint32_t>(octets - 9);
  const std::array<std::uint8_t, 11> head{
      static_cast<std::uint8_t>(key ? 0x17 : 0x27),
      1,
      0,
      0,
      80,
      static_cast<std::uint8_t>(length >> 24),
      static_cast<std::uint8_t>(length >> 16),
      static_cast<std::uint8_t>(length >> 8),
      static_cast<std::uint8_t>(length),
      static_cast<std::uint8_t>(key ? 0x65 : 0x41),  // IDR or other slice
      static_cast<std::uint8_t>(key ? 0x88 : 0x9a)};
  std::copy(head.begin(), head.end(), body.begin());
  return body;
}

// Ten seconds, as a server would send them, and their configurations.
Octets stream_of(std::uint32_t chunk_octets) {
  rtmp::ChunkWriter writer;
  writer.set_chunk_octets(chunk_octets);
  Octets out;
  const auto headers = linkpilot::prober::SyntheticStream::create({}).value().headers();
  for (const linkpilot::prober::OwnedTag& tag : headers) {
    if (tag.type == TagType::script) continue;
    const bool video = tag.type == TagType::video;
    writer.write({.type = video ? rtmp::MessageType::video : rtmp::MessageType::audio,
                  .stream = 1,
                  .chunk_stream = video ? 6U : 4U},
                 tag.body, out);
  }
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
      audio[1] = 1;
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

template <typename Sink>
void pull(benchmark::State& state) {
  const auto chunk_octets = static_cast<std::uint32_t>(state.range(0));
  const Octets stream = stream_of(chunk_octets);
  const std::uint64_t chunks = chunks_in(stream, chunk_octets);
  Sink sink;
  rtmp::RtmpClientOptions options;
  options.url = rtmp::parse_rtmp_url("rtmp://bench.example/live/stream").value();
  rtmp::RtmpClient client(options, sink);
  const auto reads = static_cast<std::int64_t>((stream.size() + kReadOctets - 1) / kReadOctets);
  const Duration step = Duration(std::chrono::seconds(10)) / reads;
  Now now{.mono = {1}, .wall = {1}};
  client.start(now);
  client.on_bytes(opening(chunk_octets), now);
  for (auto _ : state) {
    for (std::size_t at = 0; at < stream.size(); at += kReadOctets) {
      client.on_bytes(std::span(stream).subspan(at, std::min(kReadOctets, stream.size() - at)),
                      now);
      client.on_sent(client.output().size());
      now.mono = now.mono + step;
    }
  }
  if (client.outcome() || sink.key_frames() == 0) state.SkipWithError("no key frame was found");
  state.SetItemsProcessed(static_cast<std::int64_t>(chunks) * state.iterations());
  state.SetBytesProcessed(static_cast<std::int64_t>(stream.size()) * state.iterations());
  state.counters["tags_per_s"] =
      benchmark::Counter(static_cast<double>(sink.tags()), benchmark::Counter::kIsRate);
}
BENCHMARK(pull<Walk>)->Name("walk")->Arg(128)->Arg(4096);
BENCHMARK(pull<Watch>)->Name("watch")->Arg(128)->Arg(4096);

}  // namespace
