// Resolver: one question for the addresses of a host name, through c-ares on a DialLoop, as a phase
// of its own. Each question has its own channel, so each may have its own servers; names of
// /etc/hosts are known unless other servers are asked. An override or a literal address is answered
// without a question.
//
// The client subnet (RFC 7871) is put into the query by hand, because c-ares 1.18 has no word for
// it; the answer's scope is not read. One thread.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/result.h"
#include "prober/media/dial/dial_loop_socket.h"
#include "prober/media/dial/dial_report.h"
#include "prober/media/dial/dial_request.h"

namespace linkpilot::prober {

struct Resolved {
  DnsReport report;
  MonoTime at;         // when the answer came
  bool asked = false;  // false: a literal address or an override; there was no DNS phase
  std::optional<DialFailure> failure;  // of stage dns
};

class Resolver {
 public:
  using Handler = std::function<void(Resolved)>;

  explicit Resolver(DialLoop& loop);
  ~Resolver();  // no answer comes after it
  Resolver(const Resolver&) = delete;
  Resolver& operator=(const Resolver&) = delete;

  // Calls `handler` once, from the loop or from within (literal addresses, overrides). A second
  // question ends the first.
  void resolve(const std::string& host, const ResolverOptions& options, Duration limit,
               Handler handler);
  void cancel();  // no answer comes

 private:
  class Question;
  DialLoop& loop_;
  std::unique_ptr<Question> question_;
};

}  // namespace linkpilot::prober
