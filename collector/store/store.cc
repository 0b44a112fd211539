#include "collector/store/store.h"

#include <fmt/format.h>

#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <iterator>
#include <mutex>
#include <thread>

#include "base/runtime/files.h"
#include "collector/store/commit_writer.h"
#include "collector/store/report_log.h"
#include "collector/store/store_schema.h"

namespace linkpilot::collector {

namespace {

constexpr auto kRetryPause = std::chrono::milliseconds(500);
constexpr auto kMaintenancePause = std::chrono::seconds(1);
constexpr auto kStopPatience = std::chrono::seconds(2);
constexpr std::size_t kNotesMax = 8'192;
constexpr std::size_t kFaultNotesMax = 1'024;
constexpr std::uint64_t kCommitTimesKept = 512;

class FileStore final : public Store {
 public:
  FileStore(StoreOptions options, std::unique_ptr<CommitWriter> writer,
            std::unique_ptr<ReportLog> log)
      : options_(std::move(options)), log_(std::move(log)), writer_(std::move(writer)) {}
  ~FileStore() override { stop(); }

  void start(OnCommit on_commit, OnState on_state) override {
    on_commit_ = std::move(on_commit);
    on_state_ = std::move(on_state);
    report_thread_ = std::thread([this] { run_reports(); });
    note_thread_ = std::thread([this] { run_notes(); });
  }

  void stop() override {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    wake_reports_.notify_all();
    wake_notes_.notify_all();
    if (report_thread_.joinable()) report_thread_.join();
    if (note_thread_.joinable()) note_thread_.join();
  }

  void reconfigure(Duration retention, Bytes size_max, Duration commit_interval) override {
    const std::lock_guard lock(mutex_);
    options_.retention = retention;
    options_.size_max = size_max;
    options_.commit_interval = commit_interval;
  }

  bool has_room(std::size_t octets) const override {
    const std::lock_guard lock(mutex_);
    return room_for(octets);
  }

  bool put_report(StoredReport report) override {
    bool first = false;
    {
      const std::lock_guard lock(mutex_);
      if (!room_for(report.bytes.size())) {
        ++figures_.refused;
        return false;
      }
      ++figures_.queue_reports;
      figures_.queue_bytes += report.bytes.size();
      first = reports_.empty();
      reports_.push_back(std::move(report));
    }
    if (first) wake_reports_.notify_one();
    return true;
  }

  void put_event(Event event) override {
    put_note([&] { notes_.events.push_back(std::move(event)); });
  }

  void put_table(SignedTable table, UnixNanos created) override {
    put_note([&] { notes_.tables.push_back({std::move(table), created}); });
  }

  std::uint64_t put_nodes(std::vector<StoredNode> nodes) override {
    std::uint64_t ticket = 0;
    {
      const std::lock_guard lock(mutex_);
      ticket = ++last_ticket_;
      notes_.nodes_ticket = ticket;
      std::move(nodes.begin(), nodes.end(), std::back_inserter(notes_.nodes));
    }
    wake_notes_.notify_one();
    return ticket;
  }

  std::uint64_t put_hand(HandChange change) override {
    std::uint64_t ticket = 0;
    {
      const std::lock_guard lock(mutex_);
      ticket = ++last_ticket_;
      notes_.nodes_ticket = ticket;
      notes_.hand.push_back(std::move(change));
    }
    wake_notes_.notify_one();
    return ticket;
  }

  std::uint64_t put_fault(FaultNote note) override {
    std::uint64_t ticket = 0;
    put_fault_note([&] {
      ticket = ++last_fault_ticket_;
      notes_.faults_ticket = ticket;
      FaultNotes& notes = notes_.faults;
      if (note.fault) notes.faults.push_back(*std::move(note.fault));
      std::move(note.mails.begin(), note.mails.end(), std::back_inserter(notes.mails));
      std::move(note.notices.begin(), note.notices.end(), std::back_inserter(notes.notices));
    });
    return ticket;
  }

  void put_mail(OutgoingMail mail) override {
    put_fault_note([&] { notes_.faults.mails.push_back(std::move(mail)); });
  }

  void drop_mail(std::uint64_t id) override {
    put_fault_note([&] { notes_.faults.mails_gone.push_back(id); });
  }

  StoreFigures figures() const override {
    const ReportLog::Figures log = log_->figures();
    const std::lock_guard lock(mutex_);
    StoreFigures figures = figures_;
    figures.ok = reports_trouble_.empty() && notes_trouble_.empty();
    figures.reason = reports_trouble_.empty() ? notes_trouble_ : reports_trouble_;
    figures.bytes = log.octets + database_octets_;
    figures.segments = log.segments;
    figures.expired = log.expired;
    return figures;
  }

 private:
  [[nodiscard]] bool room_for(std::size_t octets) const {  // mutex_ held
    return figures_.queue_reports < options_.queue_reports_max &&
           figures_.queue_bytes + octets <= options_.queue_bytes_max.value;
  }

  template <typename Push>
  void put_note(Push push) {
    {
      const std::lock_guard lock(mutex_);
      if (notes_.events.size() + notes_.tables.size() >= kNotesMax) {
        ++figures_.dropped_notes;
        return;
      }
      push();
    }
    wake_notes_.notify_one();
  }

  // Few and small; only a disk that fails for hours makes so many wait.
  template <typename Push>
  void put_fault_note(Push push) {
    {
      const std::lock_guard lock(mutex_);
      push();
      FaultNotes& notes = notes_.faults;
      figures_.dropped_notes +=
          trim(notes.faults) + trim(notes.mails) + trim(notes.mails_gone) + trim(notes.notices);
    }
    wake_notes_.notify_one();
  }
  template <typename Notes>
  static std::uint64_t trim(Notes& notes) {
    if (notes.size() <= kFaultNotesMax) return 0;
    const std::size_t over = notes.size() - kFaultNotesMax;
    notes.erase(notes.begin(), notes.begin() + static_cast<std::ptrdiff_t>(over));
    return over;
  }

  // Waits for something to commit, then for its companions. Empty: time to stop.
  std::vector<StoredReport> take_reports() {
    std::unique_lock lock(mutex_);
    wake_reports_.wait(lock, [this] { return stopping_ || !reports_.empty(); });
    if (!stopping_) {
      wake_reports_.wait_for(lock, options_.commit_interval, [this] { return stopping_; });
    }
    return std::exchange(reports_, {});
  }

  void run_reports() {
    for (;;) {
      const std::vector<StoredReport> batch = take_reports();
      if (batch.empty()) return;
      const auto began = std::chrono::steady_clock::now();
      auto tried = began;
      const bool done = until_done(reports_trouble_, wake_reports_, [&] {
        tried = std::chrono::steady_clock::now();
        return log_->append(batch, SystemClock().now().wall);
      });
      if (!done) return;
      note_reports(batch, std::chrono::steady_clock::now() - tried);
      if (log_->wants_maintenance()) wake_notes_.notify_one();
    }
  }

  void run_notes() {
    for (;;) {
      NoteBatch batch;
      {
        std::unique_lock lock(mutex_);
        wake_notes_.wait_for(lock, kMaintenancePause, [this] {
          return stopping_ || !notes_.empty() || log_->wants_maintenance();
        });
        if (stopping_ && notes_.empty()) return;
        batch = std::exchange(notes_, {});
      }
      if (!batch.empty()) {
        const bool done = until_done(notes_trouble_, wake_notes_, [&] {
          maintain();  // it may be what makes room
          return commit_notes(batch);
        });
        if (!done) return;
      }
      // A segment that cannot be set aside now is met again when it is needed.
      if (!maintain()) std::this_thread::sleep_for(std::chrono::milliseconds(200));
    }
  }

  Status commit_notes(const NoteBatch& batch) {
    if (writer_ == nullptr) {
      Result<std::unique_ptr<CommitWriter>> reopened = CommitWriter::open(options_.path);
      if (!reopened) return fail(reopened.error());
      writer_ = *std::move(reopened);
    }
    if (Status status = writer_->commit(batch); !status) {
      writer_.reset();  // a connection that met an I/O error is not trusted again
      return status;
    }
    if (batch.nodes_ticket != 0 || batch.faults_ticket != 0) {
      on_commit_({{}, batch.nodes_ticket, batch.faults_ticket});
    }
    return {};
  }

  bool maintain() {
    RetentionRule rule;
    const UnixNanos now = SystemClock().now().wall;
    {
      const std::lock_guard lock(mutex_);
      rule = {now - options_.retention, options_.size_max};
    }
    std::error_code ignored;
    std::uint64_t database = 0;
    for (const char* part : {"", "-wal"}) {
      const std::uintmax_t size = std::filesystem::file_size(options_.path + part, ignored);
      if (!ignored) database += size;
    }
    {
      const std::lock_guard lock(mutex_);
      database_octets_ = database;
    }
    return log_->maintain(rule, database, now).has_value();
  }

  // Tries until it is done, or until it is time to stop and patience is over. `trouble` holds the
  // reason while it fails.
  template <typename Try>
  bool until_done(std::string& trouble, std::condition_variable& wake, Try attempt) {
    const auto first_try = std::chrono::steady_clock::now();
    for (;;) {
      const Status status = attempt();
      note_outcome(trouble, status);
      if (status) return true;
      std::unique_lock lock(mutex_);
      wake.wait_for(lock, kRetryPause, [this] { return stopping_; });
      if (stopping_ && std::chrono::steady_clock::now() - first_try > kStopPatience) return false;
    }
  }

  void note_outcome(std::string& trouble, const Status& status) {
    bool was_ok = false;
    bool is_ok = false;
    {
      const std::lock_guard lock(mutex_);
      was_ok = reports_trouble_.empty() && notes_trouble_.empty();
      trouble = status ? "" : status.error().message;
      is_ok = reports_trouble_.empty() && notes_trouble_.empty();
      if (!status) ++figures_.failures;
      if (was_ok && !is_ok) figures_.since = SystemClock().now().wall;
    }
    if (was_ok != is_ok) on_state_(status);
  }

  void note_reports(const std::vector<StoredReport>& batch, Duration took) {
    Commit commit;
    commit.marks.reserve(batch.size());
    std::uint64_t octets = 0;
    for (const StoredReport& report : batch) {
      octets += report.bytes.size();
      commit.marks.push_back({report.node, report.mark});
    }
    {
      const std::lock_guard lock(mutex_);
      figures_.reports += batch.size();
      figures_.queue_reports -= batch.size();
      figures_.queue_bytes -= octets;
      ++figures_.commits;
      if (figures_.commit_time.count() >= kCommitTimesKept) figures_.commit_time.clear();
      figures_.commit_time.add(took);
    }
    on_commit_(std::move(commit));
  }

  StoreOptions options_;  // path and queue bounds are constant; the rest is guarded by mutex_
  std::unique_ptr<ReportLog> log_;
  std::unique_ptr<CommitWriter> writer_;  // notes' thread
  OnCommit on_commit_;
  OnState on_state_;

  mutable std::mutex mutex_;
  std::condition_variable wake_reports_;
  std::condition_variable wake_notes_;
  std::vector<StoredReport> reports_;    // guarded by mutex_
  NoteBatch notes_;                      // guarded by mutex_
  StoreFigures figures_;                 // guarded by mutex_
  std::string reports_trouble_;          // guarded by mutex_
  std::string notes_trouble_;            // guarded by mutex_
  std::uint64_t database_octets_ = 0;    // guarded by mutex_
  std::uint64_t last_ticket_ = 0;        // guarded by mutex_
  std::uint64_t last_fault_ticket_ = 0;  // guarded by mutex_
  bool stopping_ = false;                // guarded by mutex_
  std::thread report_thread_;
  std::thread note_thread_;
};

}  // namespace

Result<std::unique_ptr<Store>> Store::open(const StoreOptions& options, UnixNanos now,
                                           Restored& restored) {
  const std::string folder = std::filesystem::path(options.path).parent_path().string();
  if (!folder.empty()) {
    if (Status status = make_directories(folder); !status) return fail(status.error());
  }
  // First, because it is what refuses a second writer.
  const std::string where = fmt::format("store {}", options.path);
  Result<std::unique_ptr<ReportLog>> log =
      ReportLog::open(report_directory(options.path), options.size_max, restored.dedup);
  if (!log) return fail(log.error().in(where));
  restored.damage = (*log)->damage();
  Result<Database> database = Database::open(options.path, Database::Access::read_write);
  if (!database) return fail(database.error());
  if (Status status = prepare_connection(*database); !status) return fail(status.error().in(where));
  if (Status status = prepare_schema(*database); !status) return fail(status.error().in(where));
  Result<std::uint64_t> epoch = next_epoch(*database, now);
  if (!epoch) return fail(epoch.error().in(where));
  restored.epoch = *epoch;
  if (Status status = collector::restore(*database, restored); !status) {
    return fail(status.error().in(where));
  }
  Result<std::unique_ptr<CommitWriter>> writer = CommitWriter::open(options.path);
  if (!writer) return fail(writer.error().in(where));
  return std::make_unique<FileStore>(options, *std::move(writer), *std::move(log));
}

}  // namespace linkpilot::collector
