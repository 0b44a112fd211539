// A skip that was a false alarm, from the agent's detector to what `linkpilot event tail` reads:
// the agent's own event with its reason, and the collector's of the link's state.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/report/report_builder.h"
#include "tests/support/collector_fakes.h"
#include "tests/support/link_simulation.h"

namespace linkpilot {
namespace {

using agent::LinkSimulation;
using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::AllOf;
using testing::Field;
using testing::HasSubstr;

constexpr std::size_t kNear = LinkSimulation::kA;
constexpr std::size_t kFar = LinkSimulation::kB;

TEST(UndoneSkip, IsToldToTheOperatorWithWhatUndidItAndHowLongItHeld) {
  LinkSimulation sim({.delay_ab = milliseconds(10), .delay_ba = milliseconds(10)});
  sim.run_for(seconds(3));
  sim.cut(kNear);
  sim.cut(kFar);
  while (!sim.marks(kFar).inbound) sim.run_for(milliseconds(1));
  sim.heal(kNear);
  sim.heal(kFar);
  sim.run_for(milliseconds(200));
  ASSERT_EQ(sim.marks(kFar), LinkSimulation::Marks{});

  collector::IngestBench collector;
  collector.now = SimClock().at(sim.time());
  collector.hello("b", "connection");
  for (const Alarm& alarm : sim.alarms(kFar)) collector.say("kb", "connection", alarm);
  const agent::PlanKeeper names({});
  agent::ReportBuilder builder;
  for (const auto& transition : sim.transitions(kFar)) {
    builder.add(agent::to_event(transition, names));
  }
  Report report = builder.take({}, collector.now.wall);
  report.id = {5, 1};
  collector.say("kb", "connection", report);

  const std::vector<collector::Event> told = collector.log.newest(100).events;
  EXPECT_THAT(
      told,
      testing::Contains(AllOf(
          Field(&collector::Event::name, "agent:skip_undone"), Field(&collector::Event::node, "b"),
          Field(&collector::Event::detail,
                AllOf(HasSubstr(" silence="), HasSubstr(" skipped="), HasSubstr("_arrived"))))));
  EXPECT_THAT(told, testing::Contains(Field(&collector::Event::name, "agent:link_suspected")));
  EXPECT_THAT(told, testing::Contains(Field(&collector::Event::name, "link_suspect")));
  EXPECT_EQ(told.back().name, "agent:skip_undone");
  for (const std::size_t from : {kNear, kFar}) {
    const LinkId link = LinkSimulation::link_of(from);
    EXPECT_EQ(collector.estimates.belief(link, collector.now.mono).state, LinkState::alive);
  }
}

}  // namespace
}  // namespace linkpilot
