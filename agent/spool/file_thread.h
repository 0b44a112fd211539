// FileThread: one thread for all file work of the agent, so that a disk that stalls never delays a
// probe. Jobs run in order; what a job returns is run on the loop. Bounded: a full queue refuses
// the job, and counts. The destructor runs what is queued.
#pragma once

#include <asio/io_context.hpp>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>

namespace linkpilot::agent {

class FileThread {
 public:
  using Completion = std::function<void()>;  // on the loop's thread; may be empty
  using Job = std::function<Completion()>;   // on the file thread

  FileThread(asio::io_context& loop, std::size_t jobs_max);
  ~FileThread();
  FileThread(const FileThread&) = delete;
  FileThread& operator=(const FileThread&) = delete;

  // From the loop's thread. False: refused. Completions of jobs do not run once this is destroyed.
  [[nodiscard]] bool run(Job job);
  [[nodiscard]] bool has_room();
  [[nodiscard]] std::uint64_t refused() const { return refused_; }

 private:
  void work();

  asio::io_context& loop_;
  std::size_t jobs_max_;
  std::uint64_t refused_ = 0;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);  // the loop's thread only
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Job> jobs_;   // under the lock
  bool stopping_ = false;  // under the lock
  std::thread thread_;
};

}  // namespace linkpilot::agent
