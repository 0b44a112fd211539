#include <fmt/format.h>

#include <iterator>
#include <memory>
#include <utility>

#include "tools/linkpilot/doctor/doctor.h"
#include "tools/linkpilot/text_table.h"

namespace linkpilot::cli {

namespace {

const char kUsualUrl[] = "http://127.0.0.1:7180";

void add_fleet(const Context& context, const DoctorOrder& order, const HostConfigs& configs,
               Examination& out) {
  const bool named = order.fleet || context.api.url != kUsualUrl;
  if (!named && !configs.collector) return;
  FleetFacts facts;
  const ApiClient client = context.client();
  const Result<Json> status = client.get("/v1/status");
  const Result<Json> agents = status ? client.get("/v1/agents") : fail(status.error());
  if (!agents) {
    out.add(Health::bad, "collector.answers",
            "the collector does not answer: " + agents.error().message,
            "nobody sees the fleet; agents go on by themselves",
            "systemctl status linkpilot-collector; linkpilot --collector http://HOST:PORT doctor");
    return;
  }
  facts.status = *status;
  facts.agents = *agents;
  if (const Result<std::string> page = client.text("/metrics"))
    facts.metrics = parse_metrics(*page);
  Examination fleet = examine_fleet(facts, LINKPILOT_VERSION);
  std::move(fleet.findings.begin(), fleet.findings.end(), std::back_inserter(out.findings));
  std::move(fleet.unseen.begin(), fleet.unseen.end(), std::back_inserter(out.unseen));
}

int run_doctor(const Context& context, const DoctorOrder& order) {
  const Examination found = examine(context, order, read_configs(order));
  if (context.json) {
    print_json("doctor", doctor_json(found));
  } else {
    fmt::print("{}", doctor_text(found));
  }
  return found.worst() == Health::bad ? kNegative : kOk;
}

}  // namespace

HostConfigs read_configs(const DoctorOrder& order) {
  return read_configs(order.agent_file, order.agent_named, order.collector_file,
                      order.collector_named);
}

Examination examine(const Context& context, const DoctorOrder& order, const HostConfigs& configs) {
  Examination out = examine_host(configs, read_host(configs));
  add_fleet(context, order, configs, out);
  return out;
}

std::string doctor_text(const Examination& examination) {
  std::string out;
  for (const Health health : {Health::bad, Health::warn, Health::ok}) {
    for (const Finding& finding : examination.findings) {
      if (finding.health != health) continue;
      out += fmt::format("{:<4}  {}: {}\n", to_string(health), finding.check, finding.found);
      if (!finding.meaning.empty()) out += fmt::format("      means: {}\n", finding.meaning);
      if (!finding.fix.empty()) out += fmt::format("      fix:   {}\n", finding.fix);
    }
  }
  if (!examination.ports.empty()) {
    TextTable table({{"PORT"}, {"", TextTable::Align::left}, {"ADDRESS"}, {"WITH"}, {"FOR"}});
    for (const OpenPort& port : examination.ports) {
      table.add({fmt::format("{}/{}", port.protocol, port.port), port.direction, port.address,
                 port.peer, port.why});
    }
    out += "\na firewall lets through:\n" + table.to_string();
  }
  if (!examination.unseen.empty()) {
    out += "\nnot seen (as root, more is):\n";
    for (const std::string& what : examination.unseen) out += "  " + what + "\n";
  }
  return out;
}

Json doctor_json(const Examination& examination) {
  Json findings = Json::array();
  for (const Finding& finding : examination.findings) {
    findings.push_back({{"health", to_string(finding.health)},
                        {"check", finding.check},
                        {"found", finding.found},
                        {"meaning", finding.meaning},
                        {"fix", finding.fix}});
  }
  Json ports = Json::array();
  for (const OpenPort& port : examination.ports) {
    ports.push_back({{"direction", port.direction},
                     {"protocol", port.protocol},
                     {"address", port.address},
                     {"port", port.port},
                     {"peer", port.peer},
                     {"why", port.why}});
  }
  return {{"health", to_string(examination.worst())},
          {"findings", std::move(findings)},
          {"ports", std::move(ports)},
          {"unseen", examination.unseen}};
}

void add_doctor_options(Command command, DoctorOrder& order) {
  command
      .on_option<std::string>(
          "--agent-config",
          [&order](const std::string& path) {
            order.agent_file = path;
            order.agent_named = true;
          },
          "the agent's file (default: /etc/linkpilot/agent.toml, if it is there)")
      .from_environment("LINKPILOT_AGENT_CONFIG");
  command
      .on_option<std::string>(
          "--collector-config",
          [&order](const std::string& path) {
            order.collector_file = path;
            order.collector_named = true;
          },
          "the collector's file (default: /etc/linkpilot/collector.toml, if it is there)")
      .from_environment("LINKPILOT_COLLECTOR_CONFIG");
  command.flag("--fleet", order.fleet,
               "ask the collector about the fleet, too (it is asked anyway when --collector names "
               "it or its file is here)");
}

void add_doctor(Command app, Context& context) {
  auto order = std::make_shared<DoctorOrder>();
  Command doctor = app.verb(
      "doctor",
      "What is wrong with this host and, with a collector, the fleet: clock, timestamps, ports, "
      "disks, files, versions; what it means and the fix (exit 1 if something is bad)");
  add_doctor_options(doctor, *order);
  on_run(doctor, context, [&context, order] { return run_doctor(context, *order); });
}

}  // namespace linkpilot::cli
