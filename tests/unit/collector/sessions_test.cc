#include "collector/ingest/sessions.h"

#include <gtest/gtest.h>

namespace linkpilot::collector {
namespace {

Hello run(std::uint64_t id) {
  Hello hello;
  hello.run_id = id;
  return hello;
}

AgentConnection over(std::string name) {
  AgentConnection connection;
  connection.connection = std::move(name);
  return connection;
}

Now at(Duration after) { return {MonoTime{} + after, UnixNanos{1} + after}; }

TEST(Sessions, ARestartedAgentTakesOverAndTheOldConnectionIsRefused) {
  AgentRecord agent;
  EXPECT_EQ(greet(agent, run(1), over("x"), at({})).admission, Admission::first);
  const Greeting greeting = greet(agent, run(2), over("y"), at(std::chrono::seconds(1)));
  EXPECT_EQ(greeting.admission, Admission::restarted);
  EXPECT_EQ(greeting.old_connection, "x");
  EXPECT_TRUE(speaks_for(agent, "y"));
  EXPECT_FALSE(speaks_for(agent, "x"));
}

TEST(Sessions, TheOlderOfTwoDoesNotTakeTheNodeBackWhileTheNewerIsHeard) {
  AgentRecord agent;
  (void)greet(agent, run(1), over("x"), at({}));
  (void)greet(agent, run(2), over("y"), at({}));
  agent.last_heard = at(std::chrono::seconds(5)).mono;
  EXPECT_EQ(greet(agent, run(1), over("x2"), at(std::chrono::seconds(6))).admission,
            Admission::refused);
  EXPECT_TRUE(speaks_for(agent, "y"));
  EXPECT_EQ(greet(agent, run(1), over("x2"), at(std::chrono::seconds(16))).admission,
            Admission::restarted);
}

TEST(Sessions, TheSameProcessOnANewConnectionIsNobodyElse) {
  AgentRecord agent;
  (void)greet(agent, run(1), over("x"), at({}));
  const Greeting greeting = greet(agent, run(1), over("y"), at({}));
  EXPECT_EQ(greeting.admission, Admission::reconnected);
  EXPECT_TRUE(greeting.old_connection.empty());
}

}  // namespace
}  // namespace linkpilot::collector
