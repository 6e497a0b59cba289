#pragma once

// LogRing: a bounded queue of lines from any number of threads to one reader, without locks.
//
// Each slot carries a sequence number that says whose turn it is: `position` when a producer may
// fill it, `position + 1` when the reader may take it (D. Vyukov, bounded MPMC queue). Strings are
// swapped in and out, so that their memory goes round.
//
// Limits: capacity is a power of two; push() answers false when it is full.

#include "base/result.h"

#include <atomic>
#include <cstddef>
#include <memory>
#include <string>

namespace holdfast {

class LogRing {
  public:
    explicit LogRing(std::size_t capacity) : mask_(capacity - 1), slots_(new Slot[capacity]) {
        CHECK(capacity >= 2 && (capacity & mask_) == 0);
        for (std::size_t i = 0; i < capacity; ++i) slots_[i].turn.store(i);
    }

    /// Takes the line when there is room. Any thread.
    bool push(std::string& line) {
        std::size_t position = tail_.load(std::memory_order_relaxed);
        for (;;) {
            Slot& slot = slots_[position & mask_];
            const std::size_t turn = slot.turn.load(std::memory_order_acquire);
            if (turn == position) {
                if (!tail_.compare_exchange_weak(position, position + 1)) continue;
                slot.line.swap(line);
                slot.turn.store(position + 1, std::memory_order_release);
                return true;
            }
            if (turn < position) return false; // not taken yet since the last time round
            position = tail_.load(std::memory_order_relaxed);
        }
    }

    /// How many lines were taken so far.
    std::size_t pushed() const { return tail_.load(); }

    /// The oldest line, when there is one. One thread only.
    bool pop(std::string& line) {
        Slot& slot = slots_[head_ & mask_];
        if (slot.turn.load(std::memory_order_acquire) != head_ + 1) return false;
        line.swap(slot.line);
        slot.turn.store(head_ + mask_ + 1, std::memory_order_release);
        ++head_;
        return true;
    }

  private:
    struct Slot {
        std::atomic<std::size_t> turn;
        std::string line;
    };

    const std::size_t mask_;
    std::unique_ptr<Slot[]> slots_;
    alignas(64) std::atomic<std::size_t> tail_{0};
    alignas(64) std::size_t head_ = 0;
};

} // namespace holdfast
