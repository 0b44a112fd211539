#include "collector/store/store.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <iterator>
#include <mutex>
#include <thread>

#include "base/runtime/files.h"
#include "collector/store/commit_writer.h"
#include "collector/store/store_schema.h"

namespace linkpilot::collector {

namespace {

constexpr auto kRetryPause = std::chrono::milliseconds(500);
constexpr auto kMaintenancePause = std::chrono::seconds(1);
constexpr auto kStopPatience = std::chrono::seconds(2);
constexpr int kWalFramesMax = 16'384;  // of 4 kB: then the log is cut, which makes one commit wait
constexpr std::size_t kNotesMax = 8'192;
constexpr std::size_t kFaultNotesMax = 1'024;
constexpr std::uint64_t kExpireSliceMin = 64;
constexpr std::uint64_t kCommitTimesKept = 512;

class SqliteStore final : public Store {
 public:
  explicit SqliteStore(StoreOptions options, std::unique_ptr<CommitWriter> writer)
      : options_(std::move(options)), writer_(std::move(writer)) {}
  ~SqliteStore() override { stop(); }

  void start(OnCommit on_commit, OnState on_state) override {
    on_commit_ = std::move(on_commit);
    on_state_ = std::move(on_state);
    commit_thread_ = std::thread([this] { run_commits(); });
    checkpoint_thread_ = std::thread([this] { run_checkpoints(); });
  }

  void stop() override {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    wake_.notify_all();
    if (commit_thread_.joinable()) commit_thread_.join();
    if (checkpoint_thread_.joinable()) checkpoint_thread_.join();
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
    {
      const std::lock_guard lock(mutex_);
      if (!room_for(report.bytes.size())) {
        ++figures_.refused;
        return false;
      }
      ++figures_.queue_reports;
      figures_.queue_bytes += report.bytes.size();
      waiting_.reports.push_back(std::move(report));
    }
    wake_.notify_all();
    return true;
  }

  void put_event(Event event) override {
    put_note([&] { waiting_.events.push_back(std::move(event)); });
  }

  void put_table(SignedTable table, UnixNanos created) override {
    put_note([&] { waiting_.tables.push_back({std::move(table), created}); });
  }

  std::uint64_t put_nodes(std::vector<StoredNode> nodes) override {
    std::uint64_t ticket = 0;
    {
      const std::lock_guard lock(mutex_);
      ticket = ++last_ticket_;
      waiting_.nodes_ticket = ticket;
      std::move(nodes.begin(), nodes.end(), std::back_inserter(waiting_.nodes));
    }
    wake_.notify_all();
    return ticket;
  }

  std::uint64_t put_hand(HandChange change) override {
    std::uint64_t ticket = 0;
    {
      const std::lock_guard lock(mutex_);
      ticket = ++last_ticket_;
      waiting_.nodes_ticket = ticket;
      waiting_.hand.push_back(std::move(change));
    }
    wake_.notify_all();
    return ticket;
  }

  std::uint64_t put_fault(Fault fault, std::optional<OutgoingMail> mail) override {
    std::uint64_t ticket = 0;
    put_fault_note([&] {
      ticket = ++last_fault_ticket_;
      waiting_.faults_ticket = ticket;
      waiting_.faults.faults.push_back(std::move(fault));
      if (mail) waiting_.faults.mails.push_back(*std::move(mail));
    });
    return ticket;
  }

  void put_mail(OutgoingMail mail) override {
    put_fault_note([&] { waiting_.faults.mails.push_back(std::move(mail)); });
  }

  void drop_mail(std::uint64_t id) override {
    put_fault_note([&] { waiting_.faults.mails_gone.push_back(id); });
  }

  StoreFigures figures() const override {
    const std::lock_guard lock(mutex_);
    return figures_;
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
      if (waiting_.events.size() + waiting_.tables.size() >= kNotesMax) {
        ++figures_.dropped_notes;
        return;
      }
      push();
    }
    wake_.notify_all();
  }

  // Few and small; only a disk that fails for hours makes so many wait.
  template <typename Push>
  void put_fault_note(Push push) {
    {
      const std::lock_guard lock(mutex_);
      push();
      FaultNotes& notes = waiting_.faults;
      figures_.dropped_notes += trim(notes.faults) + trim(notes.mails) + trim(notes.mails_gone);
    }
    wake_.notify_all();
  }
  template <typename Notes>
  static std::uint64_t trim(Notes& notes) {
    if (notes.size() <= kFaultNotesMax) return 0;
    notes.erase(notes.begin());
    return 1;
  }

  // Waits for something to commit, then for its companions. Empty: time to stop.
  StoreBatch take_batch() {
    std::unique_lock lock(mutex_);
    wake_.wait(lock, [this] { return stopping_ || !waiting_.empty(); });
    if (!stopping_) {
      wake_.wait_for(lock, options_.commit_interval, [this] { return stopping_; });
    }
    return std::exchange(waiting_, {});
  }

  void run_commits() {
    for (;;) {
      const StoreBatch batch = take_batch();
      if (batch.empty()) return;
      if (!commit_until_done(batch)) return;
      expire();
    }
  }

  bool commit_until_done(const StoreBatch& batch) {
    const auto first_try = std::chrono::steady_clock::now();
    for (;;) {
      const auto began = std::chrono::steady_clock::now();
      Status status;
      if (writer_ == nullptr) {
        Result<std::unique_ptr<CommitWriter>> reopened = CommitWriter::open(options_.path);
        if (reopened) {
          writer_ = *std::move(reopened);
        } else {
          status = fail(reopened.error());
        }
      }
      if (writer_ != nullptr) status = writer_->commit(batch);
      if (status) {
        note_commit(batch, std::chrono::steady_clock::now() - began);
        return true;
      }
      writer_.reset();
      note_failure(status);
      std::unique_lock lock(mutex_);
      wake_.wait_for(lock, kRetryPause, [this] { return stopping_; });
      if (stopping_ && std::chrono::steady_clock::now() - first_try > kStopPatience) return false;
    }
  }

  void note_commit(const StoreBatch& batch, Duration took) {
    Commit commit;
    commit.nodes_ticket = batch.nodes_ticket;
    commit.faults_ticket = batch.faults_ticket;
    std::uint64_t octets = 0;
    for (const StoredReport& report : batch.reports) octets += report.bytes.size();
    for (const StoredReport& report : batch.reports) {
      commit.marks.push_back({report.node, report.mark});
    }
    bool recovered = false;
    {
      const std::lock_guard lock(mutex_);
      recovered = !figures_.ok;
      figures_.ok = true;
      figures_.reason.clear();
      figures_.reports += batch.reports.size();
      figures_.queue_reports -= batch.reports.size();
      figures_.queue_bytes -= octets;
      ++figures_.commits;
      if (figures_.commit_time.count() >= kCommitTimesKept) figures_.commit_time.clear();
      figures_.commit_time.add(took);
    }
    committed_since_expiry_ += batch.reports.size();
    if (recovered) on_state_({});
    on_commit_(std::move(commit));
  }

  void note_failure(const Status& status) {
    bool news = false;
    {
      const std::lock_guard lock(mutex_);
      news = figures_.ok;
      figures_.ok = false;
      figures_.reason = status.error().message;
      if (news) figures_.since = SystemClock().now().wall;
      ++figures_.failures;
    }
    if (news) on_state_(status);
  }

  // Once a second, a slice twice as large as what came in: the backlog shrinks, no pass is long.
  void expire() {
    const auto now = std::chrono::steady_clock::now();
    if (now - last_expiry_ < kMaintenancePause || writer_ == nullptr) return;
    last_expiry_ = now;
    RetentionRule rule;
    {
      const std::lock_guard lock(mutex_);
      rule = {SystemClock().now().wall - options_.retention, options_.size_max};
    }
    const std::uint64_t slice = std::max(kExpireSliceMin, 2 * committed_since_expiry_);
    committed_since_expiry_ = 0;
    const Result<std::uint64_t> gone = writer_->expire(rule, slice);
    const Result<std::uint64_t> used = writer_->used_bytes();
    if (!gone || !used) return;  // the next commit meets the same trouble and tells it
    const std::lock_guard lock(mutex_);
    figures_.expired += *gone;
    figures_.bytes = *used;
  }

  void run_checkpoints() {
    for (;;) {
      {
        std::unique_lock lock(mutex_);
        wake_.wait_for(lock, kMaintenancePause, [this] { return stopping_; });
        if (stopping_) return;
      }
      Result<Database> database = Database::open(options_.path, Database::Access::read_write);
      if (!database) continue;  // the committing thread tells what is wrong with the file
      Result<int> frames = database->checkpoint(Database::Checkpoint::passive);
      if (frames && *frames > kWalFramesMax) {
        frames = database->checkpoint(Database::Checkpoint::truncate);
      }
      const std::lock_guard lock(mutex_);
      if (frames) figures_.wal_frames = static_cast<std::uint64_t>(*frames);
    }
  }

  StoreOptions options_;  // path and queue bounds are constant; the rest is guarded by mutex_
  std::unique_ptr<CommitWriter> writer_;  // commit thread
  OnCommit on_commit_;
  OnState on_state_;
  std::chrono::steady_clock::time_point last_expiry_{};
  std::uint64_t committed_since_expiry_ = 0;

  mutable std::mutex mutex_;
  std::condition_variable wake_;
  StoreBatch waiting_;                   // guarded by mutex_
  StoreFigures figures_;                 // guarded by mutex_
  std::uint64_t last_ticket_ = 0;        // guarded by mutex_
  std::uint64_t last_fault_ticket_ = 0;  // guarded by mutex_
  bool stopping_ = false;                // guarded by mutex_
  std::thread commit_thread_;
  std::thread checkpoint_thread_;
};

}  // namespace

Result<std::unique_ptr<Store>> Store::open(const StoreOptions& options, UnixNanos now,
                                           Restored& restored) {
  const std::string folder = std::filesystem::path(options.path).parent_path().string();
  if (!folder.empty()) {
    if (Status status = make_directories(folder); !status) return fail(status.error());
  }
  Result<Database> database = Database::open(options.path, Database::Access::read_write);
  if (!database) return fail(database.error());
  const std::string where = fmt::format("store {}", options.path);
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
  return std::make_unique<SqliteStore>(options, *std::move(writer));
}

}  // namespace linkpilot::collector
