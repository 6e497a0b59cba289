#include "store/contract_test.h"
#include "store/seal.h"
#include "store/test_samples.h"

#include "net/gate.h"
#include "net/timer.h"

#include <gmock/gmock.h>

#include <array>
#include <random>
#include <set>

namespace holdfast::store {
namespace {

using core::Access;
using core::Needs;
using core::UnitOfWork;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;
using testing::UnorderedElementsAre;

/// All of an object, to compare it.
template <class T> std::string bytes_of(const T& value) { return core::snapshot(value).bytes; }

TEST_P(StoreContract, KeepsEveryFieldOfEveryObject) {
    const auto customer = samples::customer(account_);
    const auto method = samples::payment_method(account_);
    const auto token = samples::token(account_);
    const auto payment = samples::payment(account_);
    const auto bare = samples::bare_payment(account_);
    const auto charge = samples::charge(payment);
    const auto refund = samples::refund(charge);
    write({need(payment, Access::Claim), need(bare, Access::Claim)}, [&](UnitOfWork& work) {
        work.customers.insert(customer);
        work.payment_methods.insert(method);
        work.tokens.insert(token);
        work.payment_intents.insert(payment);
        work.payment_intents.insert(bare);
        work.charges.insert(charge);
        work.refunds.insert(refund);
    });
    const auto same = [this](const auto& kept) {
        const auto found = get(store().find(account_, kept.id, soon()));
        ASSERT_TRUE(found);
        EXPECT_EQ(bytes_of(*found), bytes_of(kept));
        EXPECT_EQ(found->version, 1);
        const auto stranger = samples::next_id<core::Account>();
        EXPECT_FALSE(get(store().find(stranger, kept.id, soon())));
    };
    same(customer);
    same(method);
    same(token);
    same(payment);
    same(bare);
    same(charge);
    same(refund);
}

TEST_P(StoreContract, WritesStateAndDetailsOfUpdates) {
    auto payment = samples::payment(account_);
    payment.latest_charge = {};
    const auto charge = samples::charge(payment);
    const auto operation = samples::operation(payment);
    write({need(payment, Access::Claim)}, [&](UnitOfWork& work) {
        work.payment_intents.insert(payment);
        work.charges.insert(charge);
        work.operations.insert(operation);
    });
    Needs needs = need(payment, Access::Lock);
    needs.rows.push_back(ref(charge, Access::Read));
    needs.rows.push_back(ref(operation, Access::Read));
    write({needs}, [&](UnitOfWork& work) {
        auto& changed = work.payment_intents.edit(account_, payment.id);
        changed.status = core::PaymentIntentStatus::Succeeded;
        changed.last_error.reset();
        changed.canceled_at.reset();
        changed.latest_charge = charge.id;
        changed.active_operation = operation.id;
        work.charges.edit(account_, charge.id).details.metadata.clear();
        auto& concluded = work.operations.edit(account_, operation.id);
        concluded.state = core::OperationState::Approved;
        concluded.reversing = true;
        concluded.valid_until = samples::at_second(99);
    });
    auto found = get(store().find(account_, payment.id, soon()));
    ASSERT_TRUE(found);
    EXPECT_EQ(found->version, 2);
    EXPECT_EQ(found->status, core::PaymentIntentStatus::Succeeded);
    EXPECT_FALSE(found->last_error);
    EXPECT_FALSE(found->canceled_at);
    EXPECT_EQ(found->details, payment.details);
    EXPECT_THAT(get(store().find(account_, charge.id, soon()))->details.metadata, IsEmpty());

    Batch batch = begin(*lane_, {need(payment, Access::Lock)});
    const core::Operation* concluded = batch.work.operations.find(account_, operation.id);
    ASSERT_TRUE(concluded) << "the active operation comes with its payment";
    EXPECT_EQ(concluded->state, core::OperationState::Approved);
    EXPECT_TRUE(concluded->reversing);
    EXPECT_EQ(concluded->valid_until, samples::at_second(99));
    EXPECT_EQ(concluded->request, operation.request);
    EXPECT_TRUE(batch.work.charges.find(account_, charge.id)) << "so does the latest charge";
    get(lane_->rollback(soon()));

    write({need(payment, Access::Lock)}, [&](UnitOfWork& work) {
        work.payment_intents.edit(account_, payment.id).details.metadata["order"] = "43";
    });
    EXPECT_EQ(get(store().find(account_, payment.id, soon()))->details.metadata["order"], "43");
}

TEST_P(StoreContract, ReportsABusyRowAndDoesNotWait) {
    const auto held = samples::bare_payment(account_);
    const auto free = samples::bare_payment(account_);
    const auto absent = samples::bare_payment(account_);
    insert(held);
    insert(free);
    auto other = get(store().open_lane(soon()));
    begin(*other, {need(held, Access::Lock)});

    const std::vector<Needs> needs{need(held, Access::Lock), need(held, Access::Claim),
                                   need(free, Access::Lock), need(absent, Access::Lock)};
    Batch batch = begin(*lane_, needs);
    EXPECT_THAT(batch.busy, ElementsAre(ref(held, Access::Lock), ref(held, Access::Claim)));
    EXPECT_TRUE(batch.work.payment_intents.find(account_, free.id));
    EXPECT_FALSE(batch.work.payment_intents.find(account_, held.id));
    EXPECT_FALSE(batch.work.payment_intents.find(account_, absent.id));
    get(lane_->rollback(soon()));

    get(other->rollback(soon()));
    EXPECT_THAT(begin(*lane_, needs).busy, IsEmpty());
    get(lane_->rollback(soon()));
}

TEST_P(StoreContract, ShowsABusyRowToThoseWhoOnlyReadIt) {
    const auto payment = samples::bare_payment(account_);
    insert(payment);
    auto other = get(store().open_lane(soon()));
    begin(*other, {need(payment, Access::Lock)});
    Batch batch = begin(*lane_, {need(payment, Access::Read), need(payment, Access::Lock)});
    EXPECT_THAT(batch.busy, ElementsAre(ref(payment, Access::Lock)));
    EXPECT_TRUE(batch.work.payment_intents.find(account_, payment.id));
    get(lane_->rollback(soon()));
    get(other->rollback(soon()));
}

TEST_P(StoreContract, ReadsARowThatIsLocked) {
    const auto payment = samples::bare_payment(account_);
    insert(payment);
    auto other = get(store().open_lane(soon()));
    begin(*other, {need(payment, Access::Lock)});
    Batch batch = begin(*lane_, {need(payment, Access::Read)});
    EXPECT_THAT(batch.busy, IsEmpty());
    EXPECT_TRUE(batch.work.payment_intents.find(account_, payment.id));
    get(lane_->rollback(soon()));
}

TEST_P(StoreContract, AClaimExcludesOtherCreators) {
    const auto payment = samples::bare_payment(account_);
    auto other = get(store().open_lane(soon()));
    Batch first = begin(*other, {need(payment, Access::Claim)});
    EXPECT_THAT(first.busy, IsEmpty());
    EXPECT_THAT(begin(*lane_, {need(payment, Access::Claim)}).busy,
                ElementsAre(ref(payment, Access::Claim)));
    get(lane_->rollback(soon()));

    first.work.payment_intents.insert(payment);
    get(other->commit(std::move(first.work), 1, soon()));
    Batch second = begin(*lane_, {need(payment, Access::Claim)});
    EXPECT_THAT(second.busy, IsEmpty());
    EXPECT_TRUE(second.work.payment_intents.find(account_, payment.id)) << "it exists: loaded";
    get(lane_->rollback(soon()));
}

TEST_P(StoreContract, WaitsForALockWithinItsDeadline) {
    const auto payment = samples::bare_payment(account_);
    insert(payment);
    auto other = get(store().open_lane(soon()));
    begin(*other, {need(payment, Access::Lock)});
    const Error error = error_of(lane_->begin({need(payment, Access::Lock)}, LockMode::Wait,
                                              Deadline::after(std::chrono::milliseconds{150})));
    // lock_timeout, statement_timeout and our own clock end at the same moment: any may be first.
    EXPECT_TRUE(error.kind == ErrorClass::Deadline || error.code == "lock_timeout")
        << to_string(error);
    EXPECT_EQ(error_of(lane_->begin({}, LockMode::Skip, soon())).code, "lane_broken");
    get(lane_->reopen(soon()));

    net::Gate gate(loop(), "release");
    ASSERT_TRUE(gate.spawn([](Lane& held) -> net::Task<void> {
        CO_TRY_VOID(co_await net::sleep_for(std::chrono::milliseconds{30}));
        co_return co_await held.rollback(soon());
    }(*other)));
    Batch batch = begin(*lane_, {need(payment, Access::Lock)}, LockMode::Wait);
    EXPECT_TRUE(batch.work.payment_intents.find(account_, payment.id));
    get(lane_->rollback(soon()));
    get(gate.close(soon()));
}

constexpr int rounds = 100;
constexpr std::size_t lanes = 4;
constexpr std::size_t wanted = 5;
constexpr std::size_t claimed_each = 5;

/// Takes random ones of `all` in random order, again and again: locks what exists, claims the rest.
net::Task<void> take_and_release(Lane& lane, std::vector<core::PaymentIntent> all,
                                 std::set<Id<core::PaymentIntent>> existing, std::uint64_t seed) {
    std::mt19937_64 random(seed);
    for (int i = 0; i < rounds; ++i) {
        std::ranges::shuffle(all, random);
        std::vector<Needs> needs;
        for (std::size_t n = 0; n < wanted; ++n) {
            const bool exists = existing.contains(all[n].id);
            needs.push_back(need(all[n], exists ? Access::Lock : Access::Claim));
        }
        const Deadline deadline = Deadline::after(std::chrono::seconds{5});
        CO_TRY_VOID(co_await lane.begin(std::move(needs), LockMode::Wait, deadline));
        CO_TRY_VOID(co_await net::sleep_for(std::chrono::microseconds{random() % 500}));
        CO_TRY_VOID(co_await lane.rollback(deadline));
    }
    co_return Result<void>{};
}

net::Task<void> keep_result(net::Task<void> task, Result<void>& result) {
    result = co_await std::move(task);
    co_return Result<void>{};
}

/// Slow lanes that want the same rows in every order. Unsorted locks end in a deadlock here: of two
/// that wait for a third, each comes to hold what the other wants next.
TEST_P(StoreContract, WaitersNeverDeadlock) {
    std::vector<core::PaymentIntent> payments;
    std::set<Id<core::PaymentIntent>> existing;
    for (std::size_t i = 0; i < 2 * wanted; ++i) {
        payments.push_back(samples::bare_payment(account_));
        if (i % claimed_each == 0) continue; // few: claims come first, and keep lanes apart
        insert(payments.back());
        existing.insert(payments.back().id);
    }
    const std::uint64_t seed = Env::current().random_u64();
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    std::array<std::unique_ptr<Lane>, lanes> waiting;
    std::array<Result<void>, lanes> ends;
    net::Gate gate(loop(), "lanes");
    for (std::size_t i = 0; i < lanes; ++i) {
        waiting[i] = get(store().open_lane(soon()));
        auto taking = take_and_release(*waiting[i], payments, existing, seed + i);
        ASSERT_TRUE(gate.spawn(keep_result(std::move(taking), ends[i])));
    }
    get(gate.close(soon()));
    for (const Result<void>& end : ends) EXPECT_TRUE(end) << to_string(end.error());
}

TEST_P(StoreContract, RefusesADuplicateAndGoesOnAfterReopen) {
    const auto payment = samples::bare_payment(account_);
    insert(payment);
    Batch batch = begin(*lane_, {});
    batch.work.payment_intents.insert(payment);
    const Error error = error_of(lane_->commit(std::move(batch.work), 1, soon()));
    EXPECT_EQ(error.kind, ErrorClass::Invalid);
    EXPECT_EQ(error.code, "payment_intents_pkey");
    EXPECT_EQ(error.sqlstate, "23505");
    EXPECT_EQ(error_of(lane_->begin({}, LockMode::Skip, soon())).code, "lane_broken");
    get(lane_->reopen(soon()));
    insert(samples::bare_payment(account_));
}

TEST_P(StoreContract, RefusesUnbalancedEntries) {
    Batch batch = begin(*lane_, {});
    batch.work.transactions.push_back(samples::capture(account_, 1000, 59));
    batch.work.transactions.back().entries.back().amount_minor += 1;
    const Error error = error_of(lane_->commit(std::move(batch.work), 1, soon()));
    EXPECT_EQ(error.code, "entries_balanced");
    EXPECT_EQ(error.kind, ErrorClass::Invalid);
    get(lane_->reopen(soon()));
    EXPECT_THAT(get(store().balance(account_, soon())).amounts, IsEmpty());
}

std::map<core::LedgerAccountKind, std::int64_t> by_kind(const Balance& balance) {
    std::map<core::LedgerAccountKind, std::int64_t> sums;
    for (const auto& amount : balance.amounts) sums[amount.kind] += amount.amount_minor;
    return sums;
}

TEST_P(StoreContract, ABalanceIsItsBaseAndItsDeltas) {
    using enum core::LedgerAccountKind;
    const auto post = [this](std::int64_t gross, std::int64_t fee) {
        write({}, [&](UnitOfWork& work) {
            work.transactions.push_back(samples::capture(account_, gross, fee));
            work.transactions.push_back(samples::capture(account_, gross, fee));
        });
    };
    post(1000, 59);
    const std::map<core::LedgerAccountKind, std::int64_t> once{{Pending, 1882}},
        twice{{Pending, 2082}};
    EXPECT_EQ(by_kind(get(store().balance(account_, soon()))), once);
    EXPECT_EQ(get(store().fold_balances(100, soon())), 3) << "one delta per ledger account";
    EXPECT_EQ(by_kind(get(store().balance(account_, soon()))), once);
    post(100, 0);
    EXPECT_EQ(by_kind(get(store().balance(account_, soon()))), twice);
    EXPECT_EQ(get(store().fold_balances(1, soon())), 1);
    EXPECT_EQ(get(store().fold_balances(100, soon())), 1);
    EXPECT_EQ(get(store().fold_balances(100, soon())), 0);
    EXPECT_EQ(by_kind(get(store().balance(account_, soon()))), twice);
    EXPECT_THAT(get(store().balance(samples::next_id<core::Account>(), soon())).amounts, IsEmpty());
}

template <class T> std::vector<Uuid> ids(const Page<T>& page) {
    std::vector<Uuid> found;
    for (const T& row : page.data) found.push_back(row.id.uuid());
    return found;
}

TEST_P(StoreContract, ListsNewestFirstInPages) {
    std::vector<Uuid> newest_first;
    std::vector<core::PaymentIntent> payments;
    for (int i = 0; i < 7; ++i) {
        payments.push_back(samples::bare_payment(account_));
        payments.back().created = samples::at_second(i / 2); // some at the same instant
        insert(payments.back());
        newest_first.insert(newest_first.begin(), payments.back().id.uuid());
    }
    insert(samples::bare_payment(samples::next_id<core::Account>()));
    const auto list = [this](ListQuery query) {
        return get(store().list_payment_intents(account_, std::move(query), soon()));
    };
    const auto part = [&](std::size_t from, std::size_t to) {
        return std::vector(newest_first.begin() + static_cast<std::ptrdiff_t>(from),
                           newest_first.begin() + static_cast<std::ptrdiff_t>(to));
    };
    Page<core::PaymentIntent> page = list({.limit = 3});
    EXPECT_EQ(ids(page), part(0, 3));
    EXPECT_TRUE(page.has_more);
    page = list({.limit = 3, .cursor = newest_first[2]});
    EXPECT_EQ(ids(page), part(3, 6));
    EXPECT_TRUE(page.has_more);
    page = list({.limit = 3, .cursor = newest_first[5]});
    EXPECT_EQ(ids(page), part(6, 7));
    EXPECT_FALSE(page.has_more);
    page = list({.limit = 2, .cursor = newest_first[5], .direction = PageDirection::EndingBefore});
    EXPECT_EQ(ids(page), part(3, 5));
    EXPECT_TRUE(page.has_more);
    page = list({.limit = 9, .cursor = newest_first[2], .direction = PageDirection::EndingBefore});
    EXPECT_EQ(ids(page), part(0, 2));
    EXPECT_FALSE(page.has_more);

    const std::int64_t first = unix_seconds(samples::at_second(0));
    EXPECT_EQ(ids(list({.created_gt = first})), part(0, 5));
    EXPECT_EQ(ids(list({.created_gte = first + 1, .created_lt = first + 3})), part(1, 5));
    EXPECT_EQ(ids(list({.created_lte = first})), part(5, 7));

    const Error error =
        error_of(store().list_payment_intents(account_, {.cursor = samples::next_uuid()}, soon()));
    EXPECT_EQ(error.code, "resource_missing");
    EXPECT_EQ(error.param, "starting_after");
}

TEST_P(StoreContract, FiltersLists) {
    auto mine = samples::payment(account_), other = samples::bare_payment(account_);
    const auto charge = samples::charge(mine);
    const auto refund = samples::refund(charge);
    const auto customer = samples::customer(account_);
    auto deleted = samples::customer(account_);
    deleted.deleted = true;
    const auto method = samples::payment_method(account_);
    auto posted = samples::capture(account_, 1000, 59);
    auto source = charge;
    posted.balance_transaction.id = charge.balance_transaction;
    posted.balance_transaction.source = charge.id.uuid();
    write({need(mine, Access::Claim), need(other, Access::Claim)}, [&](UnitOfWork& work) {
        work.payment_intents.insert(mine);
        work.payment_intents.insert(other);
        work.charges.insert(charge);
        work.refunds.insert(refund);
        work.customers.insert(customer);
        work.customers.insert(deleted);
        work.payment_methods.insert(method);
        work.transactions.push_back(posted);
        work.transactions.push_back(samples::capture(account_, 100, 0));
        work.events.push_back(samples::event(mine, "payment_intent.created"));
        work.events.push_back(samples::event(mine, "payment_intent.succeeded"));
        work.events.push_back(samples::event(mine, "paymentXintent.created"));
    });
    const auto nobody = samples::next_id<core::Customer>();
    const auto expect_sizes = [this](auto method_of, ListQuery some, ListQuery none) {
        EXPECT_THAT(get((store().*method_of)(account_, std::move(some), soon())).data, SizeIs(1));
        EXPECT_THAT(get((store().*method_of)(account_, std::move(none), soon())).data, IsEmpty());
    };
    expect_sizes(&Store::list_payment_intents, {.customer = mine.customer}, {.customer = nobody});
    expect_sizes(&Store::list_charges, {.customer = mine.customer}, {.customer = nobody});
    expect_sizes(&Store::list_charges, {.payment_intent = mine.id}, {.payment_intent = other.id});
    expect_sizes(&Store::list_charges, {.customer = mine.customer, .payment_intent = mine.id},
                 {.customer = nobody, .payment_intent = mine.id});
    expect_sizes(&Store::list_refunds, {.charge = charge.id},
                 {.charge = samples::next_id<core::Charge>()});
    expect_sizes(&Store::list_refunds, {.payment_intent = mine.id}, {.payment_intent = other.id});
    expect_sizes(&Store::list_customers, {.email = customer.email}, {.email = "x@example.com"});
    expect_sizes(&Store::list_customers, {}, {.created_lt = 1});
    expect_sizes(&Store::list_payment_methods, {.customer = method.customer}, {.customer = nobody});
    expect_sizes(&Store::list_balance_transactions, {.source = charge.id.uuid()},
                 {.source = samples::next_uuid()});
    expect_sizes(&Store::list_events, {.types = {"payment_intent.succeeded"}},
                 {.types = {"payment_intent"}});
    EXPECT_THAT(get(store().list_events(account_, {.types = {"payment_intent.*"}}, soon())).data,
                SizeIs(2));
    EXPECT_THAT(
        get(store().list_balance_transactions(
                account_, {.posting = core::PostingKind::Capture, .currency = samples::usd()},
                soon()))
            .data,
        SizeIs(2));
    expect_sizes(&Store::list_refunds, {}, {.created_lt = 1});
}

TEST_P(StoreContract, KeepsEventsAndBalanceTransactions) {
    const auto payment = samples::payment(account_);
    const auto event = samples::event(payment, "payment_intent.created");
    const auto posted = samples::capture(account_, 1000, 59).balance_transaction;
    write({}, [&](UnitOfWork& work) {
        work.events.push_back(event);
        work.transactions.push_back(
            {posted, *core::post(posted.kind, account_, posted.amount, 59)});
    });
    const auto found = get(store().find(account_, event.id, soon()));
    ASSERT_TRUE(found);
    EXPECT_EQ(found->object, event.object);
    EXPECT_EQ(found->type, event.type);
    EXPECT_EQ(found->created, event.created);
    EXPECT_EQ(found->object_id, event.object_id);
    EXPECT_EQ(found->request_id, event.request_id);
    EXPECT_EQ(found->idempotency_key, event.idempotency_key);
    EXPECT_GT(found->sequence, 0);
    const auto row = get(store().find(account_, posted.id, soon()));
    ASSERT_TRUE(row);
    EXPECT_EQ(row->amount, posted.amount);
    EXPECT_EQ(row->net_minor(), 941);
    EXPECT_EQ(row->source, posted.source);
    EXPECT_EQ(row->available_on, posted.available_on);
    EXPECT_EQ(row->description, posted.description);
}

TEST_P(StoreContract, FindsOperationsThatNobodyConcluded) {
    auto payment = samples::bare_payment(account_);
    auto early = samples::operation(payment), late = samples::operation(payment),
         done = samples::operation(payment);
    early.valid_until = samples::at_second(10);
    late.valid_until = samples::at_second(20);
    done.valid_until = samples::at_second(5);
    write({need(payment, Access::Claim)}, [&](UnitOfWork& work) {
        work.payment_intents.insert(payment);
        work.operations.insert(early);
        work.operations.insert(late);
        work.operations.insert(done);
    });
    const auto stale = [this](int second, int limit) {
        std::vector<Uuid> found;
        for (const auto& operation :
             get(store().stale_operations(samples::at_second(second), limit, soon()))) {
            found.push_back(operation.id.uuid());
        }
        return found;
    };
    EXPECT_THAT(stale(100, 10), ElementsAre(done.id.uuid(), early.id.uuid(), late.id.uuid()));
    Needs needs = need(payment, Access::Lock);
    needs.rows.push_back(ref(done, Access::Read));
    write({needs}, [&](UnitOfWork& work) {
        work.operations.edit(account_, done.id).state = core::OperationState::Approved;
    });
    EXPECT_THAT(stale(100, 10), ElementsAre(early.id.uuid(), late.id.uuid()));
    EXPECT_THAT(stale(100, 1), ElementsAre(early.id.uuid()));
    EXPECT_THAT(stale(15, 10), ElementsAre(early.id.uuid()));
    EXPECT_THAT(stale(10, 10), IsEmpty());
}

TEST_P(StoreContract, ReplaysUntilTheyExpire) {
    const auto payment = samples::payment(account_);
    auto record = samples::replay(payment), older = samples::replay(payment);
    record.answer.declined = core::PaymentError{{"card_declined", "", "No."}, {}, {}};
    older.created = samples::at_second(1);
    write({}, [&](UnitOfWork& work) { work.new_replays = {record, older}; });
    const auto load = [&](const core::ReplayRecord& wanted) {
        const core::RowKey key{account_, wanted.replay_key};
        Batch batch = begin(*lane_, {Needs{.rows = {}, .replay = key}});
        get(lane_->rollback(soon()));
        auto found = batch.work.replays.find(key);
        return found == batch.work.replays.end() ? std::nullopt : std::optional(found->second);
    };
    const auto found = load(record);
    ASSERT_TRUE(found);
    EXPECT_EQ(found->answer, record.answer);
    EXPECT_EQ(found->fingerprint, record.fingerprint);
    EXPECT_EQ(found->request_id, record.request_id);
    EXPECT_TRUE(load(older));
    EXPECT_EQ(get(store().expire_replays(samples::at_second(5), 10, soon())), 1);
    EXPECT_TRUE(load(record));
    EXPECT_FALSE(load(older));
}

TEST_P(StoreContract, KeepsFloorLimits) {
    core::Account account{.id = account_, .public_id = samples::next_id<core::Account>()};
    account.created = samples::at_second(1);
    get(store().create_account(account, soon()));
    EXPECT_TRUE(get(store().find_account(account_, soon()))->floor_limits.empty());
    const core::FloorLimit usd{{}, 1000, 2000, 3000}, more{{}, 2000, 4000, 8000};
    const core::FloorLimit jpy{*core::Currency::parse("jpy"), 10, 20, 30};
    get(store().set_floor_limit(account_, usd, soon()));
    get(store().set_floor_limit(account_, jpy, soon()));
    get(store().set_floor_limit(account_, more, soon()));
    EXPECT_THAT(get(store().find_account(account_, soon()))->floor_limits,
                UnorderedElementsAre(more, jpy));
    EXPECT_TRUE(get(store().remove_floor_limit(account_, jpy.currency, soon())));
    EXPECT_FALSE(get(store().remove_floor_limit(account_, jpy.currency, soon())));
    EXPECT_THAT(get(store().list_accounts(soon())).at(0).floor_limits, ElementsAre(more));
    const auto nobody = samples::next_id<core::Account>();
    EXPECT_EQ(error_of(store().set_floor_limit(nobody, usd, soon())).code,
              "floor_limits_account_id_fkey");
}

TEST_P(StoreContract, SharesOfFloorLimitsNeverSumToMoreThanAll) {
    const auto renew = [this](std::string holder, std::int32_t wanted, Duration lease) {
        return get(store().renew_floor_share(std::move(holder), wanted, lease, soon()));
    };
    constexpr auto whole = FloorShare::whole_ppm;
    constexpr Duration hour = std::chrono::hours{1};
    EXPECT_EQ(renew("a", whole, hour).ppm, whole);
    const FloorShare late = renew("b", whole, hour);
    EXPECT_EQ(late.ppm, 0) << "nothing is left";
    EXPECT_EQ(late.holders, 2);
    EXPECT_EQ(renew("a", whole / 2, hour).ppm, whole / 2);
    EXPECT_EQ(renew("b", whole, hour).ppm, whole / 2);
    EXPECT_EQ(renew("a", whole, hour).ppm, whole / 2);
    EXPECT_EQ(renew("a", 0, Duration{0}).ppm, 0);
    const FloorShare alone = renew("b", whole, hour);
    EXPECT_EQ(alone.ppm, whole) << "what has run out is free";
    EXPECT_EQ(alone.holders, 1);
}

TEST_P(StoreContract, KeepsAccountsAndKeys) {
    core::Account account{.id = account_, .public_id = samples::next_id<core::Account>()};
    account.livemode = true;
    account.name = "Shop";
    account.created = samples::at_second(1);
    account.fees = {150, 25};
    get(store().create_account(account, soon()));
    EXPECT_EQ(error_of(store().create_account(account, soon())).code, "accounts_pkey");
    const auto found = get(store().find_account(account_, soon()));
    ASSERT_TRUE(found);
    EXPECT_EQ(found->name, account.name);
    EXPECT_EQ(found->fees, account.fees);
    EXPECT_TRUE(found->livemode);
    EXPECT_EQ(found->public_id, account.public_id);
    EXPECT_THAT(get(store().list_accounts(soon())), SizeIs(1));
    EXPECT_FALSE(get(store().find_account(samples::next_id<core::Account>(), soon())));

    const ApiKey key{.hash = std::string(32, '\xa0'),
                     .account = account_,
                     .publishable = true,
                     .hint = "pk_...x",
                     .created = samples::at_second(2),
                     .expires = {}};
    get(store().insert_key(key, soon()));
    EXPECT_EQ(error_of(store().insert_key(key, soon())).code, "api_keys_pkey");
    EXPECT_TRUE(get(store().expire_key(key.hash, samples::at_second(3), soon())));
    EXPECT_FALSE(get(store().expire_key(std::string(32, 'x'), samples::at_second(3), soon())));
    const auto kept = get(store().find_key(key.hash, soon()));
    ASSERT_TRUE(kept);
    EXPECT_EQ(kept->account, account_);
    EXPECT_TRUE(kept->publishable);
    EXPECT_EQ(kept->hint, key.hint);
    EXPECT_EQ(kept->expires, samples::at_second(3));
    EXPECT_THAT(get(store().list_keys(account_, soon())), SizeIs(1));
    EXPECT_THAT(get(store().working_keys(10, soon())), IsEmpty()) << "it has expired";
    for (const char hash : {'1', '2'})
        get(store().insert_key({.hash = std::string(32, hash),
                                .account = account_,
                                .publishable = false,
                                .hint = "sk",
                                .created = samples::at_second(hash),
                                .expires = {}},
                               soon()));
    EXPECT_THAT(get(store().working_keys(10, soon())), SizeIs(2));
    EXPECT_EQ(get(store().working_keys(1, soon())).at(0).hash, std::string(32, '2'))
        << "the newest";
    get(store().ping(soon()));
}

} // namespace
} // namespace holdfast::store
