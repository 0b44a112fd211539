// Mailer: the thread that hands mails to the SMTP server. What waits is a MailQueue (bounded);
// what became of each attempt is told to `on_settled`, which comes on this thread. A test mail goes
// around the queue, once.
//
// `add`, `set_settings`, `figures` and `test` are for any thread.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/result.h"
#include "collector/notify/announcer.h"
#include "collector/notify/mail_queue.h"
#include "collector/notify/mail_settings.h"

namespace linkpilot::collector {

struct MailFigures {
  bool enabled = false;
  std::uint64_t waiting = 0;
  std::uint64_t waiting_max = 0;
  std::string trouble;  // what keeps the server from being talked to; empty: nothing
  MailCounters counters;
  std::uint64_t untold = 0;  // notices not in a mail yet
  AnnouncerCounters announcer;
};

struct MailTest {
  std::string message_id;
  std::vector<std::string> handed;
  std::vector<std::string> refused;  // for good or for now, with the server's words
  std::string error;                 // what kept it from being tried or finished
  [[nodiscard]] bool ok() const { return error.empty() && refused.empty() && !handed.empty(); }
};

class Mailer {
 public:
  static constexpr std::size_t kTestsMax = 4;
  using OnSettled = std::function<void(MailSettled)>;

  Mailer(MailSettings settings, OnSettled on_settled);
  ~Mailer();
  Mailer(const Mailer&) = delete;
  Mailer& operator=(const Mailer&) = delete;

  void start();
  // Breaks off what is under way; it stays in the spool.
  void stop();

  // Returns the mails that had to go to make room.
  [[nodiscard]] std::vector<OutgoingMail> add(OutgoingMail mail);
  void set_settings(const MailSettings& settings);
  [[nodiscard]] MailFigures figures() const;
  // Waits for the outcome. Fails if there is nothing to try.
  [[nodiscard]] Result<MailTest> test(const std::optional<Mailbox>& to);

 private:
  struct Test {
    OutgoingMail mail;
    std::optional<MailTest> outcome;
  };
  void run();
  // mutex_ held; gives it back while it sends.
  void try_one(std::unique_lock<std::mutex>& lock);
  void try_test(std::unique_lock<std::mutex>& lock);

  const OnSettled on_settled_;
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::condition_variable tested_;
  MailSettings settings_;                    // guarded by mutex_
  MailQueue queue_;                          // guarded by mutex_
  std::deque<std::shared_ptr<Test>> tests_;  // guarded by mutex_
  bool stopping_ = false;                    // guarded by mutex_
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

}  // namespace linkpilot::collector
