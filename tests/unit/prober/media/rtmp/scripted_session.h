// A client and the server's side of its connection, written by hand: what the client sent is read
// back as commands, and answers are given octet by octet. Time moves only when a test says so.
#pragma once

#include <string>
#include <vector>

#include "prober/media/rtmp/rtmp_client.h"
#include "tests/support/rtmp_wire.h"
#include "tests/unit/prober/media/rtmp/read_chunks.h"

namespace linkpilot::rtmp {

inline RtmpClientOptions options_for(std::string_view url, Direction direction = Direction::pull) {
  RtmpClientOptions options;
  options.url = parse_rtmp_url(url).value();
  options.direction = direction;
  return options;
}

// {level, code, description} and more members, as AMF0 object.
inline AmfValue info_of(std::string level, std::string code, std::vector<AmfMember> more = {}) {
  const auto text = [](std::string value) {
    AmfValue result;
    result.type = AmfType::string;
    result.text = std::move(value);
    return result;
  };
  AmfValue info;
  info.type = AmfType::object;
  info.members = {{"level", text(std::move(level))}, {"code", text(std::move(code))}};
  for (AmfMember& member : more) info.members.push_back(std::move(member));
  return info;
}

inline AmfMember text_member(std::string name, std::string value) {
  AmfValue text;
  text.type = AmfType::string;
  text.text = std::move(value);
  return {std::move(name), std::move(text)};
}

inline AmfMember redirect_member(std::string redirect, std::string redirect2) {
  AmfValue ex;
  ex.type = AmfType::object;
  AmfValue number;
  number.type = AmfType::number;
  number.number = 302;
  ex.members.push_back({"code", number});
  if (!redirect.empty()) ex.members.push_back(text_member("redirect", std::move(redirect)));
  if (!redirect2.empty()) ex.members.push_back(text_member("redirect2", std::move(redirect2)));
  return {"ex", ex};
}

inline Bytes command_body(std::string_view name, double transaction,
                          const std::vector<AmfValue>& arguments) {
  Bytes body;
  AmfWriter writer(body);
  writer.text(name).number(transaction);
  for (const AmfValue& argument : arguments) writer.value(argument);
  return body;
}

inline Bytes command(std::string_view name, double transaction,
                     const std::vector<AmfValue>& arguments) {
  return message({.chunk_stream = 3, .type = 20, .stream = 0},
                 command_body(name, transaction, arguments));
}

inline AmfValue null_value() {
  AmfValue null;
  null.type = AmfType::null;
  return null;
}

inline AmfValue number_value(double number) {
  AmfValue value;
  value.type = AmfType::number;
  value.number = number;
  return value;
}

inline Bytes status(std::string level, std::string code, std::vector<AmfMember> more = {}) {
  return command("onStatus", 0,
                 {null_value(), info_of(std::move(level), std::move(code), std::move(more))});
}

inline Bytes control(int type, const Bytes& body) {
  return message({.chunk_stream = 2, .type = type, .stream = 0}, body);
}

class ScriptedSession {
 public:
  explicit ScriptedSession(RtmpClientOptions options) : client(std::move(options), sink) {
    client.start(now());
  }

  [[nodiscard]] Now now() const { return {.mono = mono_, .wall = {}}; }
  void pass(Duration time) {
    mono_ += time;
    client.on_timer(now());
  }
  void give(const Bytes& bytes) {
    client.on_bytes(bytes, now());
    collect();
  }
  void close(PeerClose how = PeerClose::finished) { client.on_closed(how, now()); }

  void shake_hands() { give(joined({{3}, filler(2 * kHandshakeOctets)})); }
  void accept_connect() {
    give(command("_result", 1, {null_value(), info_of("status", "NetConnection.Connect.Success")}));
  }
  void accept_create(double stream = 1) {
    give(
        command("_result", sent("createStream").transaction, {null_value(), number_value(stream)}));
  }
  void reach_start() {
    shake_hands();
    accept_connect();
    accept_create();
  }
  void reach_media() {
    reach_start();
    give(status("status", client_publishes() ? "NetStream.Publish.Start" : "NetStream.Play.Start"));
  }

  // The last command of that name, or one without a name.
  [[nodiscard]] Command sent(std::string_view name) const {
    for (auto at = messages.rbegin(); at != messages.rend(); ++at) {
      if (at->header.type != MessageType::command_amf0) continue;
      auto read = read_command(at->body, CommandForm::amf0);
      if (read && read->name == name) return *read;
    }
    return {};
  }
  [[nodiscard]] std::vector<std::string> sent_names() const {
    std::vector<std::string> names;
    for (const ReadMessage& message : messages) {
      if (message.header.type == MessageType::command_amf0) {
        names.push_back(read_command(message.body, CommandForm::amf0)->name);
      }
    }
    return names;
  }
  [[nodiscard]] std::vector<Bytes> sent_of(MessageType type) const {
    std::vector<Bytes> bodies;
    for (const ReadMessage& message : messages) {
      if (message.header.type == type) bodies.push_back(message.body);
    }
    return bodies;
  }
  // The phases reached so far, each with its text if it has one: "stream_ended StreamEOF".
  [[nodiscard]] std::vector<std::string> phases() {
    while (const auto event = client.take_event()) {
      phases_.push_back(std::string(to_string(event->phase)) +
                        (event->text.empty() ? "" : " " + event->text));
    }
    return phases_;
  }
  [[nodiscard]] bool has_phase(std::string_view phase) {
    const auto all = phases();
    return std::find(all.begin(), all.end(), phase) != all.end();
  }
  [[nodiscard]] Failure failure() const {
    if (!client.outcome() || !client.outcome()->failure) return {.code = "none", .sentence = ""};
    return *client.outcome()->failure;
  }
  // "stage kind code"
  [[nodiscard]] std::string verdict() const {
    if (!client.outcome()) return "open";
    if (!client.outcome()->failure) return "ended";
    const Failure& f = *client.outcome()->failure;
    return std::string(to_string(f.stage)) + " " + std::string(to_string(f.kind)) +
           (f.code.empty() ? "" : " " + f.code);
  }

  // Takes what the client wants to send, past its handshake, apart into messages.
  void collect() {
    Bytes out(client.output().begin(), client.output().end());
    client.on_sent(out.size());
    const std::size_t skip = std::min(out.size(), handshake_left_);
    handshake_left_ -= skip;
    out.erase(out.begin(), out.begin() + static_cast<std::ptrdiff_t>(skip));
    if (out.empty()) return;
    ChunkReading reading = read_chunks(reader_, out, out.size());
    LP_ASSERT(reading.failure.empty());
    for (ReadMessage& message : reading.messages) messages.push_back(std::move(message));
  }

  RecordingSink sink;
  RtmpClient client;
  std::vector<ReadMessage> messages;

 private:
  [[nodiscard]] bool client_publishes() const { return !sent("publish").name.empty(); }

  MonoTime mono_{1'000'000'000};
  std::size_t handshake_left_ = 1 + 2 * kHandshakeOctets;
  ChunkReader reader_;
  std::vector<std::string> phases_;
};

}  // namespace linkpilot::rtmp
