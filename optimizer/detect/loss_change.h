// LossChange: whether one direction of a link loses more than it may, from counts a second. Two
// cumulative-sum tests (Page, Biometrika 1954) of "the share lost is at most `fine`" against "at
// least `bad`", on the log-likelihood ratio of independent losses: one enters, the other, with the
// hypotheses exchanged, leaves. It is a sequential probability ratio test (Wald 1945) that begins
// anew whenever it favours the other side, so it forgets what was long ago, needs no window and
// tells since when.
//
// Stated rate: under losses at `fine` or below, the mean number of probes between false entries is
// at least exp(enter_level) (Lorden, Annals of Mathematical Statistics 1971, theorem 2): with 17
// nats 2.4e7 probes, which are 28 days of a link at 10 a second; rarer where it loses less than
// `fine`. Losses come in bursts: a second counts at most a sixth of the level, so one blackout is
// never a lossy link (blackouts are MissRun's).
//
// Mean probes to entry at a share p: level / (p ln(bad/fine) - (1-p) ln((1-fine)/(1-bad))), e.g.
// 720 at 2 % and 210 at 5 % with the defaults. A direction's usual share raises `fine` (see judge).
// O(1), 40 octets. Seconds without probes change nothing: missing data is never good news.
#pragma once

#include <cstdint>

namespace linkpilot::optimizer {

struct LossChangeOptions {
  double fine = 0.002;
  double bad = 0.02;
  double enter_level = 17.0;      // nats
  double leave_level = 7.0;       // nats; a false leave costs an episode, not a mail
  double look_share = 1.0 / 6.0;  // of the level, that one look counts at most
  double usual_factor = 1.6;      // what a direction loses all day, times this, is fine for it
};

class LossChange {
 public:
  // `usual` is the direction's own share of the last hours; 0 where it is not known.
  void add(std::uint32_t sent, std::uint32_t lost, double usual, const LossChangeOptions& options);

  // As it was in an earlier run.
  void resume(const LossChangeOptions& options) {
    bad_ = true;
    enter_sum_ = options.enter_level;
  }

  [[nodiscard]] bool bad() const { return bad_; }
  // Nats for "bad" gathered since the run of evidence began.
  [[nodiscard]] double evidence() const { return enter_sum_; }
  // Counts since then: the estimate of what is lost now.
  [[nodiscard]] std::uint32_t sent() const { return sent_; }
  [[nodiscard]] std::uint32_t lost() const { return lost_; }
  [[nodiscard]] double ratio() const {
    return sent_ == 0 ? 0.0 : static_cast<double>(lost_) / static_cast<double>(sent_);
  }
  // Calls of add() since then.
  [[nodiscard]] std::uint32_t looks() const { return looks_; }

 private:
  void begin_anew();

  double enter_sum_ = 0.0;
  double leave_sum_ = 0.0;
  std::uint32_t sent_ = 0;
  std::uint32_t lost_ = 0;
  std::uint32_t looks_ = 0;
  bool bad_ = false;
};

// MissRun: nothing answered for so many probes in a row. With independent losses of share p the
// chance of a false word is at most p^missed_min a probe; a real blackout of a second is common,
// and at 10 probes a second 15 are two of them. Agents are faster: they raise alarms and confirm
// them by a burst. Back after `return_min` answers in a row.
struct MissRunOptions {
  std::uint32_t missed_min = 15;
  std::uint32_t return_min = 10;
};

class MissRun {
 public:
  void add(std::uint32_t sent, std::uint32_t lost, const MissRunOptions& options);
  [[nodiscard]] bool dead() const { return dead_; }
  [[nodiscard]] std::uint32_t missed() const { return missed_; }

 private:
  std::uint32_t missed_ = 0;
  std::uint32_t answered_ = 0;
  bool dead_ = false;
};

}  // namespace linkpilot::optimizer
