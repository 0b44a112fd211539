#include "tests/component/collector/scripted_agent.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <thread>

#include "schemas/codec.h"
#include "tests/component/collector/http_get.h"

namespace linkpilot::collector {

ScriptedAgent::ScriptedAgent(asio::io_context& loop, std::string node_name,
                             const CurveKeyPair& keys, const std::string& server_public_key,
                             const std::string& endpoint)
    : name(std::move(node_name)) {
  MessageClient::Options options;
  options.connect = endpoint;
  options.server_public_key = server_public_key;
  options.keys = keys;
  Result<std::unique_ptr<MessageClient>> client = MessageClient::create(
      loop, options, [this](std::span<const std::uint8_t> bytes) { on_message(bytes); },
      [this](MessageClient::State state) {
        disconnects_ += state == MessageClient::State::disconnected ? 1 : 0;
        handshake_refused_ = handshake_refused_ || state == MessageClient::State::handshake_refused;
      });
  if (!client) {
    ADD_FAILURE() << client.error().message;
    std::abort();
  }
  client_ = *std::move(client);
}

void ScriptedAgent::send(const AgentMessage& message) { client_->send(schemas::encode(message)); }

void ScriptedAgent::hello() {
  Hello hello;
  hello.kind = ClientKind::agent;
  hello.self.name = name;
  hello.self.region = "lab";
  Port port;
  port.advertised = IpAddress::v4(127, 0, 0, 1);
  port.listen = IpAddress::v4(127, 0, 0, 1);
  hello.self.ports.push_back(port);
  hello.report_epoch = epoch;
  hello.run_id = run_id;
  hello.software = "scripted-agent";
  send(hello);
}

Report ScriptedAgent::make_report(std::uint64_t number,
                                  const std::function<Duration(LinkId)>& rtt) const {
  const UnixNanos now = SystemClock().now().wall;
  Report report;
  report.id = {epoch, number};
  report.created = now;
  if (heard.plans.empty()) return report;
  for (const PlannedLink& planned : heard.plans.back().links) {
    LinkSample sample;
    sample.link = planned.link;
    sample.length = std::chrono::seconds(1);
    sample.start = now - sample.length;
    sample.probe_interval = planned.interval;
    sample.flows = planned.flows;
    sample.sent = 20;
    sample.answered = 20;
    sample.rtt_min = rtt(planned.link);
    sample.rtt_max = sample.rtt_min;
    sample.rtt_sum = sample.rtt_min * 20;
    for (int i = 0; i < 20; ++i) sample.rtt.add(sample.rtt_min);
    sample.timestamps = TimestampMethod::kernel;
    report.links.push_back(std::move(sample));
  }
  return report;
}

void ScriptedAgent::alarm(LinkId link, LinkState state, bool confirmed) {
  Alarm alarm;
  alarm.link = link;
  alarm.state = state;
  alarm.confirmed = confirmed;
  alarm.since = SystemClock().now().wall;
  alarm.episode = ++episode_;
  send(alarm);
}

std::uint64_t ScriptedAgent::acked() const {
  std::uint64_t high = 0;
  for (const ReportAck& ack : heard.acks) {
    if (ack.up_to.epoch == epoch) high = std::max(high, ack.up_to.sequence);
  }
  return high;
}

NodeId ScriptedAgent::id() const {
  return heard.welcomes.empty() ? NodeId{} : heard.welcomes.back().id;
}

void ScriptedAgent::on_message(std::span<const std::uint8_t> bytes) {
  Result<CollectorMessage> message = schemas::decode_collector_message(bytes);
  if (!message) {
    ADD_FAILURE() << message.error().message;
    return;
  }
  if (auto* welcome = std::get_if<Welcome>(&*message)) heard.welcomes.push_back(*welcome);
  if (auto* ack = std::get_if<ReportAck>(&*message)) heard.acks.push_back(*ack);
  if (auto* pong = std::get_if<Pong>(&*message)) heard.pongs.push_back(*pong);
  if (auto* probe = std::get_if<ProbeRequest>(&*message)) heard.probes.push_back(*probe);
  if (auto* refused = std::get_if<Refused>(&*message)) heard.refusals.push_back(*refused);
  if (auto* plan = std::get_if<Plan>(&*message)) {
    heard.plans.push_back(*plan);
    send(PlanAck{plan->version, static_cast<std::uint32_t>(plan->links.size()), 0, ""});
  }
  if (auto* table = std::get_if<SignedTable>(&*message)) {
    heard.tables.push_back(*table);
    if (acknowledge_tables) acknowledge(*table);
  }
}

void ScriptedAgent::acknowledge(const SignedTable& table) {
  send(TableAck{table.version, true, "", table.version, SystemClock().now().wall});
}

CollectorProcess::CollectorProcess(const std::string& extra) {
  std::string pattern = (std::filesystem::temp_directory_path() / "lp-collector-XXXXXX").string();
  folder_ = mkdtemp(pattern.data());
  const std::string command = fmt::format("{} --init {} > /dev/null", LINKPILOT_COLLECTOR, folder_);
  EXPECT_EQ(std::system(command.c_str()), 0);
  const Result<std::string> key = load_curve_public_key(folder_ + "/collector.key.pub");
  EXPECT_TRUE(key.has_value());
  public_key_ = key.value_or("");
  std::ofstream config(folder_ + "/test.toml");
  config << "[listen]\nagents = \"tcp://127.0.0.1:*\"\nhttp = \"127.0.0.1:0\"\n"
         << "[keys]\ncurve_file = \"collector.key\"\nsigning_file = \"routes.key\"\n"
         << "enrolled_directory = \"enrolled\"\nprobing_file = \"probing.key\"\n[store]\npath = "
            "\"store/collector.sqlite\"\n"
         << "[api]\ntoken_file = \"token\"\n"
         << extra;
}

CollectorProcess::~CollectorProcess() {
  if (pid_ > 0) kill_hard();
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
}

void CollectorProcess::start() {
  std::array<int, 2> out{};
  ASSERT_EQ(pipe(out.data()), 0);
  // The same agent port over restarts, so that agents find the collector again.
  const std::string config = folder_ + "/test.toml";
  if (agent_port_ != 0) {
    std::ifstream in(config);
    std::string text((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
    in.close();
    const std::string any = "tcp://127.0.0.1:*";
    if (const auto at = text.find(any); at != std::string::npos) {
      text.replace(at, any.size(), fmt::format("tcp://127.0.0.1:{}", agent_port_));
      std::ofstream(config) << text;
    }
  }
  const std::string log = folder_ + "/log";
  pid_ = fork();
  if (pid_ == 0) {
    dup2(out[1], STDOUT_FILENO);
    FILE* err = freopen(log.c_str(), "a", stderr);
    if (err == nullptr) _exit(126);
    close(out[0]);
    close(out[1]);
    execl(LINKPILOT_COLLECTOR, LINKPILOT_COLLECTOR, "--config", config.c_str(), nullptr);
    _exit(127);
  }
  close(out[1]);
  FILE* in = fdopen(out[0], "r");
  std::array<char, 512> line{};
  const char* got = fgets(line.data(), line.size(), in);
  fclose(in);
  std::ifstream said(log);
  const std::string errors((std::istreambuf_iterator<char>(said)),
                           std::istreambuf_iterator<char>());
  ASSERT_NE(got, nullptr) << "the collector did not come up:\n" << errors;
  const nlohmann::json ready = nlohmann::json::parse(line.data(), nullptr, false);
  ASSERT_TRUE(ready.is_object()) << line.data();
  endpoint_ = ready["agents"].get<std::string>();
  next_endpoint_ = ready["agents_next"].get<std::string>();
  agent_port_ = std::stoi(endpoint_.substr(endpoint_.rfind(':') + 1));
  http_port_ = ready["http_port"].get<int>();
}

std::string CollectorProcess::http_url() const {
  return fmt::format("http://127.0.0.1:{}", http_port_);
}

void CollectorProcess::edit_config(const std::string& from, const std::string& to) const {
  const std::string config = folder_ + "/test.toml";
  std::ifstream in(config);
  std::string text((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
  in.close();
  const auto at = text.find(from);
  ASSERT_NE(at, std::string::npos) << from;
  std::ofstream(config) << text.replace(at, from.size(), to);
}

void CollectorProcess::kill_hard() {
  kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
  pid_ = -1;
}

int CollectorProcess::stop() {
  kill(pid_, SIGTERM);
  int status = 0;
  waitpid(pid_, &status, 0);
  pid_ = -1;
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

void CollectorProcess::signal(int number) const { kill(pid_, number); }

CurveKeyPair CollectorProcess::enrol(const std::string& name) {
  const CurveKeyPair keys = make_curve_key_pair();
  // Renamed into place, so that the collector never sees half a key.
  const std::string temporary = folder_ + "/" + name + ".new";
  std::ofstream(temporary) << keys.public_key << "\n";
  std::filesystem::rename(temporary, folder_ + "/enrolled/" + name + ".pub");
  return keys;
}

void CollectorProcess::revoke(const std::string& name) {
  std::filesystem::remove(folder_ + "/enrolled/" + name + ".pub");
}

std::string CollectorProcess::token() const {
  std::ifstream in(folder_ + "/token");
  std::string token;
  in >> token;
  return token;
}

CollectorProcess::Response CollectorProcess::get(const std::string& path) const {
  const HttpReply reply = http_exchange(http_port_, "GET", path, "", "");
  return {reply.status, reply.body};
}

CollectorProcess::Response CollectorProcess::post(const std::string& path, const std::string& body,
                                                  const std::string& token) const {
  const HttpReply reply = http_exchange(http_port_, "POST", path, body, token);
  return {reply.status, reply.body};
}

bool run_until(asio::io_context& loop, const std::function<bool()>& done,
               std::chrono::milliseconds patience) {
  const auto deadline = std::chrono::steady_clock::now() + patience;
  while (!done()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    loop.restart();
    loop.run_for(std::chrono::milliseconds(10));
  }
  return true;
}

}  // namespace linkpilot::collector
