#include "base/flight_recorder.h"

#include <algorithm>
#include <cerrno>

#include <sched.h>
#include <unistd.h>

namespace holdfast {

namespace {

/// How often a reader offers its time slice to whoever holds the ring.
constexpr int patience = 1000;

bool write_all(int descriptor, std::string_view text) {
    while (!text.empty()) {
        const ssize_t n = ::write(descriptor, text.data(), text.size());
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return false;
        text.remove_prefix(static_cast<std::size_t>(n));
    }
    return true;
}

} // namespace

/// Holds the ring. A writer gives up at once; a reader tries for a while.
class FlightRecorder::Turn {
  public:
    Turn(std::atomic_flag& busy, int tries) : busy_(busy) {
        while (!(mine_ = !busy_.test_and_set(std::memory_order_acquire)) && --tries > 0) {
            sched_yield();
        }
    }
    Turn(const Turn&) = delete;
    Turn& operator=(const Turn&) = delete;
    ~Turn() {
        if (mine_) busy_.clear(std::memory_order_release);
    }
    bool mine() const { return mine_; }

  private:
    std::atomic_flag& busy_;
    bool mine_ = false;
};

FlightRecorder::FlightRecorder(std::size_t capacity) : events_(capacity) {}

void FlightRecorder::add(std::string_view json) {
    const Turn turn(busy_, 1);
    if (!turn.mine()) {
        missed_.fetch_add(1, std::memory_order_relaxed);
        return;
    }
    events_[next_].assign(json);
    next_ = (next_ + 1) % events_.size();
    ++added_;
}

template <class Sink> void FlightRecorder::each(Sink sink) const {
    const std::size_t kept = std::min<std::uint64_t>(added_, events_.size());
    for (std::size_t i = 0; i < kept; ++i) {
        sink(events_[(next_ + events_.size() - kept + i) % events_.size()]);
    }
}

std::string FlightRecorder::json() const {
    std::string out = "[";
    const Turn turn(busy_, patience);
    if (turn.mine()) {
        each([&out](const std::string& event) {
            if (out.size() > 1) out += ",\n";
            out += event;
        });
    }
    return out + "]";
}

void FlightRecorder::write_to(int descriptor) const {
    const Turn turn(busy_, patience);
    std::string_view separator = "[";
    bool open = true;
    each([&](const std::string& event) {
        // A thread stopped in the middle of add() leaves an event without its closing brace.
        if (!open || !event.ends_with('}')) return;
        open = write_all(descriptor, separator) && write_all(descriptor, event);
        separator = ",\n";
    });
    if (separator == "[") write_all(descriptor, separator);
    write_all(descriptor, "]\n");
}

} // namespace holdfast
