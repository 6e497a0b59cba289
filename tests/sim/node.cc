#include "node.h"

#include <algorithm>

namespace holdfast::sim {

namespace {

constexpr Duration start_pause = std::chrono::milliseconds{100};
constexpr Duration resolve_interval = std::chrono::seconds{3}; // idle rounds take most of a run

/// Tells the client that its connection is over, however the request ended.
class Connection {
  public:
    explicit Connection(Exchange& exchange) : exchange_(exchange) {}
    ~Connection() { exchange_.ended.set(); }
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;

  private:
    Exchange& exchange_;
};

} // namespace

void Node::start() {
    process_ = std::make_unique<net::SimProcess>(platform_.loop);
    connector_.emplace(env_, platform_.acquirer, gateway::BreakingOptions{});
    requests_ = std::make_unique<net::Gate>(*process_, "requests");
    lifecycle_ = std::make_unique<net::Gate>(*process_, "lifecycle");
    drained_ = false;
    CHECK(lifecycle_->spawn(bring_up()).has_value());
}

Task<void> Node::bring_up() {
    for (;;) {
        auto made = co_await processor::Processor::create(
            *process_, env_, platform_.store, *connector_, platform_.identity,
            [this](Id<core::Account> id) { return account(id); }, platform_.options);
        if (made) {
            processor_ = std::move(*made);
            break;
        }
        CO_TRY_VOID(co_await net::sleep_for(start_pause));
    }
    resolver_ = std::make_unique<processor::Resolver>(
        *process_, env_, platform_.store, *processor_,
        processor::ResolverOptions{.interval = resolve_interval});
    resolver_->start();
    folder_ =
        std::make_unique<processor::Folder>(*process_, env_, platform_.store, platform_.folding);
    folder_->start();
    co_return Result<void>{};
}

const core::Account* Node::account(Id<core::Account> id) const {
    auto found = std::ranges::find(platform_.accounts, id, &core::Account::id);
    return found == platform_.accounts.end() ? nullptr : &*found;
}

void Node::kill() {
    if (!process_) return;
    drained_ = false;
    process_->kill();
    folder_.reset();
    resolver_.reset();
    processor_.reset();
    connector_.reset();
    requests_.reset();
    lifecycle_.reset();
    process_.reset();
}

bool Node::serve(core::Command command, Duration patience, std::shared_ptr<Exchange> exchange) {
    if (!up()) return false;
    Deadline deadline = Deadline::after(patience);
    return requests_->spawn(handle(std::move(command), deadline, std::move(exchange))).has_value();
}

Task<void> Node::handle(core::Command command, Deadline deadline,
                        std::shared_ptr<Exchange> exchange) {
    Connection connection(*exchange);
    auto outcome = co_await processor_->pay(std::move(command), deadline);
    exchange->answer.emplace(std::move(outcome));
    co_return Result<void>{};
}

void Node::begin_drain() {
    if (up()) CHECK(lifecycle_->spawn(drain()).has_value());
}

Task<void> Node::drain() {
    Deadline deadline = Deadline::after(std::chrono::minutes{1});
    CO_TRY_VOID(co_await requests_->close(deadline));
    CO_TRY_VOID(co_await folder_->stop(deadline));
    CO_TRY_VOID(co_await resolver_->stop(deadline));
    CO_TRY_VOID(co_await processor_->drain(deadline));
    drained_ = true;
    co_return Result<void>{};
}

} // namespace holdfast::sim
