#include "net/gate.h"

#include "base/log.h"
#include "net/run_into.h"
#include "net/timer.h"
#include "net/waiter.h"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>

#include <exception>

namespace holdfast::net {

namespace {
constexpr Duration cancel_grace = std::chrono::seconds{1};
} // namespace

struct Gate::State {
    State(Loop& l, std::string n) : loop(l), name(std::move(n)), idle(l, Event::Reset::Manual) {}

    Loop& loop;
    std::string name;
    Event idle; ///< set while closed and empty
    ListHook tickets;
    std::size_t running = 0;
    bool closed = false;
};

/// One running task. Held by the completion handler, because Asio touches the cancellation slot
/// until that has run.
class Gate::Ticket final : public ListHook {
  public:
    explicit Ticket(std::shared_ptr<State> state) : state_(std::move(state)) {
        ++state_->running;
        link_before(state_->tickets);
    }
    ~Ticket() {
        unlink();
        if (--state_->running == 0 && state_->closed) state_->idle.set();
    }
    State& state() { return *state_; }
    asio::cancellation_signal stop;

  private:
    std::shared_ptr<State> state_;
};

namespace {

asio::awaitable<void> run_task(std::string name, Task<void> task) {
    co_await asio::post(asio::deferred);
    Result<void> result = co_await std::move(task);
    if (!result && result.error().code != "cancelled") {
        log::warn("task_failed", {{"gate", name}, {"error", to_string(result.error())}});
    }
}

void note_exception(const std::string& name, std::exception_ptr exception) {
    try {
        if (exception) std::rethrow_exception(exception);
    } catch (const std::exception& e) {
        BUG("task of gate " + name + " threw: " + e.what());
    } catch (...) {
        BUG("task of gate " + name + " threw something");
    }
}

} // namespace

Gate::Gate(Loop& loop, std::string name) : state_(std::make_shared<State>(loop, std::move(name))) {}

Gate::~Gate() {
    state_->closed = true;
    if (state_->running > 0) {
        BUG("gate " + state_->name + " destroyed with " + std::to_string(state_->running) +
            " tasks in it");
    }
}

Result<void> Gate::spawn(Task<void> task) {
    if (state_->closed) {
        return fail(ErrorClass::Unavailable, "gate_closed", state_->name + " is shutting down.");
    }
    auto ticket = std::make_unique<Ticket>(state_);
    auto slot = ticket->stop.slot();
    auto done = [ticket = std::move(ticket)](std::exception_ptr exception) {
        note_exception(ticket->state().name, exception);
    };
    asio::co_spawn(state_->loop, detail::without_throwing(run_task(state_->name, std::move(task))),
                   asio::bind_cancellation_slot(slot, std::move(done)));
    return {};
}

void Gate::cancel() {
    // A signalled task resumes on a turn of its own, so the list holds still meanwhile.
    for (ListHook* hook = state_->tickets.next(); hook != &state_->tickets;) {
        ListHook* next = hook->next();
        static_cast<Ticket*>(hook)->stop.emit(asio::cancellation_type::terminal);
        hook = next;
    }
}

Task<void> Gate::close(Deadline deadline) {
    auto state = state_; // the Gate may go away as soon as it is empty
    state->closed = true;
    if (state->running == 0) co_return Result<void>{};
    CO_TRY(bool in_time, co_await state->idle.wait(deadline));
    if (in_time) co_return Result<void>{};
    cancel();
    CO_TRY(bool ended, co_await state->idle.wait(Deadline::after(cancel_grace)));
    if (ended) co_return Result<void>{};
    co_return fail(ErrorClass::Deadline, "tasks_still_running",
                   state->name + " still has " + std::to_string(state->running) + " tasks.");
}

std::size_t Gate::running() const { return state_->running; }
bool Gate::closed() const { return state_->closed; }

} // namespace holdfast::net
