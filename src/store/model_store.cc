#include "store/model_store.h"

#include "store/detail/model_audit.h"
#include "store/detail/model_world.h"
#include "store/page.h"

#include <ranges>

namespace holdfast::store {

using core::RowKey;

ModelStore::ModelStore(ModelFaults faults) : world_(std::make_shared<ModelWorld>()) {
    set_faults(faults);
}
ModelStore::~ModelStore() = default;

void ModelStore::set_faults(ModelFaults faults) {
    world_->faults = faults;
    world_->random.seed(faults.seed);
}

void ModelStore::take_away(Duration duration) {
    world_->away_until = MonotonicClock::now() + duration;
}

void ModelStore::silence(Duration duration) {
    world_->silent_until = MonotonicClock::now() + duration;
}

void ModelStore::make_read_only(Duration duration) {
    world_->read_only_until = MonotonicClock::now() + duration;
}

void ModelStore::lock_payments(int permille, Duration duration) {
    for (const auto& [key, row] : world_->table<core::PaymentIntent>().rows) {
        const ModelWorld::LockKey lock{core::ObjectKind::PaymentIntent, key};
        if (!world_->roll(permille) || world_->row_locks.contains(lock)) continue;
        world_->outside_locks[lock] = MonotonicClock::now() + duration;
    }
}

void ModelStore::cut_link(Duration duration) {
    if (!world_->cut()) world_->standby = *world_;
    world_->cut_until = MonotonicClock::now() + duration;
}

void ModelStore::fail_over(Duration outage) { world_->fail_over(outage); }

void ModelStore::heal() {
    world_->away_until = world_->silent_until = world_->read_only_until = {};
    world_->cut_until = {};
    world_->outside_locks.clear();
}

bool ModelStore::is_durable(const core::Operation& operation) const {
    const ModelData& data = world_->cut() ? *world_->standby : *world_;
    return data.table<core::Operation>().find({operation.account, operation.id.uuid()}) != nullptr;
}

AuditReport ModelStore::audit() const { return audit_model(*world_); }

template <class T> std::vector<T> ModelStore::all() const {
    std::vector<T> found;
    for (const auto& [_, row] : world_->table<T>().rows) found.push_back(row.value);
    return found;
}
template std::vector<core::Customer> ModelStore::all() const;
template std::vector<core::PaymentMethod> ModelStore::all() const;
template std::vector<core::Token> ModelStore::all() const;
template std::vector<core::PaymentIntent> ModelStore::all() const;
template std::vector<core::Charge> ModelStore::all() const;
template std::vector<core::Refund> ModelStore::all() const;
template std::vector<core::Operation> ModelStore::all() const;
template std::vector<core::Event> ModelStore::all() const;
template std::vector<core::BalanceTransaction> ModelStore::all() const;

std::vector<core::LedgerTransaction> ModelStore::ledger() const {
    std::vector<core::LedgerTransaction> found;
    for (const auto& [key, row] : world_->table<core::BalanceTransaction>().rows) {
        found.push_back({row.value, world_->entries.at(key)});
    }
    return found;
}

std::vector<Seal> ModelStore::seals() const {
    std::vector<Seal> found;
    for (const auto& [_, chain] : world_->chains)
        found.insert(found.end(), chain.begin(), chain.end());
    return found;
}

Task<std::unique_ptr<Lane>> ModelStore::open_lane(Deadline deadline) {
    CO_TRY_VOID(co_await world_->travel(deadline));
    co_return make_model_lane(world_, Uuid::time_ordered(Env::current()));
}

namespace {

template <class T>
Task<std::optional<T>> find_row(std::shared_ptr<ModelWorld> world, RowKey key, Deadline deadline) {
    CO_TRY_VOID(co_await world->travel(deadline));
    const T* row = world->table<T>().find(key);
    co_return row ? std::optional<T>(*row) : std::optional<T>();
}

/// The rows of one account that `wanted` takes, as one page.
template <class T, class Filter>
Task<Page<T>> list_rows(std::shared_ptr<ModelWorld> world, Id<core::Account> account,
                        ListQuery query, Deadline deadline, Filter wanted) {
    CO_TRY_VOID(co_await world->travel(deadline));
    const auto& rows = world->table<T>().rows;
    std::optional<Position> cursor;
    if (query.cursor) {
        auto it = rows.find(RowKey{account, *query.cursor});
        if (it == rows.end()) co_return cursor_missing<T>(query);
        cursor = Position{it->second.value.created, it->second.sequence};
    }
    const PageBounds bounds = page_bounds(query, cursor);
    std::map<Position, const T*> found;
    for (auto it = rows.lower_bound(RowKey{account, Uuid{}});
         it != rows.end() && it->first.account == account; ++it) {
        const Position position{it->second.value.created, it->second.sequence};
        if (bounds.contains(position) && wanted(it->second.value, query)) {
            found.emplace(position, &it->second.value);
        }
    }
    std::vector<T> scanned;
    const auto enough = static_cast<std::size_t>(query.limit) + 1;
    auto collect = [&](auto&& ordered) {
        for (const auto& [_, row] : ordered | std::views::take(enough)) scanned.push_back(*row);
    };
    if (bounds.newest_first)
        collect(found | std::views::reverse);
    else
        collect(found);
    co_return make_page(std::move(scanned), query.limit, bounds);
}

template <class T> bool of_customer(const T& row, const ListQuery& query) {
    return query.customer.is_nil() || row.customer == query.customer;
}
template <class T> bool of_payment(const T& row, const ListQuery& query) {
    return query.payment_intent.is_nil() || row.payment_intent == query.payment_intent;
}

bool of_types(const core::Event& event, const ListQuery& query) {
    if (query.types.empty()) return true;
    return std::ranges::any_of(query.types, [&](const std::string& type) {
        if (type.ends_with('*')) return event.type.starts_with(type.substr(0, type.size() - 1));
        return event.type == type;
    });
}

bool transaction_wanted(const core::BalanceTransaction& row, const ListQuery& query) {
    return (query.source.is_nil() || row.source == query.source) &&
           (!query.posting || row.kind == *query.posting) &&
           (!query.currency || row.amount.currency == *query.currency);
}

} // namespace

Task<std::optional<core::Customer>> ModelStore::find(Id<core::Account> account,
                                                     Id<core::Customer> id, Deadline deadline) {
    return find_row<core::Customer>(world_, {account, id.uuid()}, deadline);
}
Task<std::optional<core::PaymentMethod>> ModelStore::find(Id<core::Account> account,
                                                          Id<core::PaymentMethod> id,
                                                          Deadline deadline) {
    return find_row<core::PaymentMethod>(world_, {account, id.uuid()}, deadline);
}
Task<std::optional<core::Token>> ModelStore::find(Id<core::Account> account, Id<core::Token> id,
                                                  Deadline deadline) {
    return find_row<core::Token>(world_, {account, id.uuid()}, deadline);
}
Task<std::optional<core::PaymentIntent>> ModelStore::find(Id<core::Account> account,
                                                          Id<core::PaymentIntent> id,
                                                          Deadline deadline) {
    return find_row<core::PaymentIntent>(world_, {account, id.uuid()}, deadline);
}
Task<std::optional<core::Charge>> ModelStore::find(Id<core::Account> account, Id<core::Charge> id,
                                                   Deadline deadline) {
    return find_row<core::Charge>(world_, {account, id.uuid()}, deadline);
}
Task<std::optional<core::Refund>> ModelStore::find(Id<core::Account> account, Id<core::Refund> id,
                                                   Deadline deadline) {
    return find_row<core::Refund>(world_, {account, id.uuid()}, deadline);
}
Task<std::optional<core::BalanceTransaction>> ModelStore::find(Id<core::Account> account,
                                                               Id<core::BalanceTransaction> id,
                                                               Deadline deadline) {
    return find_row<core::BalanceTransaction>(world_, {account, id.uuid()}, deadline);
}
Task<std::optional<core::Event>> ModelStore::find(Id<core::Account> account, Id<core::Event> id,
                                                  Deadline deadline) {
    return find_row<core::Event>(world_, {account, id.uuid()}, deadline);
}

Task<Page<core::Customer>> ModelStore::list_customers(Id<core::Account> account, ListQuery query,
                                                      Deadline deadline) {
    return list_rows<core::Customer>(world_, account, std::move(query), deadline,
                                     [](const core::Customer& row, const ListQuery& q) {
                                         return !row.deleted && (!q.email || row.email == q.email);
                                     });
}
Task<Page<core::PaymentMethod>> ModelStore::list_payment_methods(Id<core::Account> account,
                                                                 ListQuery query,
                                                                 Deadline deadline) {
    return list_rows<core::PaymentMethod>(world_, account, std::move(query), deadline,
                                          of_customer<core::PaymentMethod>);
}
Task<Page<core::PaymentIntent>> ModelStore::list_payment_intents(Id<core::Account> account,
                                                                 ListQuery query,
                                                                 Deadline deadline) {
    return list_rows<core::PaymentIntent>(world_, account, std::move(query), deadline,
                                          of_customer<core::PaymentIntent>);
}
Task<Page<core::Charge>> ModelStore::list_charges(Id<core::Account> account, ListQuery query,
                                                  Deadline deadline) {
    return list_rows<core::Charge>(world_, account, std::move(query), deadline,
                                   [](const core::Charge& row, const ListQuery& q) {
                                       return of_customer(row, q) && of_payment(row, q);
                                   });
}
Task<Page<core::Refund>> ModelStore::list_refunds(Id<core::Account> account, ListQuery query,
                                                  Deadline deadline) {
    return list_rows<core::Refund>(world_, account, std::move(query), deadline,
                                   [](const core::Refund& row, const ListQuery& q) {
                                       return of_payment(row, q) &&
                                              (q.charge.is_nil() || row.charge == q.charge);
                                   });
}
Task<Page<core::BalanceTransaction>> ModelStore::list_balance_transactions(
    Id<core::Account> account, ListQuery query, Deadline deadline) {
    return list_rows<core::BalanceTransaction>(world_, account, std::move(query), deadline,
                                               transaction_wanted);
}
Task<Page<core::Event>> ModelStore::list_events(Id<core::Account> account, ListQuery query,
                                                Deadline deadline) {
    return list_rows<core::Event>(world_, account, std::move(query), deadline, of_types);
}

Task<Balance> ModelStore::balance(Id<core::Account> account, Deadline deadline) {
    CO_TRY_VOID(co_await world_->travel(deadline));
    std::map<core::LedgerAccount, std::int64_t> sums = world_->bases;
    for (const core::Delta& delta : world_->deltas) sums[delta.account] += delta.amount_minor;
    Balance balance;
    for (const auto& [ledger, amount_minor] : sums) {
        if (ledger.owner == account && amount_minor != 0) {
            balance.amounts.push_back({ledger.kind, ledger.currency, amount_minor});
        }
    }
    co_return balance;
}

Task<std::vector<core::Operation>> ModelStore::stale_operations(WallTime before, int limit,
                                                                Deadline deadline) {
    CO_TRY_VOID(co_await world_->travel(deadline));
    std::vector<core::Operation> found;
    for (const auto& [_, row] : world_->table<core::Operation>().rows) {
        if (row.value.state == core::OperationState::Started && row.value.valid_until < before) {
            found.push_back(row.value);
        }
    }
    std::ranges::sort(found, {}, [](const core::Operation& operation) {
        return std::pair(operation.valid_until, operation.id);
    });
    if (found.size() > static_cast<std::size_t>(limit))
        found.resize(static_cast<std::size_t>(limit));
    co_return found;
}

Task<std::int64_t> ModelStore::fold_balances(int limit, Deadline deadline) {
    CO_TRY_VOID(co_await world_->travel_to_write(deadline));
    auto& deltas = world_->deltas;
    const auto folded = std::min<std::ptrdiff_t>(limit, std::ssize(deltas));
    for (const core::Delta& delta : deltas | std::views::take(folded)) {
        world_->bases[delta.account] += delta.amount_minor;
    }
    deltas.erase(deltas.begin(), deltas.begin() + folded);
    co_return folded;
}

Task<std::int64_t> ModelStore::expire_replays(WallTime before, int limit, Deadline deadline) {
    CO_TRY_VOID(co_await world_->travel_to_write(deadline));
    std::int64_t left = limit;
    co_return static_cast<std::int64_t>(std::erase_if(world_->replays, [&](const auto& entry) {
        return left > 0 && entry.second.created < before && left-- > 0;
    }));
}

Task<void> ModelStore::create_account(core::Account account, Deadline deadline) {
    CO_TRY_VOID(co_await world_->travel_to_write(deadline));
    if (!world_->accounts.emplace(account.id, account).second) {
        co_return fail({.kind = ErrorClass::Invalid, .code = "accounts_pkey", .sqlstate = "23505"});
    }
    co_return Result<void>{};
}

Task<std::optional<core::Account>> ModelStore::find_account(Id<core::Account> id,
                                                            Deadline deadline) {
    CO_TRY_VOID(co_await world_->travel(deadline));
    auto it = world_->accounts.find(id);
    co_return it == world_->accounts.end() ? std::optional<core::Account>() : it->second;
}

Task<std::vector<core::Account>> ModelStore::list_accounts(Deadline deadline) {
    CO_TRY_VOID(co_await world_->travel(deadline));
    std::vector<core::Account> found;
    for (const auto& [_, account] : world_->accounts) found.push_back(account);
    std::ranges::sort(found, {}, [](const core::Account& a) { return std::pair(a.created, a.id); });
    co_return found;
}

Task<void> ModelStore::set_floor_limit(Id<core::Account> account, core::FloorLimit limit,
                                       Deadline deadline) {
    CO_TRY_VOID(co_await remove_floor_limit(account, limit.currency, deadline));
    auto found = world_->accounts.find(account);
    if (found == world_->accounts.end())
        co_return fail({.kind = ErrorClass::Invalid,
                        .code = "floor_limits_account_id_fkey",
                        .sqlstate = "23503"});
    found->second.floor_limits.push_back(limit);
    co_return Result<void>{};
}

Task<bool> ModelStore::remove_floor_limit(Id<core::Account> account, core::Currency currency,
                                          Deadline deadline) {
    CO_TRY_VOID(co_await world_->travel(deadline));
    auto found = world_->accounts.find(account);
    if (found == world_->accounts.end()) co_return false;
    co_return std::erase_if(found->second.floor_limits, [&](const core::FloorLimit& limit) {
        return limit.currency == currency;
    }) > 0;
}

Task<FloorShare> ModelStore::renew_floor_share(std::string holder, std::int32_t wanted_ppm,
                                               Duration lease, Deadline deadline) {
    CO_TRY_VOID(co_await world_->travel_to_write(deadline));
    const MonoTime now = MonotonicClock::now();
    auto& shares = world_->floor_shares;
    shares.erase(holder);
    std::erase_if(shares, [&](const auto& entry) { return entry.second.until < now; });
    std::int32_t left = FloorShare::whole_ppm;
    for (const auto& [_, share] : shares) left -= share.ppm;
    const std::int32_t ppm = std::min(wanted_ppm, left);
    shares.emplace(holder, ModelWorld::HeldShare{ppm, now + lease});
    const FloorShare given{.ppm = ppm, .holders = static_cast<std::int32_t>(shares.size())};
    CO_TRY_VOID(co_await world_->travel(deadline)); // the answer may be lost
    co_return given;
}

Task<void> ModelStore::insert_key(ApiKey key, Deadline deadline) {
    CO_TRY_VOID(co_await world_->travel_to_write(deadline));
    if (!world_->keys.emplace(key.hash, key).second) {
        co_return fail({.kind = ErrorClass::Invalid, .code = "api_keys_pkey", .sqlstate = "23505"});
    }
    co_return Result<void>{};
}

Task<std::optional<ApiKey>> ModelStore::find_key(std::string hash, Deadline deadline) {
    CO_TRY_VOID(co_await world_->travel(deadline));
    auto it = world_->keys.find(hash);
    co_return it == world_->keys.end() ? std::optional<ApiKey>() : it->second;
}

Task<std::vector<ApiKey>> ModelStore::working_keys(int limit, Deadline deadline) {
    CO_TRY_VOID(co_await world_->travel(deadline));
    std::vector<ApiKey> found;
    const WallTime now = Env::current().wall();
    for (const auto& [_, key] : world_->keys)
        if (!key.expires || *key.expires > now) found.push_back(key);
    std::ranges::sort(found, std::greater{}, &ApiKey::created);
    if (found.size() > static_cast<std::size_t>(limit))
        found.resize(static_cast<std::size_t>(limit));
    co_return found;
}

Task<std::vector<ApiKey>> ModelStore::list_keys(Id<core::Account> account, Deadline deadline) {
    CO_TRY_VOID(co_await world_->travel(deadline));
    std::vector<ApiKey> found;
    for (const auto& [_, key] : world_->keys) {
        if (key.account == account) found.push_back(key);
    }
    std::ranges::sort(found, {},
                      [](const ApiKey& key) { return std::pair(key.created, key.hash); });
    co_return found;
}

Task<bool> ModelStore::expire_key(std::string hash, WallTime when, Deadline deadline) {
    CO_TRY_VOID(co_await world_->travel_to_write(deadline));
    auto it = world_->keys.find(hash);
    if (it == world_->keys.end()) co_return false;
    it->second.expires = when;
    co_return true;
}

Task<void> ModelStore::ping(Deadline deadline) { return world_->travel(deadline); }

} // namespace holdfast::store
