#include "store/batch_query.h"

#include "store/columns.h"
#include "store/sql_batches.h"
#include "store/wire.h"

#include <algorithm>

namespace holdfast::store {

using core::RowKey;
using db::QueryResult;

namespace {

template <class T> constexpr const Table& table_of = customers;
template <> inline constexpr const Table& table_of<core::PaymentMethod> = payment_methods;
template <> inline constexpr const Table& table_of<core::Token> = tokens;
template <> inline constexpr const Table& table_of<core::PaymentIntent> = payment_intents;
template <> inline constexpr const Table& table_of<core::Charge> = charges;
template <> inline constexpr const Table& table_of<core::Refund> = refunds;
template <> inline constexpr const Table& table_of<core::Operation> = operations;

std::size_t add_keys(db::Pipeline& pipeline, const db::Statement& statement,
                     const std::vector<RowKey>& keys) {
    Columns<Id<core::Account>, Uuid> columns;
    for (const RowKey& key : keys) columns.append(key.account, key.id);
    return send(pipeline, statement, columns);
}

/// Loads rows into a batch and remembers how they were.
struct Loader {
    Originals& originals;

    template <class T> Result<void> load(core::Rows<T>& rows, const QueryResult& result) {
        for (db::Row row : result) {
            TRY(T value, read_row<T>(row));
            if constexpr (!std::is_same_v<T, core::Token>) originals.remember(value);
            rows.load(std::move(value));
        }
        return {};
    }
};

} // namespace

BatchQuery::BatchQuery(LockPlan plan, LockMode mode, db::Pipeline& pipeline)
    : plan_(std::move(plan)), mode_(mode) {
    ask_claims(pipeline);
    ask_locks<core::Customer>(pipeline);
    ask_locks<core::PaymentMethod>(pipeline);
    ask_locks<core::Token>(pipeline);
    ask_locks<core::PaymentIntent>(pipeline);
    ask_exists<core::Customer>(pipeline);
    ask_exists<core::PaymentMethod>(pipeline);
    ask_exists<core::Token>(pipeline);
    ask_exists<core::PaymentIntent>(pipeline);
    ask_children(pipeline);
    ask_reads<core::Customer>(pipeline);
    ask_reads<core::PaymentMethod>(pipeline);
    ask_reads<core::Token>(pipeline);
    ask_reads<core::PaymentIntent>(pipeline);
    ask_reads<core::Charge>(pipeline);
    ask_reads<core::Refund>(pipeline);
    ask_reads<core::Operation>(pipeline);
    if (!plan_.replays().empty()) {
        replays_ = add_keys(pipeline, sql::read_replays, plan_.replays());
    }
}

void BatchQuery::ask_claims(db::Pipeline& pipeline) {
    if (plan_.claims().empty()) return;
    db::ParamArray<std::int64_t> numbers;
    for (const LockPlan::Claim& claim : plan_.claims()) numbers.append(claim.number);
    claims_ = pipeline.add(mode_ == LockMode::Skip ? sql::claim : sql::claim_wait, numbers);
}

template <class T> void BatchQuery::ask_locks(db::Pipeline& pipeline) {
    const std::vector<RowKey>& keys = plan_.lock(core::kind_of<T>);
    if (keys.empty()) return;
    using Statements = Sql<table_of<T>>;
    asked<T>().lock = add_keys(
        pipeline, mode_ == LockMode::Skip ? Statements::lock : Statements::lock_wait, keys);
}

/// Tells a row that was skipped from one that is not there.
template <class T> void BatchQuery::ask_exists(db::Pipeline& pipeline) {
    const std::vector<RowKey>& keys = plan_.lock(core::kind_of<T>);
    if (keys.empty() || mode_ == LockMode::Wait) return;
    asked<T>().exists = add_keys(pipeline, Sql<table_of<T>>::exists, keys);
}

template <class T> void BatchQuery::ask_reads(db::Pipeline& pipeline) {
    const std::vector<RowKey>& keys = plan_.read(core::kind_of<T>);
    if (!keys.empty()) asked<T>().read = add_keys(pipeline, Sql<table_of<T>>::read, keys);
}

void BatchQuery::ask_children(db::Pipeline& pipeline) {
    const std::vector<RowKey>& keys = plan_.lock(core::ObjectKind::PaymentIntent);
    if (keys.empty()) return;
    charges_ = add_keys(pipeline, LatestCharges::read, keys);
    operations_ = add_keys(pipeline, ActiveOperations::read, keys);
    payment_methods_ = add_keys(pipeline, ChosenPaymentMethods::read, keys);
}

namespace {

/// Keys that exist and were not returned by the locking statement.
Result<void> find_busy(const LockPlan& plan, core::ObjectKind kind, const QueryResult& exists,
                       auto is_locked, std::vector<core::RowRef>& busy) {
    for (db::Row row : exists) {
        RowKey key;
        TRY_VOID(row.read(key.account, key.id));
        if (is_locked(key)) continue;
        for (const core::RowRef& ref : plan.wanted(kind, key)) busy.push_back(ref);
    }
    return {};
}

} // namespace

Result<Batch> BatchQuery::read(const std::vector<QueryResult>& results,
                               Originals& originals) const {
    Batch batch;
    Loader loader{originals};
    const auto load = [&](auto& rows, std::size_t index) -> Result<void> {
        return index == not_asked ? Result<void>{} : loader.load(rows, results[index]);
    };
    const auto load_root = [&]<class T>(core::Rows<T>& rows) -> Result<void> {
        const Asked& question = asked<T>();
        TRY_VOID(load(rows, question.lock));
        if (question.exists != not_asked) {
            const auto is_locked = [&rows](const RowKey& key) { return rows.find(key) != nullptr; };
            TRY_VOID(find_busy(plan_, core::kind_of<T>, results[question.exists], is_locked,
                               batch.busy));
        }
        return load(rows, question.read);
    };
    core::UnitOfWork& work = batch.work;
    TRY_VOID(load_root(work.customers));
    TRY_VOID(load_root(work.payment_methods));
    TRY_VOID(load_root(work.tokens));
    TRY_VOID(load_root(work.payment_intents));
    TRY_VOID(load(work.charges, charges_));
    TRY_VOID(load(work.charges, asked<core::Charge>().read));
    TRY_VOID(load(work.refunds, asked<core::Refund>().read));
    TRY_VOID(load(work.operations, operations_));
    TRY_VOID(load(work.operations, asked<core::Operation>().read));
    TRY_VOID(load(work.payment_methods, payment_methods_));
    if (replays_ != not_asked) {
        for (db::Row row : results[replays_]) {
            TRY(auto record, read_row<core::ReplayRecord>(row));
            const RowKey key{record.account, record.replay_key};
            work.replays.emplace(key, std::move(record));
        }
    }
    if (claims_ != not_asked && mode_ == LockMode::Skip) {
        for (std::size_t i = 0; i < plan_.claims().size(); ++i) {
            TRY(const bool ours, results[claims_][i].get<bool>(0));
            if (ours) continue;
            const LockPlan::Claim& claim = plan_.claims()[i];
            for (const core::RowRef& ref : plan_.wanted(claim.kind, claim.key)) {
                batch.busy.push_back(ref);
            }
        }
        std::ranges::sort(batch.busy);
        const auto rest = std::ranges::unique(batch.busy);
        batch.busy.erase(rest.begin(), rest.end());
    }
    return batch;
}

} // namespace holdfast::store
