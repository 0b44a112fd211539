#include <gtest/gtest.h>

#include "tools/linkpilot/api_client.h"
#include "tools/linkpilot/route_text.h"
#include "tools/linkpilot/text_table.h"

namespace linkpilot::cli {
namespace {

Json table(const char* node, const char* to, std::vector<std::string> path, double cost) {
  return {{"node", node},
          {"routes",
           {{{"to", to},
             {"direction", "push"},
             {"candidates", {{{"path", path}, {"cost_ms", cost}}}}}}}};
}

TEST(TextTable, AlignsNumbersRightAndTrimsLineEnds) {
  TextTable out({{"NAME"}, {"MS", TextTable::Align::right}, {"WHY"}});
  out.add({"a", "5", ""});
  out.add({"bcdef", "120", "x"});
  EXPECT_EQ(out.to_string(), "NAME    MS  WHY\na        5\nbcdef  120  x\n");
}

TEST(DescribeFailure, NamesNearMatchesAndTheNextStep) {
  const Error error = describe_failure(
      404,
      R"({"error":"no node \"tokio\"","near":["tokyo"],"hint":"GET /v1/agents lists the nodes"})",
      "/v1/links");
  EXPECT_EQ(error.code, ErrorCode::not_found);
  EXPECT_EQ(error.message,
            "no node \"tokio\"; did you mean tokyo? (GET /v1/agents lists the nodes)");
}

TEST(DescribeFailure, TellsAWrongTokenFromAnythingElse) {
  const Error error = describe_failure(403, R"({"error":"wrong token"})", "/v1/probe");
  EXPECT_EQ(error.code, ErrorCode::permission);
  EXPECT_NE(error.message.find("token_file"), std::string::npos);
}

TEST(DescribeFailure, SurvivesAnswersThatAreNotOurs) {
  for (const char* body : {"", "<html>", "[]", "null", R"({"error":5,"near":"x"})"}) {
    EXPECT_EQ(describe_failure(500, body, "/x").message, "/x answered 500") << body;
  }
}

TEST(RouteText, TurnsLinksRoundForAPull) {
  const Json candidate = {{"path", {"a", "b", "c"}},
                          {"hops",
                           {{{"node", "b"}, {"near_port", 1}, {"far_port", 0}},
                            {{"node", "c"}, {"near_port", 2}, {"far_port", 3}}}}};
  EXPECT_EQ(links_of_path(candidate, "push"), (std::vector<std::string>{"a/1>b/0", "b/2>c/3"}));
  EXPECT_EQ(links_of_path(candidate, "pull"), (std::vector<std::string>{"b/0>a/1", "c/3>b/2"}));
}

TEST(RouteText, ReportsChangedLostAndNewPathsOnly) {
  const Json before = {{"tables",
                        {table("a", "b", {"a", "b"}, 10), table("a", "c", {"a", "c"}, 20),
                         table("a", "d", {"a", "d"}, 30)}}};
  const Json after = {{"tables",
                       {table("a", "b", {"a", "b"}, 11), table("a", "c", {"a", "b", "c"}, 15),
                        table("a", "e", {"a", "e"}, 5)}}};
  const std::vector<RouteChange> changes = changed_routes(before, after);
  ASSERT_EQ(changes.size(), 3U);
  EXPECT_EQ(to_text(changes[0]), "a to c (push): a > c -> a > b > c  (cost 20.0 -> 15.0 ms)");
  EXPECT_EQ(changes[1].before, "no route");
  EXPECT_EQ(changes[2].after, "no route");
}

TEST(RouteText, ExplainsALinkByItsTerms) {
  const Json link = {{"link", "a/0>b/0"},
                     {"cost_ms", 12.5},
                     {"rtt_ms_p50", 20.0},
                     {"loss_ratio", 0.01},
                     {"state", "alive"},
                     {"cost_terms_ms", {{"delay", 10.0}, {"loss_recovery", 2.5}, {"load", 0.0}}}};
  EXPECT_EQ(
      explain_link(link),
      "a/0>b/0: 12.5 ms = delay 10.0 + loss_recovery 2.5  (rtt p50 20.0 ms, loss 1.00%, alive)");
}

}  // namespace
}  // namespace linkpilot::cli
