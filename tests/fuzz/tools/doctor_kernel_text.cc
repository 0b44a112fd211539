// Pages of metrics and texts of the kernel: read within bounds, or not at all.
#include <cstdlib>
#include <string_view>

#include "tests/fuzz/fuzz_target.h"
#include "tools/linkpilot/doctor/host_facts.h"

FUZZ_TARGET(doctor_kernel_text, data, size) {
  using namespace linkpilot::cli;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (parse_metrics(text).size() > kMetricValuesMax) std::abort();
  (void)snmp_counter(text, "Udp", "RcvbufErrors");
  (void)whole_number(text);
  return 0;
}
