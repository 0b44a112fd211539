#include "collector/notify/words.h"

#include <fmt/format.h>

#include <algorithm>

namespace linkpilot::collector {

namespace {

constexpr Words kEnglish = {
    .region = "region",
    .node = "node",
    .port = "port",
    .agent = "agent",
    .service = "service of",
    .region_pair = "regions",
    .isp_pair = "ISPs",
    .hop = "hop",
    .relay_push = "relay push",
    .stream = "stream",
    .carrier = "vendor",
    .own_network = "network of the collector",
    .link = "link",
    .named = "{0} {1}",
    .since = "{0}, since {1}",
    .degraded = "degraded",
    .cut = "cut",
    .down = "down",
    .resolved = "resolved",
    .still = "still",
    .unattended = "unattended",
    .is_degraded = "{0} is degraded.",
    .is_cut = "{0} is cut.",
    .is_down = "{0} is down.",
    .is_still = "{0} is still {1}, after {2}.",
    .is_unattended = "{0} is {1}, and nobody has taken care of it for {2}.",
    .is_well = "{0} is well again. It was {1} for {2}.",
    .severity = {"info", "warning", "critical"},
    .what = "What",
    .since_label = "Since",
    .ago = "{0} ({1} before this was written)",
    .seen_from = "Seen from",
    .collector = "the collector",
    .others = "{0} and others",
    .severity_label = "Severity",
    .vendor = "Vendor",
    .nodes = "Nodes",
    .fault = "Fault",
    .now = "Now",
    .from = "From",
    .to = "To",
    .muted = "{0} smaller faults are explained by it and not told",
    .chart = "Before and after",
    .chart_note =
        "Above: round trip in milliseconds. Below: packets lost, in percent. The dashed "
        "line is where it began; shaded is as long as it lasts.",
    .chart_alternative = "{0}: round trip {1}, lost {2}",
    .matrix = "Affected links",
    .matrix_note = "From the row to the column: packets lost, or what the round trip has grown by.",
    .evidence = "Evidence, to be forwarded (before -> now)",
    .measured = "Measured with UDP probes (STAMP, RFC 8762) both ways between these addresses",
    .began = "Began",
    .ended = "Ended",
    .written = "Written",
    .round_trip = "round trip",
    .lost = "lost",
    .all = "all",
    .no_answer = "no answer",
    .more = "and {0} more",
    .done = "What was done",
    .no_route_moved = "No route moved: none used it, or there is no better way.",
    .no_route_had_to = "No route had to move.",
    .routes_moved = "Routes that moved away from it at once: {0}",
    .look_further = "How to look further",
    .runbook = "What to do",
    .footer =
        "Sent by the LinkPilot collector: one mail when a fault begins, one when its grade "
        "changes, one when it is over, all in one thread.",
    .group_subject = "{0} faults: {1} and others",
    .group_headline = "{0} faults at once.",
    .group_open = "{0} open, {1} over.",
    .digest_lead = "More happened than [mail] rate_per_hour lets through; this is all of it.",
    .fault_list = "Faults",
    .column_state = "State",
    .column_what = "What",
    .column_since = "Since",
    .column_lasted = "Lasted",
    .summary_subject = "Summary of {0}: {1} open, {2} over",
    .summary_headline = "The last day: {0} faults over, {1} still open.",
    .summary_quiet = "Nothing was wrong.",
    .summary_open = "Open",
    .summary_over = "Over",
    .summary_footer =
        "Sent by the LinkPilot collector every day, also when there is nothing to "
        "tell: if it does not come, somebody should look.",
    .fleet = "Fleet",
    .fleet_text = "{0} of {1} nodes heard",
    .mails = "Mails",
    .mails_text = "{0} handed over since the collector began, {1} lost",
    .heartbeat_subject = "LinkPilot is watching",
    .heartbeat_headline = "LinkPilot is watching.",
    .heartbeat_lead =
        "The next such mail is due at {0}. If it does not come, the collector, its "
        "network or its mail server is in trouble.",
    .test_subject = "LinkPilot can reach you",
    .test_headline = "This is a test.",
    .test_lead =
        "Asked for with `linkpilot fault mail test` at {0}. Mail about faults of the "
        "network comes from the same sender, through the same server.",
};

constexpr Words kChinese = {
    .region = "区域",
    .node = "节点",
    .port = "端口",
    .agent = "探针",
    .service = "服务",
    .region_pair = "区域间",
    .isp_pair = "运营商间",
    .hop = "骨干节点",
    .relay_push = "中继推流",
    .stream = "流",
    .carrier = "厂商",
    .own_network = "采集器自身网络",
    .link = "链路",
    .named = "{0} {1}",
    .since = "{0}，始于 {1}",
    .degraded = "劣化",
    .cut = "中断",
    .down = "宕机",
    .resolved = "已恢复",
    .still = "仍未恢复",
    .unattended = "无人处理",
    .is_degraded = "{0} 质量劣化。",
    .is_cut = "{0} 中断。",
    .is_down = "{0} 宕机。",
    .is_still = "{0} 仍处于{1}状态，已持续 {2}。",
    .is_unattended = "{0} 处于{1}状态，已有 {2} 无人处理。",
    .is_well = "{0} 已恢复。此前{1}，持续 {2}。",
    .severity = {"提示", "警告", "严重"},
    .what = "现象",
    .since_label = "开始时间",
    .ago = "{0}（成文前 {1}）",
    .seen_from = "观测点",
    .collector = "采集中心",
    .others = "{0} 等",
    .severity_label = "级别",
    .vendor = "供应商",
    .nodes = "节点",
    .fault = "故障号",
    .now = "现状",
    .from = "开始",
    .to = "结束",
    .muted = "另有 {0} 个较小故障由它引起，不再单独通知",
    .chart = "故障前后对比",
    .chart_note =
        "上图：往返时延（毫秒）。下图：丢包率（%）。虚线为故障开始时刻，阴影为故障持续时间。",
    .chart_alternative = "{0}：往返时延 {1}，丢包 {2}",
    .matrix = "受影响的链路",
    .matrix_note = "由行到列的方向：丢包率，或往返时延的增量。",
    .evidence = "证据，可直接转发（故障前 -> 现在）",
    .measured = "以 UDP 探测（STAMP，RFC 8762）在下列地址之间双向测得",
    .began = "开始",
    .ended = "结束",
    .written = "成文",
    .round_trip = "往返时延",
    .lost = "丢包",
    .all = "全部",
    .no_answer = "无应答",
    .more = "另有 {0} 条",
    .done = "已采取的措施",
    .no_route_moved = "没有路由切换：没有路由经过它，或没有更好的路径。",
    .no_route_had_to = "没有路由需要切换。",
    .routes_moved = "已立即切走的路由：{0} 条",
    .look_further = "进一步排查",
    .runbook = "处理手册",
    .footer = "由 LinkPilot 采集中心发送：故障开始、级别变化、恢复时各一封，同属一个会话。",
    .group_subject = "{0} 个故障：{1} 等",
    .group_headline = "同时出现 {0} 个故障。",
    .group_open = "{0} 个未恢复，{1} 个已恢复。",
    .digest_lead = "事件数超过 [mail] rate_per_hour 的限额，现汇总如下，无遗漏。",
    .fault_list = "故障列表",
    .column_state = "状态",
    .column_what = "对象",
    .column_since = "开始时间",
    .column_lasted = "持续",
    .summary_subject = "{0} 日报：{1} 个未恢复，{2} 个已恢复",
    .summary_headline = "过去一天：{0} 个故障已恢复，{1} 个未恢复。",
    .summary_quiet = "一切正常。",
    .summary_open = "未恢复",
    .summary_over = "已恢复",
    .summary_footer = "由 LinkPilot 采集中心每日发送，无事亦发；若未收到，请检查。",
    .fleet = "全网",
    .fleet_text = "{1} 个节点中 {0} 个在线",
    .mails = "邮件",
    .mails_text = "本次运行以来送出 {0} 封，丢失 {1} 封",
    .heartbeat_subject = "LinkPilot 值守中",
    .heartbeat_headline = "LinkPilot 值守中。",
    .heartbeat_lead =
        "下一封心跳邮件应于 {0} 前到达。若未收到，说明采集中心、其网络或邮件服务器有故障。",
    .test_subject = "LinkPilot 邮件可达",
    .test_headline = "这是一封测试邮件。",
    .test_lead =
        "由 `linkpilot fault mail test` 于 {0} 发起。故障通知将由同一发件人、同一服务器发出。",
};

}  // namespace

const Words& words_of(MailLanguage language) {
  return language == MailLanguage::chinese ? kChinese : kEnglish;
}

std::string subject_in(const Words& words, const Fault& fault) {
  if (fault.scope == FaultScope::collector) return words.own_network;
  const auto scope = [&]() -> const char* {
    switch (fault.scope) {
      case FaultScope::region:
        return words.region;
      case FaultScope::node:
        return words.node;
      case FaultScope::port:
        return words.port;
      case FaultScope::agent:
        return words.agent;
      case FaultScope::service:
        return words.service;
      case FaultScope::region_pair:
        return words.region_pair;
      case FaultScope::isp_pair:
        return words.isp_pair;
      case FaultScope::hop:
        return words.hop;
      case FaultScope::relay_push:
        return words.relay_push;
      case FaultScope::stream:
        return words.stream;
      case FaultScope::vendor:
        return words.carrier;
      case FaultScope::link:
      case FaultScope::collector:
        break;
    }
    return words.link;
  };
  const std::string name = fault.scope == FaultScope::region
                               ? fault.region
                               : fmt::format("{}", fmt::join(fault.members, " - "));
  return fmt::format(fmt::runtime(words.named), scope(), name);
}

const char* state_in(const Words& words, const Fault& fault) {
  if (fault.grade == FaultGrade::degraded) return words.degraded;
  return fault.scope == FaultScope::link ? words.cut : words.down;
}

std::string span_text(Duration span) {
  const std::int64_t seconds = std::max<std::int64_t>(0, span.count() / 1'000'000'000);
  if (seconds >= 86'400) return fmt::format("{} d {} h", seconds / 86'400, seconds % 86'400 / 3600);
  if (seconds >= 3600) return fmt::format("{} h {} min", seconds / 3600, seconds % 3600 / 60);
  if (seconds >= 60) return fmt::format("{} min {} s", seconds / 60, seconds % 60);
  return fmt::format("{} s", seconds);
}

}  // namespace linkpilot::collector
