// One HTTP exchange over a plain socket, so that the tests do not lean on the library under test.
#pragma once

#include <string>

namespace linkpilot::collector {

struct HttpReply {
  int status = 0;
  std::string head;
  std::string body;
};

// Connection: close; status 0 if there was no answer.
[[nodiscard]] HttpReply http_exchange(int port, const std::string& method, const std::string& path,
                                      const std::string& body, const std::string& token);
[[nodiscard]] HttpReply http_raw(int port, const std::string& request);

}  // namespace linkpilot::collector
