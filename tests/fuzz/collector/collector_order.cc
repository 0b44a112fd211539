// The body of POST /v1/hand: any octets are an order with an author and a reason, or a refusal with
// a sentence.
#include <cstdlib>

#include "collector/hand/order.h"
#include "tests/fuzz/fuzz_target.h"

FUZZ_TARGET(collector_order, data, size) {
  using namespace linkpilot::collector;
  const linkpilot::Result<Order> order = parse_order({reinterpret_cast<const char*>(data), size});
  if (!order) {
    if (order.error().message.empty()) std::abort();
    return 0;
  }
  const bool bounded = !order->author.empty() && order->author.size() <= kAuthorLengthMax &&
                       !order->reason.empty() && order->reason.size() <= kReasonLengthMax &&
                       order->lasts <= kLastsMax && order->via.size() <= linkpilot::kRelaysMax;
  if (!bounded) std::abort();
  return 0;
}
