#include "agent/route_client/route_sync.h"

#include <asio/io_context.hpp>
#include <asio/steady_timer.hpp>
#include <thread>
#include <utility>

#include "agent/route_client/sync_session.h"
#include "agent/route_client/table_store.h"
#include "base/runtime/curve_keys.h"
#include "base/runtime/message_socket.h"
#include "schemas/codec.h"

namespace linkpilot {
namespace {

using route_client::SyncEvent;
using route_client::SyncNotice;
using route_client::SyncSession;
using route_client::TableStore;

constexpr Duration kTick = std::chrono::milliseconds(200);

struct Keys {
  CurveKeyPair own;
  std::string collector;
  std::vector<SigningPublicKey> signers;
};

Result<Keys> load_keys(const RouteSync::Options& options) {
  Keys keys;
  auto own = load_curve_key_pair(options.key_file);
  if (!own) return fail(own.error());
  keys.own = *std::move(own);
  auto collector = load_curve_public_key(options.collector_public_key);
  if (!collector) return fail(collector.error());
  keys.collector = *std::move(collector);
  for (const std::string& path : options.signer_public_keys) {
    auto signer = load_signing_public_key(path);
    if (!signer) return fail(signer.error());
    keys.signers.push_back(*signer);
  }
  if (keys.signers.empty()) return fail(ErrorCode::invalid_argument, "no signer key is given");
  if (options.collectors.empty()) return fail(ErrorCode::invalid_argument, "no collector is given");
  return keys;
}

RouteSync::Event to_event(SyncEvent event) {
  switch (event) {
    case SyncEvent::table_accepted:
      return RouteSync::Event::table_accepted;
    case SyncEvent::table_refused:
      return RouteSync::Event::table_refused;
    case SyncEvent::connected:
      return RouteSync::Event::connected;
    case SyncEvent::disconnected:
      return RouteSync::Event::disconnected;
    case SyncEvent::refused:
      return RouteSync::Event::refused;
  }
  return RouteSync::Event::disconnected;
}

// The shell: loop, socket and timer around a SyncSession, all on one thread.
class SyncThread final : public RouteSync {
 public:
  SyncThread(Options options, Keys keys, OnNotice on_notice)
      : options_(std::move(options)),
        keys_(std::move(keys)),
        on_notice_(std::move(on_notice)),
        store_({.path = options_.route_file, .signers = keys_.signers, .self = NodeId()}),
        session_(store_, options_.name, random_u64()) {}

  ~SyncThread() override {
    loop_.stop();
    if (thread_.joinable()) thread_.join();
  }

  void run() {
    thread_ = std::thread([this] {
      if (Status status = store_.load(clock_.now().wall); !status) {
        tell({SyncEvent::table_refused, status.error().message});
      }
      connect_next();
      on_tick();
      loop_.run();
      client_.reset();  // on the thread that used it
    });
  }

 private:
  void connect_next() {
    client_.reset();
    session_.on_new_connection(clock_.now());
    MessageClient::Options client;
    client.connect = options_.collectors[next_collector_++ % options_.collectors.size()];
    client.server_public_key = keys_.collector;
    client.keys = keys_.own;
    auto made = MessageClient::create(
        loop_, client, [this](std::span<const std::uint8_t> bytes) { on_bytes(bytes); },
        [this](MessageClient::State state) { on_state(state); });
    if (made) {
      client_ = *std::move(made);
    } else {
      tell({SyncEvent::disconnected, made.error().in("connect to " + client.connect).message});
    }
    flush();
  }

  void on_bytes(std::span<const std::uint8_t> bytes) {
    if (const auto message = schemas::decode_collector_message(bytes)) {
      session_.on_message(*message, clock_.now());
      flush();
    }
  }

  void on_state(MessageClient::State state) {
    switch (state) {
      case MessageClient::State::connecting:
        return;
      case MessageClient::State::connected:
        session_.on_connected(clock_.now());
        break;
      case MessageClient::State::disconnected:
        session_.on_disconnected("the connection broke");
        break;
      case MessageClient::State::handshake_refused:
        session_.on_disconnected("the connection was refused");
        tell({SyncEvent::refused,
              "the collector does not know this node's key, or has another key"});
        break;
    }
    flush();
  }

  void on_tick() {
    session_.on_tick(clock_.now());
    flush();
    if (session_.wants_new_connection(clock_.now())) connect_next();
    timer_.expires_after(kTick);
    timer_.async_wait([this](const asio::error_code& error) {
      if (!error) on_tick();
    });
  }

  void flush() {
    const SyncSession::Output output = session_.take();
    for (const AgentMessage& message : output.messages) {
      if (client_) client_->send(schemas::encode(message));
    }
    for (const SyncNotice& notice : output.notices) tell(notice);
  }

  void tell(const SyncNotice& notice) {
    if (!on_notice_) return;
    const TableVersion version = store_.version();
    on_notice_({to_event(notice.event), version.epoch, version.version, notice.detail});
  }

  Options options_;
  Keys keys_;
  OnNotice on_notice_;
  SystemClock clock_;
  TableStore store_;
  SyncSession session_;
  asio::io_context loop_;
  asio::steady_timer timer_{loop_};
  std::unique_ptr<MessageClient> client_;
  std::size_t next_collector_ = 0;
  std::thread thread_;
};

}  // namespace

RouteSync::~RouteSync() = default;

std::unique_ptr<RouteSync> RouteSync::start(const Options& options, OnNotice on_notice,
                                            std::string& error) {
  auto keys = load_keys(options);
  if (!keys) {
    error = keys.error().message;
    return nullptr;
  }
  auto sync = std::make_unique<SyncThread>(options, *std::move(keys), std::move(on_notice));
  sync->run();
  return sync;
}

}  // namespace linkpilot
