// Every word of a mail, in each language. What the collector itself saw (a fault's detail, who saw
// a link) stays as it was written: it is evidence.
#pragma once

#include <cstdint>
#include <string>

#include "base/time.h"
#include "collector/faults/fault.h"
#include "collector/notify/notice.h"

namespace linkpilot::collector {

enum class MailLanguage : std::uint8_t { english, chinese };

struct Words {
  // Names of things, without and with the name of the one meant.
  const char* region;
  const char* node;
  const char* port;
  const char* agent;
  const char* service;
  const char* region_pair;
  const char* isp_pair;
  const char* hop;
  const char* relay_push;
  const char* stream;
  const char* carrier;
  const char* own_network;  // the collector's, for a name
  const char* link;
  const char* named;  // "{0} {1}": link paris - tokyo
  const char* since;  // of a subject: "{0}, since {1}"
  // How they are.
  const char* degraded;
  const char* cut;
  const char* down;
  const char* resolved;
  const char* still;
  const char* unattended;
  const char* is_degraded;  // "{0} is degraded."
  const char* is_cut;
  const char* is_down;
  const char* is_still;       // "{0} is still {1}, after {2}."
  const char* is_unattended;  // "{0} is {1}, and nobody has taken care of it for {2}."
  const char* is_well;        // "{0} is well again. It was {1} for {2}."
  const char* severity[3];    // by FaultSeverity
  // Labels of facts.
  const char* what;
  const char* since_label;
  const char* ago;  // "{0} ({1} before this was written)"
  const char* seen_from;
  const char* collector;
  const char* others;  // "{0} and others"
  const char* severity_label;
  const char* vendor;
  const char* nodes;
  const char* fault;
  const char* now;
  const char* from;
  const char* to;
  const char* muted;  // "{0} smaller faults are explained by it and not told"
  // Headings and what stands below them.
  const char* chart;
  const char* chart_note;
  const char* chart_alternative;  // "{0}: round trip {1}, lost {2}"
  const char* matrix;
  const char* matrix_note;
  const char* evidence;
  const char* measured;  // how the figures came about
  const char* began;
  const char* ended;
  const char* written;
  const char* round_trip;
  const char* lost;
  const char* all;
  const char* no_answer;
  const char* more;  // "and {0} more"
  const char* done;
  const char* no_route_moved;
  const char* no_route_had_to;
  const char* routes_moved;  // "{0} routes moved away from it at once:"
  const char* look_further;
  const char* runbook;
  const char* footer;
  // Several faults in one mail.
  const char* group_subject;  // "{0} faults: {1} and others"
  const char* group_headline;
  const char* group_open;   // "{0} open, {1} over"
  const char* digest_lead;  // why so many are told at once
  const char* fault_list;
  const char* column_state;
  const char* column_what;
  const char* column_since;
  const char* column_lasted;
  // Summary, heartbeat, test.
  const char* summary_subject;  // "Summary of {0}: {1} open, {2} over"
  const char* summary_headline;
  const char* summary_quiet;
  const char* summary_open;
  const char* summary_over;
  const char* summary_footer;
  const char* fleet;
  const char* fleet_text;  // "{0} of {1} nodes heard"
  const char* mails;
  const char* mails_text;  // "{0} handed over, {1} dropped"
  const char* heartbeat_subject;
  const char* heartbeat_headline;
  const char* heartbeat_lead;  // "The next one is due at {0}. ..."
  const char* test_subject;
  const char* test_headline;
  const char* test_lead;  // "Asked for at {0}."
};

[[nodiscard]] const Words& words_of(MailLanguage language);
// "link paris - tokyo".
[[nodiscard]] std::string subject_in(const Words& words, const Fault& fault);
// "cut", "down", "degraded".
[[nodiscard]] const char* state_in(const Words& words, const Fault& fault);
// "2 h 5 min", "3 min 12 s", "8 s".
[[nodiscard]] std::string span_text(Duration span);

}  // namespace linkpilot::collector
