// A mail on its way: as it lies in the spool, and what became of one attempt to hand it over.
// Values.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/time.h"

namespace linkpilot::collector {

struct OutgoingMail {
  std::uint64_t id = 0;  // grows in the order of writing
  std::string thread;    // mails of one fault leave in order
  std::string message_id;
  std::string subject;  // for people who look at the spool
  UnixNanos created;
  std::string from;                     // envelope
  std::vector<std::string> recipients;  // that have not got it yet
  std::string octets;                   // the whole message
  friend bool operator==(const OutgoingMail&, const OutgoingMail&) = default;
};

// Of a whole message: a well-known reader cuts off what is beyond 102 kB.
inline constexpr std::size_t kMailOctetsMax = 100'000;

// What the notifier must know again after a restart: threads that are open, deliveries that wait.
struct NoticeRow {
  std::string key;
  std::string body;  // JSON; empty: gone
  friend bool operator==(const NoticeRow&, const NoticeRow&) = default;
};

// What the server said to one command; 0: nothing.
struct SmtpReply {
  int code = 0;
  std::string text;
  [[nodiscard]] bool good() const { return code >= 200 && code < 300; }
  [[nodiscard]] bool final_no() const { return code >= 500 && code < 600; }
};

// One SMTP transaction as it went.
struct SmtpReport {
  std::vector<SmtpReply> recipients;  // as asked; shorter if it never came to them
  SmtpReply sender;                   // to MAIL FROM
  SmtpReply message;                  // to the end of the data: good means the server has it
  std::string error;                  // what kept it from being handed over; empty: nothing did
};

}  // namespace linkpilot::collector
