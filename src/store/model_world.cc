#include "store/detail/model_world.h"

#include "core/names.h"
#include "net/timer.h"

#include <fmt/format.h>

namespace holdfast::store {

using core::ObjectKind;
using core::RowKey;

bool ModelWorld::roll(int permille) {
    constexpr int all = 1000;
    return permille > 0 && static_cast<int>(random() % all) < permille;
}

namespace {
std::unexpected<Error> late() {
    return fail({.kind = ErrorClass::Deadline,
                 .code = "deadline_passed",
                 .message = "The database did not answer in time.",
                 .retryable = true});
}
} // namespace

Task<void> ModelWorld::travel(Deadline deadline) {
    const auto spread = static_cast<std::uint64_t>(
        std::max(Duration{0}, faults.latency_max - faults.latency_min).count());
    Duration latency = faults.latency_min;
    if (spread > 0) latency += Duration{static_cast<Duration::rep>(random() % (spread + 1))};
    const bool in_time = latency <= deadline.left();
    if (latency > Duration{0})
        CO_TRY_VOID(co_await net::sleep_for(std::min(latency, deadline.left())));
    while (MonotonicClock::now() < silent_until && !deadline.passed())
        CO_TRY_VOID(co_await net::sleep_until(std::min(silent_until, deadline.when())));
    if (!in_time || deadline.passed()) co_return late();
    if (MonotonicClock::now() < away_until) {
        co_return fail({.kind = ErrorClass::Unavailable,
                        .code = "database_unavailable",
                        .message = "The database is away.",
                        .retryable = true});
    }
    co_return Result<void>{};
}

bool ModelWorld::cut() {
    if (standby && MonotonicClock::now() >= cut_until) standby.reset(); // it has caught up
    return standby.has_value();
}

Task<void> ModelWorld::replicated(Deadline deadline) {
    while (cut()) {
        if (deadline.passed()) co_return late();
        CO_TRY_VOID(co_await net::sleep_until(std::min(cut_until, deadline.when())));
    }
    co_return Result<void>{};
}

Result<void> ModelWorld::writable() const {
    if (MonotonicClock::now() >= read_only_until) return {};
    return fail({.kind = ErrorClass::Unavailable,
                 .code = "database_read_only",
                 .message = "The server takes no writes.",
                 .retryable = true,
                 .sqlstate = "25006"});
}

Task<void> ModelWorld::travel_to_write(Deadline deadline) {
    CO_TRY_VOID(co_await travel(deadline));
    CO_TRY_VOID(writable());
    co_return co_await replicated(deadline);
}

/// The primary is gone with all its sessions; the standby has what was acknowledged.
void ModelWorld::fail_over(Duration outage) {
    if (cut()) {
        for (CommitUnderWay* commit : std::vector(under_way)) (void)commit->forget();
        static_cast<ModelData&>(*this) = *std::exchange(standby, std::nullopt);
    }
    for (CommitUnderWay* commit : std::vector(under_way)) commit->leave_to_chance();
    ++era;
    row_locks.clear();
    claims.clear();
    outside_locks.clear();
    silent_until = read_only_until = {};
    away_until = MonotonicClock::now() + outage;
}

bool ModelWorld::locked_outside(const LockKey& key) const {
    auto lock = outside_locks.find(key);
    return lock != outside_locks.end() && MonotonicClock::now() < lock->second;
}

CommitUnderWay::CommitUnderWay(ModelWorld& world, const core::UnitOfWork& work, const Seal& seal,
                               const Lane* lane)
    : world_(world), work_(work), seal_(seal), lane_(lane) {
    world_.under_way.push_back(this);
}

bool CommitUnderWay::forget() { return std::erase(world_.under_way, this) > 0; }

void CommitUnderWay::leave_to_chance() {
    constexpr int half = 500;
    if (!forget() || !world_.writable() || !world_.roll(half)) return;
    (void)world_.apply(work_, seal_, lane_);
}

Task<void> ModelWorld::stall(Deadline deadline) {
    const auto bound = static_cast<std::uint64_t>(faults.stall_max.count()) + 1;
    const Duration length{static_cast<Duration::rep>(random() % bound)};
    co_return co_await net::sleep_for(std::min(length, deadline.left()));
}

void ModelWorld::release(const Lane* lane) {
    auto held = [lane](const auto& lock) { return lock.second == lane; };
    std::erase_if(row_locks, held);
    std::erase_if(claims, held);
}

namespace {

std::unexpected<Error> duplicate(std::string constraint) {
    return fail({.kind = ErrorClass::Invalid,
                 .code = std::move(constraint),
                 .message = "A row with this key exists already.",
                 .sqlstate = "23505"});
}

/// The row whose lock covers a row of kind T.
template <class T> ModelWorld::LockKey lock_of(ObjectKind kind, const T& row) {
    if constexpr (requires { row.payment_intent; }) {
        return {ObjectKind::PaymentIntent, {row.account, row.payment_intent.uuid()}};
    } else {
        return {kind, {row.account, row.id.uuid()}};
    }
}

/// One batch on its way into the world. Everything is checked before anything is changed.
class Application {
  public:
    Application(ModelWorld& world, const core::UnitOfWork& work, const Lane* lane)
        : world_(world), work_(work), lane_(lane) {}

    Result<void> check() {
        TRY_VOID(check_rows(ObjectKind::Customer, work_.customers, "customers"));
        TRY_VOID(check_rows(ObjectKind::PaymentMethod, work_.payment_methods, "payment_methods"));
        TRY_VOID(check_rows(ObjectKind::Token, work_.tokens, "tokens"));
        TRY_VOID(check_rows(ObjectKind::PaymentIntent, work_.payment_intents, "payment_intents"));
        TRY_VOID(check_rows(ObjectKind::Charge, work_.charges, "charges"));
        TRY_VOID(check_rows(ObjectKind::Refund, work_.refunds, "refunds"));
        TRY_VOID(check_rows(ObjectKind::Operation, work_.operations, "operations"));
        std::set<RowKey> seen;
        for (const core::Event& event : work_.events) {
            TRY_VOID(check_new<core::Event>({event.account, event.id.uuid()}, seen, "events"));
        }
        for (const core::LedgerTransaction& transaction : work_.transactions) {
            const auto& row = transaction.balance_transaction;
            TRY_VOID(check_new<core::BalanceTransaction>({row.account, row.id.uuid()}, seen,
                                                         "balance_transactions"));
            if (!core::balanced(transaction.entries)) {
                return fail({.kind = ErrorClass::Invalid,
                             .code = "entries_balanced",
                             .message = "The entries of a transaction do not sum to zero.",
                             .sqlstate = "23514"});
            }
        }
        for (const core::ReplayRecord& record : work_.new_replays) {
            const RowKey key{record.account, record.replay_key};
            if (world_.replays.contains(key) || !seen.insert(key).second) {
                return duplicate("replays_pkey");
            }
        }
        return {};
    }

    void write() {
        write_rows(work_.customers);
        write_rows(work_.payment_methods);
        write_rows(work_.tokens);
        write_rows(work_.payment_intents);
        write_rows(work_.charges);
        write_rows(work_.refunds);
        write_rows(work_.operations);
        for (const core::LedgerTransaction& transaction : work_.transactions) {
            const auto& row = transaction.balance_transaction;
            insert({row.account, row.id.uuid()}, row);
            world_.entries[{row.account, row.id.uuid()}] = transaction.entries;
        }
        for (core::Event event : work_.events) {
            event.sequence = world_.last_sequence + 1;
            insert({event.account, event.id.uuid()}, event);
        }
        for (const core::ReplayRecord& record : work_.new_replays) {
            world_.replays.insert_or_assign({record.account, record.replay_key}, record);
        }
        for (const core::Delta& delta : core::sum_deltas(work_.transactions)) {
            world_.deltas.push_back(delta);
        }
    }

  private:
    template <class T>
    Result<void> check_new(const RowKey& key, std::set<RowKey>& seen, std::string_view table) {
        if (world_.table<T>().find(key) || !seen.insert(key).second) {
            return duplicate(fmt::format("{}_pkey", table));
        }
        return {};
    }

    template <class T>
    Result<void> check_rows(ObjectKind kind, const core::Rows<T>& rows, std::string_view table) {
        for (const RowKey& key : rows.inserted()) {
            if (world_.table<T>().find(key)) return duplicate(fmt::format("{}_pkey", table));
            const ModelWorld::LockKey lock = lock_of(kind, *rows.find(key));
            const bool child = lock.first != kind;
            CHECK_MSG(!child || covered(lock), "a child was inserted without its root's lock");
        }
        for (const RowKey& key : rows.updated()) {
            CHECK_MSG(world_.table<T>().find(key), "a row was changed that does not exist");
            CHECK_MSG(covered(lock_of(kind, *rows.find(key))),
                      "a row was changed without its lock");
        }
        return {};
    }

    bool covered(const ModelWorld::LockKey& lock) const {
        auto held = [this](const ModelWorld::Locks& locks, const ModelWorld::LockKey& key) {
            auto it = locks.find(key);
            return it != locks.end() && it->second == lane_;
        };
        return held(world_.row_locks, lock) || held(world_.claims, lock) ||
               work_.payment_intents.inserted().contains(lock.second);
    }

    template <class T> void write_rows(const core::Rows<T>& rows) {
        for (const RowKey& key : rows.inserted()) insert(key, *rows.find(key));
        for (const RowKey& key : rows.updated()) {
            world_.table<T>().rows.at(key).value = *rows.find(key);
        }
    }

    template <class T> void insert(const RowKey& key, const T& value) {
        world_.table<T>().rows.insert_or_assign(
            key, typename ModelTable<T>::Row{value, ++world_.last_sequence});
    }

    ModelWorld& world_;
    const core::UnitOfWork& work_;
    const Lane* lane_;
};

} // namespace

Result<void> ModelWorld::apply(const core::UnitOfWork& work, const Seal& seal, const Lane* lane) {
    Application application(*this, work, lane);
    TRY_VOID(application.check());
    std::vector<Seal>& chain = chains[seal.lane];
    CHECK(seal.sequence == static_cast<std::int64_t>(chain.size()) + 1);
    application.write();
    chain.push_back(seal);
    return {};
}

} // namespace holdfast::store
