// The HTTP API as a function: request in, response out (API.md). No sockets here (http_server.h),
// no state but what it is given; called by many threads at once.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "collector/api/collector_view.h"
#include "collector/api/probe_desk.h"
#include "collector/hand/order.h"
#include "collector/notify/mailer.h"
#include "collector/store/event_log.h"

namespace linkpilot::collector {

struct ApiRequest {
  enum class Method : std::uint8_t { get, post };
  Method method = Method::get;
  std::string path;
  std::map<std::string, std::string> query;
  std::string authorization;  // the header's value
  std::string body;
};

struct ApiResponse {
  int status = 200;
  std::string content_type = "application/json";
  std::string body;
};

struct ApiOptions {
  std::string token;       // empty: POST is forbidden
  std::string store_path;  // for /v1/samples
  // Hands a test mail to the server, to this address or to all; blocks.
  std::function<Result<MailTest>(const std::optional<Mailbox>& to)> mail_test;
};

class Api {
 public:
  using ViewSource = std::function<std::shared_ptr<const CollectorView>()>;
  // Carries an operator's order out; thread-safe, blocks until it is done.
  using CarryOut = std::function<Result<OrderDone>(const Order&)>;
  Api(ApiOptions options, ViewSource view, const EventLog& events, ProbeDesk& probes,
      CarryOut carry_out);

  [[nodiscard]] ApiResponse answer(const ApiRequest& request);

 private:
  [[nodiscard]] ApiResponse dispatch(const ApiRequest& request);
  // Nothing: the request carries the token.
  [[nodiscard]] std::optional<ApiResponse> refuse_token(const ApiRequest& request) const;
  [[nodiscard]] ApiResponse answer_probe(const ApiRequest& request, const CollectorView& view);
  [[nodiscard]] ApiResponse answer_mail_test(const ApiRequest& request) const;
  [[nodiscard]] ApiResponse answer_order(const ApiRequest& request) const;

  ApiOptions options_;
  ViewSource view_;
  const EventLog& events_;
  ProbeDesk& probes_;
  CarryOut carry_out_;
  std::atomic<std::uint64_t> succeeded_{0};
  std::atomic<std::uint64_t> refused_{0};
  std::atomic<std::uint64_t> failed_{0};
};

}  // namespace linkpilot::collector
