// Connection: one TCP connection of a dial, with TLS over it if asked, on a DialLoop: addresses are
// tried in their order, each stage has an absolute deadline, and every octet is read into the
// loop's shared buffer, so a connection keeps nothing but what TLS needs. Never blocks, never
// raises SIGPIPE.
//
// The user is called from the loop; it may close the connection within a call, but must destroy it
// from elsewhere. One thread.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/address.h"
#include "base/runtime/files.h"
#include "base/time.h"
#include "prober/media/dial/certificate_socket.h"
#include "prober/media/dial/dial_loop_socket.h"
#include "prober/media/dial/dial_report.h"
#include "prober/media/dial/dial_request.h"
#include "prober/media/rtmp/rtmp_client.h"

struct ssl_st;
struct bio_st;

namespace linkpilot::prober {

struct ConnectionOptions {
  std::vector<Endpoint> targets;  // tried in order; already judged by the policy
  std::string host;               // for SNI and the certificate
  bool tls = false;
  TlsMode tls_mode = TlsMode::enforce;
  TlsContext trusted;  // with `tls`
  SocketMode socket_mode = SocketMode::prompt;
  std::optional<std::uint32_t> receive_octets;
  // TCP_NOTSENT_LOWAT: the kernel takes no more than this beyond what is on its way, so that a
  // peer's slowness shows in our queue instead of in a buffer of megabytes.
  std::optional<std::uint32_t> unsent_octets_max;
  Duration tcp_limit = std::chrono::seconds(5);
  Duration tls_limit = std::chrono::seconds(5);
};

// TCP_INFO of a connection, whoever carries on with it.
[[nodiscard]] std::optional<TcpFigures> read_tcp_figures(int fd);

class ConnectionUser {
 public:
  virtual ~ConnectionUser() = default;
  virtual void on_connected(Now now) = 0;  // TCP, and TLS if any
  virtual void on_octets(std::span<const std::uint8_t> octets, Now now) = 0;
  virtual void on_room(Now now) = 0;  // `write` would take more again
  virtual void on_gone(rtmp::PeerClose how, Now now) = 0;
  virtual void on_connect_failed(DialFailure failure, Now now) = 0;
};

class Connection {
 public:
  // Marks, attempts, addresses and certificate go into `hop`, which must outlive the connection.
  Connection(DialLoop& loop, ConnectionOptions options, DialHop& hop, ConnectionUser& user);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  void open();
  // How many octets were taken; fewer than given: on_room will come.
  [[nodiscard]] std::size_t write(std::span<const std::uint8_t> octets);
  void close();
  // Once connected, without TLS: hands the descriptor to a library that goes on with it.
  [[nodiscard]] UniqueFd release();
  [[nodiscard]] bool is_open() const { return state_ == State::open; }
  [[nodiscard]] DialStage stage() const;  // of the opening: tcp, or tls
  // Of the connection as it is, or as it was when it was closed.
  [[nodiscard]] std::optional<TcpFigures> figures() const;
  [[nodiscard]] std::size_t octets_in() const { return octets_in_; }
  [[nodiscard]] std::size_t octets_out() const { return octets_out_; }

 private:
  enum class State : std::uint8_t { idle, connecting, tls, open, closed };

  void try_next();
  bool connect_to(const Endpoint& target);
  void give_up_attempt(int error);
  void on_ready(Readiness ready);
  void on_deadline();
  void finish_connect();
  void begin_tls();
  void step_tls();
  void fail_tls();
  void finish_tls();
  void settle();
  void read_some();
  [[nodiscard]] std::ptrdiff_t read_once(std::span<std::uint8_t> buffer);
  void fail(DialStage stage, DialFault kind, std::string code, std::string sentence);
  void mark(DialPhase phase, Now now);
  void prompt_acknowledgement();
  [[nodiscard]] std::string target_text() const;

  static int bio_write(bio_st* bio, const char* data, int octets);
  static int bio_read(bio_st* bio, char* data, int octets);

  struct SslDeleter {
    void operator()(ssl_st* ssl) const;
  };

  DialLoop& loop_;
  ConnectionOptions options_;
  DialHop& hop_;
  ConnectionUser& user_;
  State state_ = State::idle;
  UniqueFd fd_;
  FdWatch watch_;
  LoopTimer deadline_;
  std::unique_ptr<ssl_st, SslDeleter> ssl_;
  std::size_t next_target_ = 0;
  std::size_t tried_ = 0;  // the target being dialled
  MonoTime attempt_began_{};
  MonoTime stage_deadline_{};
  bool first_octet_seen_ = false;
  bool raw_finished_ = false;  // TCP said the end, under TLS
  int raw_error_ = 0;
  std::size_t octets_in_ = 0;
  std::size_t octets_out_ = 0;
  std::optional<TcpFigures> last_figures_;
};

}  // namespace linkpilot::prober
