// The keeping half of the Agent: spool, report numbers, files, and how all of that fares. What
// touches a disk is a job of the file thread; here is what goes there and what comes back.
#include <algorithm>
#include <utility>

#include "agent/daemon/agent.h"
#include "agent/report/metrics_file.h"
#include "base/assert.h"
#include "base/freshness_text.h"
#include "base/runtime/files.h"
#include "base/runtime/log.h"

namespace linkpilot::agent {

namespace {

constexpr Duration kStatusInterval = std::chrono::seconds(5);
constexpr Duration kMetricsInterval = std::chrono::seconds(10);
constexpr unsigned kMetricsFileMode = 0644;

Freshness freshness_of(PlanAge age) {
  switch (age) {
    case PlanAge::none:
      return Freshness::none;
    case PlanAge::fresh:
      return Freshness::fresh;
    case PlanAge::stale:
      return Freshness::stale;
    case PlanAge::expired:
      return Freshness::expired;
  }
  return Freshness::unspecified;
}

Freshness freshness_of(const RouteTable* table, UnixNanos now) {
  if (table == nullptr) return Freshness::none;
  if (now >= table->valid_until_hard) return Freshness::expired;
  return now >= table->valid_until_soft ? Freshness::stale : Freshness::fresh;
}

}  // namespace

void Agent::recover_spool() {
  const bool taken = files_.run([log = spool_log_, this] {
    log->recover();
    return [this, newest = log->newest(), figures = log->figures()] {
      spool_.on_recovered(newest);
      on_spool_figures(figures, clock_.now());
      log_event(LogLevel::info, "spool_recovered",
                {{"reports", std::to_string(figures.reports)},
                 {"octets", std::to_string(figures.disk_octets)},
                 {"torn_octets", std::to_string(figures.torn_octets)},
                 {"dropped", std::to_string(figures.dropped)}});
    };
  });
  LP_ASSERT(taken);
}

// Once a tick: whatever the spool wants of the disk, in order.
void Agent::feed_files() {
  while (files_.has_room()) {
    if (const SpooledReport* report = spool_.next_append()) {
      run_file_job([log = spool_log_, this, copy = *report] {
        const std::uint64_t position = log->append(copy);
        return [this, position] { spool_.on_appended(position); };
      });
      spool_.append_started();
    } else if (const auto acked = spool_.take_acknowledgement()) {
      run_file_job([log = spool_log_, id = *acked] {
        log->acknowledge(id);
        return FileThread::Completion{};
      });
    } else if (const auto first = spool_.take_resend()) {
      run_file_job([log = spool_log_, id = *first] {
        log->resend(id);
        return FileThread::Completion{};
      });
    } else if (const auto after = spool_.next_read()) {
      run_file_job([log = spool_log_, this, after = *after] {
        auto batch = log->read(after, ReportSpool::Options{}.ready_bytes_max / 2);
        return [this, batch = std::move(batch)] { spool_.on_read(batch); };
      });
      spool_.read_started();
    } else {
      return;
    }
  }
}

// Only where there is room.
void Agent::run_file_job(FileThread::Job job) {
  const bool taken = files_.run(std::move(job));
  LP_ASSERT(taken);
}

void Agent::keep(Now now) {
  if (!maintaining_) {
    maintaining_ = files_.run([log = spool_log_, this, now] {
      log->maintain(now);
      return [this, figures = log->figures()] {
        maintaining_ = false;
        on_spool_figures(figures, clock_.now());
      };
    });
  }
  reserve_numbers();
  const AgentStatus status = this->status(now);
  if (status.table != table_freshness_) {
    table_freshness_ = status.table;
    status_due_ = true;
    const bool good = status.table == Freshness::fresh || status.table == Freshness::none;
    note("table_" + std::string(to_string(status.table)),
         "version=" + std::to_string(tables_.version().version) +
             " age=" + format_duration(status.table_age),
         now, good ? LogLevel::info : LogLevel::warn);
  }
  if (now.mono >= next_status_) status_due_ = true;
  if (now.mono >= next_metrics_) {
    next_metrics_ = now.mono + kMetricsInterval;
    write_metrics(status);
  }
}

void Agent::reserve_numbers() {
  const auto wanted = numbers_.wanted();
  if (!wanted || reserving_) return;
  reserving_ = files_.run([this, wanted = *wanted, path = numbers_path()] {
    Status saved = save_numbers(path, wanted);
    return [this, wanted, saved = std::move(saved)] {
      reserving_ = false;
      if (saved) {
        numbers_.on_saved(wanted);
      } else {
        log_event(LogLevel::warn, "numbers_not_saved", {{"reason", saved.error().message}});
      }
    };
  });
}

void Agent::write_metrics(const AgentStatus& status) {
  AgentMetrics metrics;
  metrics.status = status;
  metrics.spool = spool_figures_;
  metrics.version = LINKPILOT_VERSION;
  metrics.started = started_.wall;
  if (engine_) metrics.stamp = engine_->counters();
  metrics.spool_size_max = config_.spool.size_max.value;
  if (plan_.plan() != nullptr) metrics.links = plan_.plan()->links.size();
  metrics.links_capped = links_capped_;
  metrics.plans_refused = plans_refused_;
  metrics.tables_refused = tables_refused_;
  metrics.events_dropped = builder_.events_dropped();
  metrics.messages_dropped = messages_dropped_;
  metrics.online = uplink_.online();
  metrics.spool_waiting = spool_.waiting();
  metrics.ack_timeouts = uplink_.ack_timeouts();
  metrics.samples_dropped = builder_.samples_dropped();
  (void)files_.run([text = metrics_text(metrics), path = config_.state_directory] {
    const auto* data = reinterpret_cast<const std::uint8_t*>(text.data());
    (void)replace_file(path + "/metrics.prom", {data, text.size()}, kMetricsFileMode);
    return FileThread::Completion{};
  });
}

void Agent::on_spool_figures(const SpoolFigures& figures, Now now) {
  const SpoolFigures before = std::exchange(spool_figures_, figures);
  if (before.error.empty() != figures.error.empty()) {
    status_due_ = true;
    if (figures.error.empty()) {
      note("spool_disk_works", "failures=" + std::to_string(figures.failures), now);
    } else {
      note("spool_disk_fails", figures.error, now, LogLevel::error);
    }
  }
  if (figures.dropped > before.dropped && now.mono >= next_drop_note_) {
    next_drop_note_ = now.mono + std::chrono::seconds(10);
    status_due_ = true;
    note("spool_dropped", "reports=" + std::to_string(figures.dropped), now, LogLevel::warn);
  }
}

AgentStatus Agent::status(Now now) const {
  AgentStatus status;
  const RouteTable* table = tables_.in_use();
  status.plan = freshness_of(plan_.age(now, table));
  if (plan_.plan() != nullptr) status.plan_age = plan_.since_contact(now);
  status.table = freshness_of(table, now.wall);
  if (table != nullptr) status.table_age = std::max(Duration{}, now.wall - table->created);
  status.spool_reports = spool_figures_.reports;
  status.spool_octets = spool_figures_.octets;
  status.spool_disk_octets = spool_figures_.disk_octets;
  status.spool_dropped = spool_figures_.dropped + spool_.dropped();
  status.spool_failures = spool_figures_.failures;
  status.spool_error = spool_figures_.error;
  status.file_jobs_refused = files_.refused();
  if (engine_) status.probes_refused_authentication = engine_->counters().refused_authentication;
  return status;
}

void Agent::send_status(Now now) {
  if (!status_due_ || !link_.send(status(now))) return;
  status_due_ = false;
  next_status_ = now.mono + kStatusInterval;
}

std::string Agent::numbers_path() const { return config_.state_directory + "/sequence"; }

}  // namespace linkpilot::agent
