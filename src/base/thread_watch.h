#pragma once

// ThreadWatch: watches whether a thread gets on with its work, and where it is when it does not.
//
// The watched thread numbers its pieces of work in an atomic counter (odd: in one; the lowest bit
// is 0 between two). A watching thread looks every `sample` and reports, once for each piece of
// work: a Stall, when it has used `threshold` of CPU and not ended (time that the machine gave to
// others does not count); a Block, when it has stood still for `blocked` of real time. The report
// has the stack at that moment, as module and offset for llvm-symbolizer ("holdfast+0x1a2b ...").
//
// net/loop_watch.h is the use: pieces of work are callbacks of the event loop.
//
// Precision: a piece of work is reported when it is between threshold and threshold + sample long,
// never when it is shorter. The watched thread pays for its counter only.
//
// One at a time in a process (CHECK): the stack is taken by a handler of SIGURG, which is
// process-wide. Made and destroyed on the thread that it watches. `report` runs on the watching
// thread and must not call back into what the watched one owns.

#include "base/env.h"

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

namespace holdfast {

class ThreadWatch {
  public:
    enum class Kind : std::uint8_t { Stall, Block };

    struct Report {
        Kind kind;
        Duration cpu;  ///< used by this piece of work so far
        Duration real; ///< since it was first seen
        std::string stack;
    };

    struct Options {
        Duration threshold = std::chrono::milliseconds{20};
        Duration blocked = std::chrono::seconds{1};
        Duration sample = std::chrono::milliseconds{4};
    };

    ThreadWatch(const std::atomic<std::uint64_t>& work, Options options,
                std::function<void(const Report&)> report);
    ~ThreadWatch();
    ThreadWatch(const ThreadWatch&) = delete;
    ThreadWatch& operator=(const ThreadWatch&) = delete;

    std::uint64_t stalls() const;
    std::uint64_t blocks() const;
    Duration longest() const; ///< CPU of the longest stall so far, within `sample`

  private:
    struct Watch;
    std::unique_ptr<Watch> watch_;
};

} // namespace holdfast
