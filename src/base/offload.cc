#include "base/offload.h"

#include "base/env.h"
#include "base/thread.h"

namespace holdfast {

Offload::Offload(Options options)
    : options_(std::move(options)), simulated_(Env::current().simulated()) {
    CHECK(options_.threads > 0 && options_.queue_max > 0);
    CHECK(simulated_ || !options_.run_by);
    if (simulated_) return;
    for (std::size_t i = 0; i < options_.threads; ++i) {
        threads_.push_back(start_thread(options_.name, [this] { work(); }));
    }
}

Offload::~Offload() { shutdown(); }

Result<void> Offload::submit(Job job) {
    if (simulated_) {
        if (options_.run_by)
            options_.run_by(std::move(job));
        else
            job();
        return {};
    }
    {
        const std::lock_guard lock(mutex_);
        if (ending_) {
            return fail(ErrorClass::Unavailable, "offload_ended",
                        "This process is shutting down; try again elsewhere.");
        }
        if (queue_.size() >= options_.queue_max) {
            return fail(ErrorClass::Overload, "offload_full",
                        "Too much work is waiting for a " + options_.name + " thread.");
        }
        queue_.push_back(std::move(job));
    }
    wanted_.notify_one();
    return {};
}

void Offload::work() {
    std::unique_lock lock(mutex_);
    for (;;) {
        wanted_.wait(lock, [this] { return ending_ || !queue_.empty(); });
        if (queue_.empty()) return;
        Job job = std::move(queue_.front());
        queue_.pop_front();
        lock.unlock();
        job();         // std::thread turns what it throws into std::terminate
        job = nullptr; // destroys what it captured before others wait for the lock
        lock.lock();
    }
}

void Offload::shutdown() {
    {
        const std::lock_guard lock(mutex_);
        ending_ = true;
    }
    wanted_.notify_all();
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
}

std::size_t Offload::queued() const {
    const std::lock_guard lock(mutex_);
    return queue_.size();
}

} // namespace holdfast
