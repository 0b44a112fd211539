// A store without a disk, and an Ingest wired to it, for tests and fuzzing.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "collector/ingest/ingest.h"
#include "schemas/codec.h"
#include "tests/support/sim_clock.h"

namespace linkpilot::collector {

class MemoryStore final : public Store {
 public:
  void start(OnCommit, OnState) override {}
  void stop() override {}
  void reconfigure(Duration, Bytes, Duration) override {}
  bool has_room(std::size_t) const override { return room; }
  bool put_report(StoredReport report) override {
    reports.push_back(std::move(report));
    return true;
  }
  void put_event(Event event) override { events.push_back(std::move(event)); }
  std::uint64_t put_fault(FaultNote note) override {
    if (note.fault) faults.push_back(*std::move(note.fault));
    std::move(note.mails.begin(), note.mails.end(), std::back_inserter(mails));
    return ++fault_notes;
  }
  void put_mail(OutgoingMail mail) override { mails.push_back(std::move(mail)); }
  void drop_mail(std::uint64_t id) override { mails_gone.push_back(id); }
  void put_table(SignedTable, UnixNanos) override {}
  std::uint64_t put_nodes(std::vector<StoredNode>) override { return 1; }
  std::uint64_t put_hand(HandChange) override { return 1; }
  StoreFigures figures() const override { return {}; }

  // What is queued becomes durable.
  Commit commit() {
    Commit out;
    for (const StoredReport& report : reports) out.marks.push_back({report.node, report.mark});
    return out;
  }

  bool room = true;
  std::vector<StoredReport> reports;
  std::vector<Event> events;
  std::uint64_t fault_notes = 0;
  std::vector<Fault> faults;
  std::vector<OutgoingMail> mails;
  std::vector<std::uint64_t> mails_gone;
};

// Nodes a (1), b (2) and c (3), all enrolled with keys "ka", "kb", "kc".
class IngestBench {
 public:
  // With a backlog, reports wait until the test calls `ingest.work()`; without, nothing waits.
  explicit IngestBench(bool with_backlog = false)
      : registry({}),
        log(store, {}),
        ingest(registry, agents, estimates, store, log, hooks(with_backlog)) {
    (void)registry.apply({{"a", "ka"}, {"b", "kb"}, {"c", "kc"}}, now.wall);
    for (const auto& [id, entry] : registry.entries()) {
      AgentRecord& agent = agents[id];
      agent.id = id;
      agent.name = entry.name;
      agent.enrolled = true;
    }
  }

  void say(const std::string& key, const std::string& connection, const AgentMessage& message) {
    const schemas::Octets octets = schemas::encode(message);
    std::vector<std::uint64_t> words((octets.size() + 7) / 8);
    std::copy(octets.begin(), octets.end(), reinterpret_cast<std::uint8_t*>(words.data()));
    ingest.on_message({connection, key},
                      {reinterpret_cast<const std::uint8_t*>(words.data()), octets.size()}, now);
  }
  void hello(const std::string& name, const std::string& connection, std::uint64_t run = 1) {
    Hello hello;
    hello.kind = ClientKind::agent;
    hello.self.name = name;
    Port port;
    port.advertised = IpAddress::v4(192, 0, 2, 1);
    hello.self.ports = {port};
    hello.run_id = run;
    hello.report_epoch = 5;
    say("k" + name, connection, hello);
  }
  template <typename Message>
  [[nodiscard]] std::vector<Message> sent(const std::string& connection) const {
    std::vector<Message> out;
    for (const auto& [to, message] : messages) {
      const Message* found = std::get_if<Message>(&message);
      if (found != nullptr && to == connection) out.push_back(*found);
    }
    return out;
  }
  [[nodiscard]] bool told(const std::string& name) const {
    for (const Event& event : store.events) {
      if (event.name == name) return true;
    }
    return false;
  }
  void pass(Duration time) {
    clock.advance(time);
    now = clock.now();
  }

  SimClock clock;
  Now now = clock.now();
  MemoryStore store;
  Registry registry;
  EventLog log;
  Agents agents;
  optimizer::FleetEstimates estimates;
  std::vector<std::pair<std::string, CollectorMessage>> messages;
  std::vector<LinkId> changed_links;
  std::vector<std::pair<NodeId, Duration>> away;  // as peers were told
  std::size_t hellos = 0;
  std::size_t backlogs = 0;
  Ingest ingest;

 private:
  IngestHooks hooks(bool with_backlog) {
    IngestHooks out;
    if (with_backlog) out.on_backlog = [this] { ++backlogs; };
    out.send = [this](const std::string& to, const CollectorMessage& message) {
      messages.emplace_back(to, message);
      return true;
    };
    out.on_hello = [this](AgentRecord&, bool) { ++hellos; };
    out.on_link_state = [this](LinkId link) { changed_links.push_back(link); };
    out.on_away = [this](const AgentRecord& agent, Duration grace) {
      away.emplace_back(agent.id, grace);
    };
    out.on_table_ack = [](AgentRecord&) {};
    out.on_probe_result = [](NodeId, const ProbeResult&) {};
    out.address_of = [](const std::string&) { return std::string("192.0.2.1"); };
    return out;
  }
};

}  // namespace linkpilot::collector
