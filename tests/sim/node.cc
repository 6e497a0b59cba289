#include "node.h"

#include <algorithm>

namespace holdfast::sim {

namespace {

constexpr Duration start_pause = std::chrono::milliseconds{250};
constexpr Duration ping_timeout = std::chrono::seconds{2};
constexpr JournalLimits log_limits{.segment_bytes = segment_bytes_min,
                                   .bytes_max = 4 * segment_bytes_min};
constexpr Duration resolve_interval = std::chrono::seconds{3}; // idle rounds take most of a run

const SecretString& log_secret() {
    static const SecretString secret{"simulated secret of command logs"};
    return secret;
}

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

Node::Marks::Marks(Node& node, net::Loop& loop)
    : book(loop, node.env_),
      cipher(node.env_, log_secret()),
      teller(loop, node.env_, cipher, node.platform_.options.name, node.peers(), nullptr) {}

Node::Node(int number, Platform platform, Duration skew, Duration disk_latency_max)
    : number_(number),
      platform_(std::move(platform)),
      env_(platform_.env, skew),
      disk_latency_max_(disk_latency_max),
      offload_({.run_by = [this](Offload::Job job) {
          CHECK(lifecycle_->spawn(do_disk_job(std::move(job))).has_value());
      }}) {}

std::vector<processor::Peer> Node::peers() {
    std::vector<processor::Peer> others;
    for (int other = 0; other < platform_.nodes; ++other)
        if (other != number_)
            others.push_back({.name = std::to_string(other),
                              .post =
                                  [this, other](std::string sealed, Deadline) {
                                      return platform_.carry(other, std::move(sealed));
                                  },
                              .carry_out =
                                  [this, other](core::Command command, Deadline deadline) {
                                      return platform_.pass(other, std::move(command), deadline);
                                  }});
    return others;
}

Result<processor::MarkBook::Hearing> Node::hear(std::string_view sealed) {
    if (!marks_) return fail(ErrorClass::Unavailable, "connection_refused", "Nobody listens.");
    TRY(const auto message, marks_->cipher.open(sealed));
    return marks_->book.hear(message);
}

void Node::start() {
    process_ = std::make_unique<net::SimProcess>(platform_.loop);
    if (platform_.stands_in) marks_.emplace(*this, *process_);
    connector_.emplace(env_, platform_.acquirer, gateway::BreakingOptions{});
    requests_ = std::make_unique<net::Gate>(*process_, "requests");
    lifecycle_ = std::make_unique<net::Gate>(*process_, "lifecycle");
    drained_ = false;
    CHECK(lifecycle_->spawn(bring_up()).has_value());
}

Task<void> Node::do_disk_job(Offload::Job job) {
    const auto span = static_cast<std::uint64_t>(disk_latency_max_.count()) + 1;
    CO_TRY_VOID(co_await net::sleep_for(
        Duration{static_cast<Duration::rep>(platform_.env.random_below(span))}));
    ++disk_jobs_;
    job();
    co_return Result<void>{};
}

Result<std::unique_ptr<processor::CommandLog>> Node::open_log(MemoryDisk& disk, net::Loop& loop) {
    TRY(auto journal, Journal::open(disk.mount(), log_secret(), log_limits));
    return processor::CommandLog::create(loop, offload_, std::move(journal));
}

Result<processor::CommandLogs> Node::open_logs() {
    processor::CommandLogs logs;
    if (!platform_.stands_in) return logs;
    TRY(logs.own, open_log(disk_, *process_));
    for (MemoryDisk* disk : left_) { // a damaged one of somebody else is no reason not to start
        auto left = open_log(*disk, *process_);
        if (left) logs.left.push_back(std::move(*left));
    }
    return logs;
}

bool Node::holds(Id<core::Account> account, Id<core::PaymentIntent> payment) {
    if (!platform_.stands_in) return false;
    if (auto here = find_here(account, payment); here && here->current) return true;
    if (up()) return false;
    const auto logged = read_log();
    return logged && std::ranges::any_of(*logged, [&](const auto& step) {
               return processor::payment_of(step.second.command) == payment;
           });
}

Result<std::map<processor::StepNumber, processor::LoggedStep>> Node::read_log() {
    return processor::read_command_log(*disk_.mount(), log_secret());
}

Result<std::size_t> Node::left_in_log() {
    CHECK(!running());
    if (!platform_.stands_in) return std::size_t{0};
    TRY(auto log, open_log(disk_, platform_.loop.loop()));
    return log->recovered().size();
}

Task<void> Node::bring_up() {
    for (;;) {
        auto there = co_await platform_.store.ping(Deadline::after(ping_timeout));
        if (auto logs = there ? open_logs() : fail(there.error())) {
            auto made = co_await processor::Processor::create(
                *process_, env_, platform_.store, *connector_, platform_.identity,
                [this](Id<core::Account> id) { return account(id); }, platform_.options,
                std::move(*logs),
                marks_ ? processor::Marks{.book = &marks_->book, .teller = &marks_->teller}
                       : processor::Marks{});
            if (made) {
                processor_ = std::move(*made);
                break;
            }
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
    marks_.reset();
    connector_.reset();
    requests_.reset();
    lifecycle_.reset();
    process_.reset();
}

bool Node::serve(core::Command command, Duration patience, std::shared_ptr<Exchange> exchange,
                 Of of) {
    if (!up()) return false;
    Deadline deadline = Deadline::after(patience);
    return requests_->spawn(handle(std::move(command), deadline, std::move(exchange), of))
        .has_value();
}

Task<void> Node::handle(core::Command command, Deadline deadline,
                        std::shared_ptr<Exchange> exchange, Of of) {
    Connection connection(*exchange);
    auto outcome = of == Of::Client ? co_await processor_->pay(std::move(command), deadline)
                                    : co_await processor_->carry_out(std::move(command), deadline);
    if (outcome) platform_.answering(number_, *outcome);
    exchange->answer.emplace(std::move(outcome));
    co_return Result<void>{};
}

void Node::begin_drain() {
    if (up()) CHECK(lifecycle_->spawn(drain()).has_value());
}

/// What is not over by its deadline is killed, as a supervisor does.
Task<void> Node::drain() {
    auto ended = co_await end_orderly();
    drained_ = true;
    co_return ended;
}

Task<void> Node::end_orderly() {
    Deadline deadline = Deadline::after(std::chrono::minutes{1});
    CO_TRY_VOID(co_await requests_->close(deadline));
    CO_TRY_VOID(co_await folder_->stop(deadline));
    CO_TRY_VOID(co_await resolver_->stop(deadline));
    co_return co_await processor_->drain(deadline);
}

} // namespace holdfast::sim
