#include "base/runtime/zap_handler.h"

#include <array>
#include <vector>

#include "base/address.h"

namespace linkpilot {
namespace {

// Frames of a request after REP took the envelope away: version, request id, domain, address,
// routing id, mechanism, credentials.
constexpr std::size_t kRequestFrames = 7;
constexpr std::size_t kRequestFramesMax = 16;

std::string z85(const std::string& key) {
  std::array<char, 41> text{};
  const auto* octets = reinterpret_cast<const std::uint8_t*>(key.data());
  return zmq_z85_encode(text.data(), octets, 32) == nullptr ? "" : text.data();
}

// "::ffff:192.0.2.1" and "192.0.2.1" are one address.
std::string plain_address(const std::string& text) {
  const Result<IpAddress> address = IpAddress::parse(text);
  return address ? address->to_string() : text;
}

}  // namespace

ZapHandler::ZapHandler(ZmqContext& context, Allow allow)
    : context_(context), allow_(std::move(allow)), socket_(context, ZMQ_REP) {}

Result<std::unique_ptr<ZapHandler>> ZapHandler::start(ZmqContext& context, Allow allow) {
  std::unique_ptr<ZapHandler> handler(new ZapHandler(context, std::move(allow)));
  handler->socket_.set(ZMQ_LINGER, 0);
  if (zmq_bind(handler->socket_.get(), "inproc://zeromq.zap.01") != 0) {
    return fail_zmq("bind the key check");
  }
  handler->thread_ = std::thread([raw = handler.get()] { raw->run(); });
  return handler;
}

ZapHandler::~ZapHandler() {
  context_.shut_down();
  if (thread_.joinable()) thread_.join();
}

void ZapHandler::run() {
  while (answer_one()) continue;
  socket_.close();
}

bool ZapHandler::answer_one() {
  std::vector<std::string> frames;
  for (bool more = true; more;) {
    zmq_msg_t message;
    zmq_msg_init(&message);
    int result = 0;
    do {
      result = zmq_msg_recv(&message, socket_.get(), 0);
    } while (result < 0 && zmq_errno() == EINTR);
    if (result < 0) {
      zmq_msg_close(&message);
      return false;
    }
    more = zmq_msg_more(&message) != 0;
    if (frames.size() < kRequestFramesMax) {
      frames.emplace_back(static_cast<const char*>(zmq_msg_data(&message)), zmq_msg_size(&message));
    }
    zmq_msg_close(&message);
  }
  std::string key;
  if (frames.size() == kRequestFrames && frames[0] == "1.0" && frames[2] == kDomain &&
      frames[5] == "CURVE" && frames[6].size() == 32) {
    key = z85(frames[6]);
  }
  const bool allowed = !key.empty() && allow_(key, plain_address(frames[3]));
  if (!allowed) refused_.fetch_add(1, std::memory_order_relaxed);
  const std::array<std::string, 6> reply{"1.0",
                                         frames.size() > 1 ? frames[1] : "",
                                         allowed ? "200" : "400",
                                         allowed ? "OK" : "unknown key",
                                         allowed ? key : "",
                                         ""};
  for (std::size_t i = 0; i < reply.size(); ++i) {
    const int flags = i + 1 < reply.size() ? ZMQ_SNDMORE : 0;
    if (zmq_send(socket_.get(), reply[i].data(), reply[i].size(), flags) < 0) return false;
  }
  return true;
}

}  // namespace linkpilot
