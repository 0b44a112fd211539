#include "collector/api/http_server.h"

#include <fmt/format.h>

#include <charconv>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <vector>

#include <httplib.h>

namespace linkpilot::collector {

namespace {

constexpr std::size_t kBodyMax = 64 * 1024;
constexpr std::size_t kWaitingMax = 64;
constexpr int kPatienceSeconds = 5;

// httplib's own queue has no bound. Here the accepting thread waits when all are busy: what comes
// then waits in the kernel's backlog, and beyond that is refused.
class BoundedPool final : public httplib::TaskQueue {
 public:
  explicit BoundedPool(std::size_t threads) {
    for (std::size_t i = 0; i < threads; ++i) threads_.emplace_back([this] { run(); });
  }

  void enqueue(std::function<void()> task) override {
    std::unique_lock lock(mutex_);
    room_.wait(lock, [this] { return stopping_ || tasks_.size() < kWaitingMax; });
    tasks_.push_back(std::move(task));
    work_.notify_one();
  }

  void shutdown() override {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    work_.notify_all();
    room_.notify_all();
    for (std::thread& thread : threads_) thread.join();
  }

 private:
  void run() {
    for (;;) {
      std::function<void()> task;
      {
        std::unique_lock lock(mutex_);
        work_.wait(lock, [this] { return stopping_ || !tasks_.empty(); });
        if (tasks_.empty()) return;
        task = std::move(tasks_.front());
        tasks_.pop_front();
        room_.notify_one();
      }
      task();
    }
  }

  std::mutex mutex_;
  std::condition_variable work_;
  std::condition_variable room_;
  std::deque<std::function<void()>> tasks_;  // guarded by mutex_
  bool stopping_ = false;                    // guarded by mutex_
  std::vector<std::thread> threads_;
};

struct Address {
  std::string host;
  int port = 0;
};

Result<Address> parse_listen(const std::string& listen) {
  const std::size_t colon = listen.rfind(':');
  Address address;
  if (colon != std::string::npos) {
    address.host = listen.substr(0, colon);
    if (address.host.size() > 2 && address.host.front() == '[' && address.host.back() == ']') {
      address.host = address.host.substr(1, address.host.size() - 2);
    }
    const char* begin = listen.data() + colon + 1;
    const char* end = listen.data() + listen.size();
    const auto [stop, error] = std::from_chars(begin, end, address.port);
    if (error == std::errc() && stop == end && begin != end && address.port >= 0 &&
        address.port <= 0xffff && !address.host.empty()) {
      return address;
    }
  }
  return fail(ErrorCode::invalid_argument,
              fmt::format("\"{}\" is no ADDRESS:PORT, like 127.0.0.1:7180", listen));
}

ApiRequest request_of(const httplib::Request& request, ApiRequest::Method method) {
  ApiRequest out;
  out.method = method;
  out.path = request.path;
  for (const auto& [key, value] : request.params) out.query.emplace(key, value);
  out.authorization = request.get_header_value("Authorization");
  out.body = request.body;
  return out;
}

}  // namespace

struct HttpServer::State {
  httplib::Server server;
  int port = 0;
  std::thread thread;
};

HttpServer::HttpServer(std::unique_ptr<State> state) : state_(std::move(state)) {}

Result<std::unique_ptr<HttpServer>> HttpServer::start(const Options& options, Answer answer) {
  const Result<Address> address = parse_listen(options.listen);
  if (!address) return fail(address.error());
  auto state = std::make_unique<State>();
  httplib::Server& server = state->server;
  // A probe on demand holds its thread: those are counted apart.
  const std::size_t threads = static_cast<std::size_t>(options.threads) + kProbesActiveMax;
  server.new_task_queue = [threads] { return std::make_unique<BoundedPool>(threads).release(); };
  server.set_payload_max_length(kBodyMax);
  server.set_read_timeout(kPatienceSeconds);
  server.set_write_timeout(kPatienceSeconds);
  server.set_keep_alive_timeout(kPatienceSeconds);
  server.set_tcp_nodelay(true);
  const auto handle = [answer](ApiRequest::Method method) {
    return [answer, method](const httplib::Request& request, httplib::Response& response) {
      ApiResponse out = answer(request_of(request, method));
      response.status = out.status;
      response.set_content(std::move(out.body), out.content_type.c_str());
    };
  };
  server.Get(".*", handle(ApiRequest::Method::get));
  server.Post(".*", handle(ApiRequest::Method::post));

  state->port = address->port;
  if (address->port == 0) {
    state->port = server.bind_to_any_port(address->host);
  } else if (!server.bind_to_port(address->host, address->port)) {
    state->port = -1;
  }
  if (state->port < 0) {
    return fail(
        ErrorCode::unavailable,
        fmt::format("cannot listen on {}: in use, or not an address of this host", options.listen));
  }
  state->thread = std::thread([raw = &server] { raw->listen_after_bind(); });
  return std::unique_ptr<HttpServer>(new HttpServer(std::move(state)));
}

HttpServer::~HttpServer() {
  state_->server.stop();
  state_->thread.join();
}

int HttpServer::port() const { return state_->port; }

}  // namespace linkpilot::collector
