#include "optimizer/policy/policy.h"

namespace linkpilot::optimizer {
namespace {

bool crosses_isp(const Node& from, const Port& a, const Node& to, const Port& b) {
  if (a.isp.empty() || b.isp.empty() || a.isp == b.isp) return false;
  return from.ports.size() < 2 && to.ports.size() < 2;
}

}  // namespace

bool link_allowed(const Node& from, const Port& a, const Node& to, const Port& b,
                  const LinkPolicy& policy) {
  if (from.id == to.id) return false;
  return policy.cross_isp != CrossIsp::never || !crosses_isp(from, a, to, b);
}

double link_surcharge_ms(const Node& from, const Port& a, const Node& to, const Port& b,
                         const LinkPolicy& policy) {
  return policy.cross_isp == CrossIsp::penalty && crosses_isp(from, a, to, b) ? policy.cross_isp_ms
                                                                              : 0.0;
}

}  // namespace linkpilot::optimizer
