#include "base/result.h"

namespace linkpilot {

std::string_view to_string(ErrorCode code) {
  switch (code) {
    case ErrorCode::invalid_argument:
      return "invalid argument";
    case ErrorCode::not_found:
      return "not found";
    case ErrorCode::timeout:
      return "timeout";
    case ErrorCode::unavailable:
      return "unavailable";
    case ErrorCode::corrupt:
      return "corrupt";
    case ErrorCode::permission:
      return "permission";
    case ErrorCode::limit_exceeded:
      return "limit exceeded";
    case ErrorCode::internal:
      return "internal";
  }
  return "unknown";
}

Error Error::in(std::string_view where) const {
  std::string text(where);
  text += ": ";
  text += message;
  return Error{code, std::move(text)};
}

}  // namespace linkpilot
