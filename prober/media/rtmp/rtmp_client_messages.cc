// What the messages of a server bring: tags to the sink, control messages obeyed, commands
// gathered.
#include <fmt/format.h>

#include <algorithm>

#include "prober/media/rtmp/rtmp_client.h"
#include "prober/stamp/bytes.h"

namespace linkpilot::rtmp {
namespace {

// Of RtmpClient's phases_told_.
std::uint8_t media_bit(prober::TagType type) {
  return static_cast<std::uint8_t>(1U << (static_cast<unsigned>(type) & 7U));
}

}  // namespace

void RtmpClient::route(const ChunkPart& part, Now now) {
  if (part.aborted) return drop(part);
  if (part.begins) ++counters_.messages_in;
  switch (part.message->type) {
    case MessageType::audio:
      return route_tag(part, prober::TagType::audio, now);
    case MessageType::video:
      return route_tag(part, prober::TagType::video, now);
    case MessageType::data_amf0:
    case MessageType::data_amf3:
      return route_tag(part, prober::TagType::script, now);
    case MessageType::aggregate:
      return route_aggregate(part, now);
    case MessageType::acknowledgement:
    case MessageType::user_control:
    case MessageType::window_ack_size:
    case MessageType::set_peer_bandwidth:
    case MessageType::command_amf0:
    case MessageType::command_amf3:
      return route_gathered(part, now);
    case MessageType::set_chunk_size:  // the chunk reader's
    case MessageType::abort:
      return;
  }
  if (part.begins) ++counters_.unknown_messages;
}

void RtmpClient::too_interleaved() {
  fail(FailureKind::protocol, {},
       fmt::format("more than {} octets of messages came between the parts of another",
                   kHeldOctetsMax));
}

// What a server sends back to a publisher is none of the sink's business.
void RtmpClient::route_tag(const ChunkPart& part, prober::TagType type, Now now) {
  if (options_.direction == Direction::push) return;
  std::span<const std::uint8_t> body = part.body;
  if (part.begins) {
    std::uint32_t octets = part.message->octets;
    // An AMF3 data message has one octet, the format, before values that are AMF0 as a rule.
    if (part.message->type == MessageType::data_amf3 && octets > 0) {
      --octets;
      body = body.subspan(1);
    }
    if ((phases_told_ & media_bit(type)) == 0) note_media(type, now);
    if (!ended_by_.empty() && type != prober::TagType::script) {  // not every server says so
      ended_by_.clear();
      tell(Phase::stream_resumed, now);
    }
    if (!lanes_.begin(part.slot,
                      {.type = type, .octets = octets, .timestamp_ms = part.message->timestamp_ms},
                      now)) {
      return too_interleaved();
    }
  }
  if (!lanes_.body(part.slot, body)) return too_interleaved();
  if (!part.ends) return;
  ++counters_.tags_in;
  lanes_.end(part.slot, now);
}

void RtmpClient::note_media(prober::TagType type, Now now) {
  const std::uint8_t bit = media_bit(type);
  if ((phases_told_ & bit) != 0) return;
  phases_told_ |= bit;
  if (type == prober::TagType::script) return tell(Phase::first_script, now);
  tell(type == prober::TagType::audio ? Phase::first_audio : Phase::first_video, now);
  media_seen_ = true;
  if (stage_ == Stage::start) {  // some servers send media before, or without, Play.Start
    stage_ = Stage::media;
    started_at_ = now.mono;
  }
  if (stage_ == Stage::media) deadline_.reset();
}

void RtmpClient::route_aggregate(const ChunkPart& part, Now now) {
  if (options_.direction == Direction::push) return;
  if (part.begins) {
    aggregates_.push_back({.slot = part.slot, .reader = {}});
    aggregates_.back().reader.begin(part.message->octets, part.message->timestamp_ms);
  }
  const auto open = std::find_if(aggregates_.begin(), aggregates_.end(),
                                 [&part](const OpenAggregate& a) { return a.slot == part.slot; });
  if (open == aggregates_.end()) return;
  const bool fits = open->reader.body(part.body, lanes_, part.slot, now);
  for (const prober::TagType type :
       {prober::TagType::script, prober::TagType::audio, prober::TagType::video}) {
    if (open->reader.has_begun(type)) note_media(type, now);
  }
  if (!fits) return too_interleaved();
  if (!part.ends) return;
  open->reader.end(lanes_, part.slot);
  counters_.aggregate_faults += open->reader.faults();
  counters_.tags_in += open->reader.tags();
  aggregates_.erase(open);
}

// Forgets what has come of a message that the server will not complete.
void RtmpClient::drop(const ChunkPart& part) {
  ++counters_.aborted_messages;
  lanes_.abort(part.slot);
  std::erase_if(aggregates_, [&part](const OpenAggregate& a) { return a.slot == part.slot; });
  for (const Gathered& gathered : gathered_) {
    if (gathered.slot == part.slot) gathered_octets_ -= gathered.body.size();
  }
  std::erase_if(gathered_, [&part](const Gathered& g) { return g.slot == part.slot; });
}

void RtmpClient::route_gathered(const ChunkPart& part, Now now) {
  const MessageType type = part.message->type;
  const bool is_command = type == MessageType::command_amf0 || type == MessageType::command_amf3;
  if (part.message->octets > (is_command ? kCommandOctetsMax : kControlOctetsMax)) {
    if (is_command) {
      return fail(FailureKind::protocol, {},
                  fmt::format("a command of {} octets, at most {} are taken", part.message->octets,
                              kCommandOctetsMax));
    }
    if (part.begins) ++counters_.unknown_messages;
    return;
  }
  if (part.begins && part.ends) return on_message(type, part.body, now);
  if (part.begins) gathered_.push_back({.slot = part.slot, .body = {}});
  const auto open = std::find_if(gathered_.begin(), gathered_.end(),
                                 [&part](const Gathered& g) { return g.slot == part.slot; });
  if (open == gathered_.end()) return;
  gathered_octets_ += part.body.size();
  if (gathered_octets_ > kGatheredOctetsMax) {
    return fail(FailureKind::protocol, {},
                fmt::format("over {} octets of unfinished commands", kGatheredOctetsMax));
  }
  open->body.insert(open->body.end(), part.body.begin(), part.body.end());
  if (!part.ends) return;
  const std::vector<std::uint8_t> body = std::move(open->body);
  gathered_octets_ -= body.size();
  gathered_.erase(open);
  on_message(type, body, now);
}

void RtmpClient::on_message(MessageType type, std::span<const std::uint8_t> body, Now now) {
  if (type == MessageType::command_amf0) return on_command(body, CommandForm::amf0, now);
  if (type == MessageType::command_amf3) return on_command(body, CommandForm::amf3_envelope, now);
  if (type == MessageType::user_control) return on_user_control(body, now);
  if (body.size() < 4) {
    ++counters_.unknown_messages;
    return;
  }
  const auto value = prober::load_big<std::uint32_t>(body, 0);
  if (type == MessageType::acknowledgement) {
    counters_.peer_acknowledged = value;
  } else if (type == MessageType::window_ack_size) {
    window_ = value;
  } else if (value != told_window_ && may_reply()) {
    // Set Peer Bandwidth: "the receiving peer SHOULD respond with a Window Acknowledgement Size",
    // if it differs from the last one (RTMP 5.4.5). The limit type makes no difference to us.
    told_window_ = value;
    send_control(MessageType::window_ack_size, value, 4);
  }
}

void RtmpClient::on_user_control(std::span<const std::uint8_t> body, Now now) {
  if (body.size() < 6) {  // every event we know has at least four octets of data
    ++counters_.unknown_messages;
    return;
  }
  const auto event = static_cast<UserControl>(prober::load_big<std::uint16_t>(body, 0));
  const auto value = prober::load_big<std::uint32_t>(body, 2);
  if (event == UserControl::ping_request) {
    ++counters_.pings;
    if (may_reply()) send_user_control(UserControl::ping_response, value, 4);
  } else if (event == UserControl::stream_eof) {
    // Some servers say so before the stream begins; then it means nothing.
    if (!media_seen_) return;
    ended_by_ = "StreamEOF";
    tell(Phase::stream_ended, now, ended_by_);
  }
}

}  // namespace linkpilot::rtmp
