#pragma once

// Gate: the only way to start a coroutine that nobody awaits.
//
// The owner of background work has a Gate, spawns through it, and closes it before it goes away:
// close() refuses new tasks and waits until the last one has ended, so nothing runs on in an object
// that is gone. A task that ends with an Error is logged with the gate's name (what a task does
// about its own errors is its own business: what arrives here is unexpected); an exception is a
// BUG. Tasks start on the next turn of the loop, never inside spawn().
//
// Cancellation: cancel() asks all tasks to end; their waits answer Error "cancelled", nothing
// throws. close() does so by itself when its deadline passes, waits a little more (grace), and
// answers an Error "tasks_still_running" if that did not help.
//
//   Gate gate(loop, "webhooks");
//   CO_TRY_VOID(gate.spawn(deliver(event)));       // "gate_closed" (Unavailable) after close()
//   ...
//   co_await gate.close(Deadline::after(std::chrono::seconds{5}));
//
// Thread: that of the Loop. Works under SimEnv (net/sim_loop.h). Destroying a Gate with tasks in it
// is a BUG, unless the Loop was killed with them (SimProcess::kill).

#include "net/deadline.h"
#include "net/task.h"

#include <cstddef>
#include <memory>
#include <string>

namespace holdfast::net {

class Gate {
  public:
    Gate(Loop& loop, std::string name);
    ~Gate();
    Gate(const Gate&) = delete;
    Gate& operator=(const Gate&) = delete;

    Result<void> spawn(Task<void> task);

    Task<void> close(Deadline deadline);
    void cancel();

    std::size_t running() const;
    bool closed() const;

  private:
    struct State;
    class Ticket;
    std::shared_ptr<State> state_;
};

} // namespace holdfast::net
