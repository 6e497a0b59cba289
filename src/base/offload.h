#pragma once

// Offload: the one place where other threads work. What blocks or computes for long (fsync, SQLite,
// argon2, DNS, large renders) runs here as a value in, a value out; the event loop goes on.
//
//   offload.run([salt, password] { return hash(password, salt); },      // on a worker
//               [this](Hash h) { loop_->post(...); });                  // handed back, see below
//
// Work must not touch what the loop owns: give it values, take a value back. `done` is called
// exactly once, on the worker, and only hands over (posts to the loop, completes a promise);
// net/offload_await.h makes it awaitable. Under a simulated Env everything runs inline, in order,
// or when a simulation lets it (run_by).
//
// Limits: `threads` workers, `queue_max` waiting pieces of work. Over that run() answers Overload
// "offload_full" and neither function is called; the caller decides whether to wait or refuse.
//
// Failure: an exception out of `work` stops the process, because nobody would ever hear of the
// result. shutdown() (and the destructor) lets what was
// accepted run to its end.
//
// Thread: run() from any.

#include "base/result.h"

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <type_traits>
#include <vector>

namespace holdfast {

class Offload {
  public:
    using Job = std::move_only_function<void()>;

    struct Options {
        std::string name = "offload"; ///< of the threads, at most 15 characters
        std::size_t threads = 2;
        std::size_t queue_max = 1024;
        /// Only under a simulated Env: gets what was accepted, to run it once, in order, or never.
        std::function<void(Job)> run_by = {};
    };

    explicit Offload(Options options);
    Offload(const Offload&) = delete;
    Offload& operator=(const Offload&) = delete;
    ~Offload();

    /// Runs work() elsewhere and hands what it returns to done().
    template <class Work, class Done> Result<void> run(Work work, Done done) {
        return submit([work = std::move(work), done = std::move(done)]() mutable {
            if constexpr (std::is_void_v<std::invoke_result_t<Work&>>) {
                work();
                done();
            } else {
                done(work());
            }
        });
    }

    /// Takes no more work, runs what was accepted, ends the threads.
    void shutdown();

    std::size_t queued() const; ///< waiting, not running
    const Options& options() const { return options_; }

  private:
    Result<void> submit(Job job);
    void work();

    const Options options_;
    const bool simulated_;
    mutable std::mutex mutex_;
    std::condition_variable wanted_;
    std::deque<Job> queue_;
    bool ending_ = false;
    std::vector<std::thread> threads_;
};

} // namespace holdfast
