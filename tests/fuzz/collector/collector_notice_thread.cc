// What the store keeps of a thread of mails, read back after a restart.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "collector/notify/hook_queue.h"
#include "collector/notify/mail_settings.h"
#include "collector/notify/notice_thread.h"
#include "tests/fuzz/fuzz_target.h"

FUZZ_TARGET(collector_notice_thread, data, size) {
  using namespace linkpilot;
  using namespace linkpilot::collector;
  const std::string text(reinterpret_cast<const char*>(data), size);
  (void)delivery_of({"hook:x", text});
  const Result<StoredThread> thread = decode_thread(text);
  if (!thread) return 0;
  if (thread->to.size() > kMailRecipientsMax) std::abort();
  for (const Mailbox& each : thread->to) {
    if (!parse_mailbox(each.address)) std::abort();
  }
  return 0;
}
