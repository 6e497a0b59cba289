#include "core/detail/test_world.h"

#include "core/names.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace holdfast::core {
namespace {

template <class T> void copy_row(const Rows<T>& from, Rows<T>& to, const RowKey& key) {
    if (const T* row = from.find(key)) to.load(*row);
}

template <class T>
void copy_changes(const Rows<T>& from, Rows<T>& to, std::vector<Id<T>>* inserted = nullptr) {
    for (const RowKey& key : from.inserted()) {
        EXPECT_EQ(to.find(key), nullptr) << "inserted twice";
        copy_row(from, to, key);
        if (inserted) inserted->push_back(Id<T>(key.id));
    }
    for (const RowKey& key : from.updated()) {
        ASSERT_NE(to.find(key), nullptr);
        EXPECT_GT(from.find(key)->version, to.find(key)->version);
        copy_row(from, to, key);
    }
}

bool has_event(const UnitOfWork& work, const Uuid& object) {
    return std::ranges::any_of(work.events,
                               [&](const Event& event) { return event.object_id == object; });
}

} // namespace

TestWorld::TestWorld() {
    account.id = Id<Account>(next_id());
    owner = next_id();
}

Uuid TestWorld::next_id() {
    Uuid id;
    const std::uint64_t n = ++ids_;
    for (std::size_t i = 0; i < 8; ++i) id.bytes[15 - i] = static_cast<std::uint8_t>(n >> (8 * i));
    return id;
}

UnitOfWork TestWorld::load(const Needs& needs) const {
    UnitOfWork work;
    for (const RowRef& ref : needs.rows) {
        copy_row(rows_.customers, work.customers, ref.key);
        copy_row(rows_.payment_methods, work.payment_methods, ref.key);
        copy_row(rows_.tokens, work.tokens, ref.key);
        copy_row(rows_.charges, work.charges, ref.key);
        copy_row(rows_.refunds, work.refunds, ref.key);
        copy_row(rows_.operations, work.operations, ref.key);
        const PaymentIntent* payment = rows_.payment_intents.find(ref.key);
        if (!payment) continue;
        EXPECT_NE(ref.access, Access::Read) << "payments are lock roots";
        work.payment_intents.load(*payment);
        copy_row(rows_.charges, work.charges, {account.id, payment->latest_charge.uuid()});
        copy_row(rows_.operations, work.operations, {account.id, payment->active_operation.uuid()});
        copy_row(rows_.payment_methods, work.payment_methods,
                 {account.id, payment->payment_method.uuid()});
    }
    if (needs.replay)
        if (auto it = rows_.replays.find(*needs.replay); it != rows_.replays.end())
            work.replays.insert(*it);
    return work;
}

void TestWorld::store(const UnitOfWork& work) {
    copy_changes(work.customers, rows_.customers);
    copy_changes(work.payment_methods, rows_.payment_methods);
    copy_changes(work.tokens, rows_.tokens);
    copy_changes(work.payment_intents, rows_.payment_intents, &payments_);
    copy_changes(work.charges, rows_.charges, &charges_);
    copy_changes(work.refunds, rows_.refunds, &refunds_);
    copy_changes(work.operations, rows_.operations);
    for (const ReplayRecord& record : work.new_replays) {
        const RowKey key{account.id, record.replay_key};
        EXPECT_TRUE(rows_.replays.emplace(key, record).second) << "answered twice";
    }
    for (const Event& event : work.events) {
        EXPECT_TRUE(event_ids_.insert(event.id.uuid()).second) << event.type;
        events_.push_back(event.type);
    }
    for (const LedgerTransaction& transaction : work.transactions)
        transactions_.push_back(transaction);
}

Uuid TestWorld::replay_key(const CommandBody& body, std::string_view key) const {
    std::string endpoint(name_of(Command{.body = body}));
    std::visit(
        [&](const auto& command) {
            using Body = std::remove_cvref_t<decltype(command)>;
            if constexpr (std::same_as<Body, CreateRefund>)
                return; // named by a parameter
            else if constexpr (requires { command.id; })
                endpoint += command.id.str();
        },
        body);
    return identity.replay_key(account.id, endpoint, key);
}

Command TestWorld::command(CommandBody body, std::string key, std::uint64_t parameters,
                           std::optional<StandIn> stand_in) {
    Command command{.account = account.id,
                    .received = now,
                    .body = std::move(body),
                    .stand_in = std::move(stand_in)};
    command.request.request_id = next_id();
    command.request.fingerprint = parameters;
    command.request.idempotency_key = key;
    if (!key.empty()) command.request.replay_key = replay_key(command.body, key);
    return command;
}

Result<Verdict> TestWorld::submit(CommandBody body, std::string key, std::uint64_t parameters,
                                  std::optional<StandIn> stand_in) {
    return submit(command(std::move(body), std::move(key), parameters, std::move(stand_in)));
}

Result<Verdict> TestWorld::submit(const Command& command) {
    const DecideContext context{.now = now,
                                .account = account,
                                .identity = identity,
                                .owner = owner,
                                .operation_valid_until = now + std::chrono::seconds{15}};
    UnitOfWork work = load(needs(command, identity));
    const UnitOfWork before = work;
    Result<Verdict> verdict = decide(command, work, context);
    if (!verdict || verdict->replayed) {
        EXPECT_EQ(work, before) << name_of(command) << " changed something";
        return verdict;
    }
    check_events(work);
    store(work);
    check_books();
    return verdict;
}

std::string TestWorld::refuse(CommandBody body, std::string key, std::uint64_t parameters) {
    const auto verdict = submit(std::move(body), std::move(key), parameters);
    return verdict ? "" : verdict.error().code;
}

Verdict TestWorld::run(CommandBody body, OperationOutcome outcome, std::string key) {
    auto verdict = submit(std::move(body), std::move(key));
    if (!verdict) {
        ADD_FAILURE() << to_string(verdict.error());
        return {};
    }
    return verdict->started ? record(*verdict->started, std::move(outcome)) : *verdict;
}

Verdict TestWorld::record(const Operation& operation, OperationOutcome outcome) {
    auto verdict = submit(record_outcome(operation, std::move(outcome)));
    if (verdict) return *verdict;
    ADD_FAILURE() << to_string(verdict.error());
    return {};
}

PaymentMethodChoice TestWorld::new_card() {
    PaymentMethod method;
    method.id = Id<PaymentMethod>(next_id());
    method.vault_token = "vault_" + method.id.str();
    method.card.last4 = "4242";
    return {.create = method};
}

Id<PaymentMethod> TestWorld::card() {
    const PaymentMethod method = *new_card().create;
    run(CreatePaymentMethod{method});
    return method.id;
}

Id<Customer> TestWorld::customer() {
    CreateCustomer creation;
    creation.customer.id = Id<Customer>(next_id());
    run(creation);
    return creation.customer.id;
}

CreatePaymentIntent TestWorld::creation(std::int64_t minor, bool confirm, CaptureMethod method) {
    CreatePaymentIntent creation;
    creation.payment_intent.id = Id<PaymentIntent>(next_id());
    creation.payment_intent.amount.minor = minor;
    creation.payment_intent.capture_method = method;
    if (confirm) creation.payment_method = new_card();
    creation.confirm = confirm;
    return creation;
}

PaymentIntent TestWorld::pay(std::int64_t minor, CaptureMethod method) {
    return payment_in(run(creation(minor, true, method)));
}

OperationOutcome TestWorld::declined(std::string decline_code) {
    return {OperationState::Declined,
            {"card_declined", std::move(decline_code), "Your card was declined."},
            {}};
}

std::vector<std::string> TestWorld::events() { return std::exchange(events_, {}); }

std::int64_t TestWorld::balance(LedgerAccountKind kind) const {
    std::int64_t sum = 0;
    for (const LedgerTransaction& transaction : transactions_)
        for (const Entry& entry : transaction.entries)
            if (entry.account.kind == kind) sum += entry.amount_minor;
    return sum;
}

/// Whoever listens to events alone must be able to follow. Two changes are silent, as at Stripe:
/// a payment that is edited or starts processing, and money that a pending refund sets aside.
void TestWorld::check_events(const UnitOfWork& work) const {
    for (const RowKey& key : work.payment_intents.inserted()) EXPECT_TRUE(has_event(work, key.id));
    for (const RowKey& key : work.payment_intents.updated()) {
        const PaymentIntentStatus status = work.payment_intents.find(key)->status;
        const bool open = status == PaymentIntentStatus::RequiresConfirmation ||
                          status == PaymentIntentStatus::RequiresPaymentMethod;
        const bool edited = open && !work.operations.dirty();
        const bool moved = status != rows_.payment_intents.find(key)->status;
        if (moved && !edited && status != PaymentIntentStatus::Processing)
            EXPECT_TRUE(has_event(work, key.id)) << to_string(status);
    }
    for (const RowKey& key : work.charges.inserted()) EXPECT_TRUE(has_event(work, key.id));
    for (const RowKey& key : work.charges.updated())
        EXPECT_TRUE(has_event(work, key.id) || work.refunds.dirty());
    for (const auto* keys :
         {&work.refunds.inserted(), &work.refunds.updated(), &work.customers.inserted(),
          &work.customers.updated(), &work.payment_methods.updated()})
        for (const RowKey& key : *keys) EXPECT_TRUE(has_event(work, key.id));
    for (const Event& event : work.events) {
        EXPECT_EQ(event.account, account.id);
        EXPECT_EQ(event.created, now);
        EXPECT_FALSE(event.request_id.is_nil()) << event.type;
    }
}

void TestWorld::check_charge(const Charge& charge) const {
    const PaymentIntent& payment = get(charge.payment_intent);
    std::int64_t returned = 0;
    for (Id<Refund> id : refunds_)
        if (const Refund& refund = get(id);
            refund.charge == charge.id && refund.status != RefundStatus::Failed)
            returned += refund.amount.minor;
    EXPECT_LE(returned, charge.amount_captured_minor) << "gave back more than it took";
    const bool released = charge.captured || payment.status == PaymentIntentStatus::Canceled;
    const bool held = charge.status == ChargeStatus::Succeeded;
    const std::int64_t let_go =
        held && released ? charge.amount.minor - charge.amount_captured_minor : 0;
    EXPECT_EQ(charge.amount_refunded_minor, returned + let_go);
    EXPECT_LE(charge.amount_refunded_minor, charge.amount.minor);
    EXPECT_EQ(charge.captured, charge.amount_captured_minor > 0);
    EXPECT_EQ(charge.captured, !charge.balance_transaction.is_nil());
    EXPECT_EQ(charge.failure.has_value(), charge.status == ChargeStatus::Failed);
}

void TestWorld::check_books() const {
    std::int64_t taken = 0;
    for (Id<PaymentIntent> id : payments_) {
        const PaymentIntent& payment = get(id);
        EXPECT_LE(payment.amount_received_minor, payment.amount.minor);
        EXPECT_LE(payment.amount_capturable_minor, payment.amount.minor);
        EXPECT_EQ(payment.amount_capturable_minor > 0,
                  payment.status == PaymentIntentStatus::RequiresCapture);
        EXPECT_EQ(payment.amount_received_minor > 0,
                  payment.status == PaymentIntentStatus::Succeeded);
        if (payment.status == PaymentIntentStatus::Processing)
            EXPECT_FALSE(payment.active_operation.is_nil());
        if (payment.active_operation)
            EXPECT_EQ(get(payment.active_operation).state, OperationState::Started);
        taken += payment.amount_received_minor;
    }
    for (Id<Charge> id : charges_) check_charge(get(id));
    for (Id<Refund> id : refunds_)
        if (const Refund& refund = get(id); refund.status == RefundStatus::Succeeded) {
            EXPECT_FALSE(refund.balance_transaction.is_nil()) << "a refund that posts nothing";
            taken -= refund.amount.minor;
        }
    for (const LedgerTransaction& transaction : transactions_) {
        EXPECT_TRUE(balanced(transaction.entries));
        EXPECT_FALSE(transaction.entries.empty());
    }
    EXPECT_EQ(balance(LedgerAccountKind::AcquirerReceivable), -taken)
        << "what the acquirer owes is not what was taken";
}

PaymentIntent payment_in(const Verdict& verdict) {
    const auto payment = restore<PaymentIntent>(verdict.answer.value_or(Answer{}).object);
    if (!payment) ADD_FAILURE() << to_string(payment.error());
    return payment.value_or(PaymentIntent{});
}

TEST(TestWorld, ShowsOnlyWhatWasAskedFor) {
    TestWorld world;
    const PaymentIntent payment = world.pay(1000);
    EXPECT_EQ(payment.status, PaymentIntentStatus::Succeeded);
    EXPECT_EQ(world.transactions().size(), 1u);
    EXPECT_EQ(world.payments().size(), 1u);
    EXPECT_EQ(world.charges().size(), 1u);
}

} // namespace holdfast::core
