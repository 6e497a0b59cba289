#pragma once

// FlightRecorder: the last events of this process in memory, to be read after something broke.
//
// A ring of JSON texts. Slots keep their memory, so that recording allocates nothing once warm. Any
// thread may add; nobody waits: an event that meets another thread's in the same instant is left
// out and counted.
//
// write_to() is for the moment of a crash: it allocates nothing and takes the ring by force when a
// thread was stopped while adding to it; the torn event is left out.

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace holdfast {

class FlightRecorder {
  public:
    explicit FlightRecorder(std::size_t capacity);

    void add(std::string_view json);
    /// A JSON array, oldest first.
    std::string json() const;
    void write_to(int descriptor) const;
    std::uint64_t missed() const { return missed_.load(std::memory_order_relaxed); }

  private:
    class Turn;
    template <class Sink> void each(Sink sink) const;

    std::vector<std::string> events_;
    std::size_t next_ = 0;
    std::uint64_t added_ = 0;
    mutable std::atomic_flag busy_;
    std::atomic<std::uint64_t> missed_{0};
};

} // namespace holdfast
