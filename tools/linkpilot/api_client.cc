#include "tools/linkpilot/api_client.h"

#include <fmt/format.h>
#include <httplib.h>

#include <fstream>

namespace linkpilot::cli {
namespace {

constexpr std::size_t kAnswerBytesMax = std::size_t{64} << 20;

std::string with_query(const std::string& path, const Query& query) {
  std::string out = path;
  for (std::size_t i = 0; i < query.size(); ++i) {
    out += i == 0 ? '?' : '&';
    out += query[i].first + '=' + httplib::detail::encode_query_param(query[i].second);
  }
  return out;
}

Result<std::string> read_token(const std::string& path) {
  if (path.empty()) {
    return fail(ErrorCode::permission,
                "this changes what agents do and needs the collector's token; give its file with "
                "--token-file or LINKPILOT_TOKEN_FILE (the collector's [api] token_file)");
  }
  std::ifstream file(path);
  std::string token;
  if (!std::getline(file, token) || token.empty()) {
    return fail(ErrorCode::permission,
                fmt::format("cannot read a token from {}; is it the collector's [api] token_file, "
                            "and may you read it?",
                            path));
  }
  return token;
}

Error describe_transport(httplib::Error error, const std::string& url) {
  switch (error) {
    case httplib::Error::Read:
    case httplib::Error::ConnectionTimeout:
      return {ErrorCode::timeout,
              fmt::format("the collector at {} did not answer in time; is it overloaded? "
                          "Try: curl -m 5 {}/healthz",
                          url, url)};
    default:
      return {ErrorCode::unavailable,
              fmt::format("no collector answers at {} ({}); is linkpilot-collector running, and is "
                          "this its [listen] http address? Set --collector or LINKPILOT_COLLECTOR",
                          url, httplib::to_string(error))};
  }
}

Result<Json> parse_answer(const httplib::Result& answer, const std::string& url,
                          const std::string& path, bool accept_unhealthy) {
  if (!answer) return fail(describe_transport(answer.error(), url));
  const bool accepted = answer->status == 200 || (accept_unhealthy && answer->status == 503);
  if (!accepted) return fail(describe_failure(answer->status, answer->body, path));
  if (answer->body.size() > kAnswerBytesMax) {
    return fail(ErrorCode::limit_exceeded, fmt::format("{}{} sent more than 64 MiB", url, path));
  }
  Json json = Json::parse(answer->body, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) {
    return fail(ErrorCode::corrupt,
                fmt::format("{}{} did not answer with JSON; is that a collector?", url, path));
  }
  return json;
}

Result<httplib::Client> connect(const ApiOptions& options, int timeout_s) {
  if (!options.url.starts_with("http://")) {
    return fail(ErrorCode::invalid_argument,
                fmt::format("'{}' is not http://HOST:PORT; put TLS in front with a proxy or SSH",
                            options.url));
  }
  httplib::Client client(options.url);
  if (!client.is_valid()) {
    return fail(ErrorCode::invalid_argument, fmt::format("'{}' is not a URL", options.url));
  }
  client.set_connection_timeout(5);
  client.set_read_timeout(timeout_s);
  return client;
}

}  // namespace

Error describe_failure(int status, const std::string& body, const std::string& path) {
  const Json json = Json::parse(body, nullptr, false);
  std::string text = fmt::format("{} answered {}", path, status);
  if (json.is_object() && json.contains("error") && json["error"].is_string()) {
    text = json["error"].get<std::string>();
  }
  if (json.is_object() && json.contains("near") && json["near"].is_array() &&
      !json["near"].empty()) {
    text += "; did you mean";
    for (const Json& name : json["near"]) {
      if (name.is_string()) text += " " + name.get<std::string>();
    }
    text += "?";
  }
  if (json.is_object() && json.contains("hint") && json["hint"].is_string()) {
    text += " (" + json["hint"].get<std::string>() + ")";
  }
  switch (status) {
    case 400:
      return {ErrorCode::invalid_argument, text};
    case 401:
    case 403:
      return {ErrorCode::permission,
              text + "; the token must be the text of the collector's [api] token_file"};
    case 404:
      return {ErrorCode::not_found, text};
    case 408:
      return {ErrorCode::timeout, text};
    case 409:
      // An order that was refused: asked, and the answer is no.
      if (json.is_object() && json.value("code", "") == "refused") {
        return {ErrorCode::not_found, text};
      }
      return {ErrorCode::unavailable, text};
    case 503:
      return {ErrorCode::unavailable, text};
    case 429:
      return {ErrorCode::limit_exceeded, text};
    default:
      return {ErrorCode::internal, text};
  }
}

Result<Json> ApiClient::get(const std::string& path, const Query& query) const {
  Result<httplib::Client> client = connect(options_, options_.timeout_s);
  if (!client) return fail(client.error());
  return parse_answer(client->Get(with_query(path, query)), options_.url, path, false);
}

Result<std::string> ApiClient::text(const std::string& path) const {
  Result<httplib::Client> client = connect(options_, options_.timeout_s);
  if (!client) return fail(client.error());
  const httplib::Result answer = client->Get(path);
  if (!answer || answer->status != 200) {
    return fail(ErrorCode::unavailable,
                fmt::format("{}{}: {}", options_.url, path,
                            answer ? fmt::format("answered {}", answer->status)
                                   : httplib::to_string(answer.error())));
  }
  if (answer->body.size() > kAnswerBytesMax) {
    return fail(ErrorCode::limit_exceeded, path + " sent more than 64 MiB");
  }
  return answer->body;
}

Result<Json> ApiClient::health() const {
  Result<httplib::Client> client = connect(options_, options_.timeout_s);
  if (!client) return fail(client.error());
  return parse_answer(client->Get("/healthz"), options_.url, "/healthz", true);
}

Result<Json> ApiClient::post(const std::string& path, const Json& body, int timeout_s) const {
  Result<std::string> token = read_token(options_.token_file);
  if (!token) return fail(token.error());
  Result<httplib::Client> client = connect(options_, timeout_s);
  if (!client) return fail(client.error());
  client->set_bearer_token_auth(*token);
  return parse_answer(client->Post(path, body.dump(), "application/json"), options_.url, path,
                      false);
}

}  // namespace linkpilot::cli
