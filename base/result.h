// Result<T>: a value or an Error, for failures that are expected (a bad packet, a missing file, a
// refused key). A lost probe is data, not an error; a programming mistake is LP_ASSERT.
//
// The alias hides tl::expected so that it can become std::expected with a newer compiler.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <utility>

namespace linkpilot {

enum class ErrorCode : std::uint8_t {
  invalid_argument,
  not_found,
  timeout,
  unavailable,
  corrupt,
  permission,
  limit_exceeded,
  internal,
};

[[nodiscard]] std::string_view to_string(ErrorCode code);

// What went wrong, in words an operator can act on. Context is composed outward:
// "load config /etc/linkpilot/agent.toml: peers[3].interval: ...".
struct Error {
  ErrorCode code = ErrorCode::internal;
  std::string message;

  // The same error with `where` put in front of the message.
  [[nodiscard]] Error in(std::string_view where) const;

  friend bool operator==(const Error&, const Error&) = default;
};

template <typename T>
using Result = tl::expected<T, Error>;
using Status = Result<void>;

// `return fail(ErrorCode::corrupt, "...");` from any function that returns a Result.
[[nodiscard]] inline tl::unexpected<Error> fail(ErrorCode code, std::string message) {
  return tl::unexpected<Error>(Error{code, std::move(message)});
}
[[nodiscard]] inline tl::unexpected<Error> fail(Error error) {
  return tl::unexpected<Error>(std::move(error));
}

}  // namespace linkpilot
