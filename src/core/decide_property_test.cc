// Random commands on random rows: whatever is asked, in whatever order, TestWorld's checks hold
// after each command (a refusal changes nothing, books balance, no charge gives back more than it
// took, every change has its event). A failing run prints the seed that replays it.

#include "core/detail/arbitrary.h"
#include "core/detail/test_world.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace holdfast::core {
namespace {

class Storm {
  public:
    explicit Storm(std::uint64_t seed) : dice_(seed) {
        world_.account.fees = {.basis_points = static_cast<std::int32_t>(dice_.below(1000)),
                               .fixed_minor = static_cast<std::int64_t>(dice_.below(100))};
        for (int i = 0; i < 2; ++i) customers_.push_back(world_.customer());
        for (int i = 0; i < 3; ++i) cards_.push_back(world_.card());
    }

    void step() {
        world_.advance(std::chrono::milliseconds{dice_.below(5000)});
        if (!open_.empty() && dice_.below(3) == 0) return settle();
        const std::uint64_t roll = dice_.below(14);
        if (roll < 3)
            send(creation());
        else if (roll < 5)
            send(confirmation());
        else if (roll < 6)
            send(CapturePaymentIntent{.id = payment(), .amount_to_capture_minor = amount()});
        else if (roll < 7)
            send(CancelPaymentIntent{.id = payment()});
        else if (roll < 10)
            send(refund());
        else if (roll < 11)
            send(change());
        else if (roll < 12)
            send(AttachPaymentMethod{card(), customer()});
        else if (roll < 13)
            send(claim());
        else
            send(DetachPaymentMethod{card(), customer()});
    }

  private:
    template <class T> const T& any(const std::vector<T>& values) {
        return values[dice_.below(values.size())];
    }
    Id<PaymentIntent> payment() {
        if (world_.payments().empty()) return Id<PaymentIntent>(world_.next_id());
        return any(world_.payments());
    }
    Id<Customer> customer() { return dice_.coin() ? any(customers_) : Id<Customer>(); }
    Id<PaymentMethod> card() { return any(cards_); }
    std::optional<std::int64_t> amount() {
        if (dice_.coin()) return std::nullopt;
        return static_cast<std::int64_t>(dice_.below(1200)) - 20;
    }
    std::optional<PaymentMethodChoice> choice() {
        if (dice_.below(3) == 0) return std::nullopt;
        return dice_.coin() ? world_.new_card() : PaymentMethodChoice{.id = card()};
    }

    CommandBody creation() {
        auto command = world_.creation(amount().value_or(1000), false,
                                       static_cast<CaptureMethod>(dice_.below(3)));
        command.payment_intent.customer = customer();
        command.payment_intent.setup_future_usage = static_cast<SetupFutureUsage>(dice_.below(3));
        command.payment_method = choice();
        command.confirm = dice_.coin();
        return command;
    }
    CommandBody confirmation() {
        return ConfirmPaymentIntent{.id = payment(), .payment_method = choice()};
    }
    CommandBody refund() {
        return CreateRefund{.id = Id<Refund>(world_.next_id()),
                            .payment_intent = payment(),
                            .amount_minor = amount()};
    }
    CommandBody change() {
        UpdatePaymentIntent command{.id = payment()};
        if (dice_.coin()) command.amount_minor = {true, amount().value_or(700)};
        if (dice_.coin()) command.customer = {true, customer()};
        if (dice_.coin()) command.payment_method = choice();
        return command;
    }
    CommandBody claim() {
        if (open_.empty()) return DeleteCustomer{Id<Customer>(world_.next_id())};
        const Operation& operation = any(open_);
        return ClaimOperation{.payment_intent = operation.payment_intent,
                              .operation = operation.id,
                              .expected_owner = world_.owner,
                              .new_owner = dice_.coin() ? world_.owner : world_.next_id(),
                              .to_reverse = dice_.coin()};
    }

    /// As the edge does: what a keyed request creates has an id that follows from the key.
    void name_after(CommandBody& body, std::string_view key) {
        const Uuid request = world_.replay_key(body, key);
        if (auto* creation = std::get_if<CreatePaymentIntent>(&body))
            creation->payment_intent.id =
                world_.identity.created_by<PaymentIntent>(world_.account.id, request);
        if (auto* refund = std::get_if<CreateRefund>(&body))
            refund->id = world_.identity.created_by<Refund>(world_.account.id, request);
    }

    void send(CommandBody body) {
        // Keys repeat on purpose: replays, mismatches and keys in use are part of the storm.
        const std::string key = dice_.coin() ? "" : "key" + std::to_string(dice_.below(20));
        if (!key.empty()) name_after(body, key);
        auto verdict = world_.submit(std::move(body), key, 1 + dice_.below(10) / 9);
        if (verdict && verdict->started) open_.push_back(*verdict->started);
    }
    void settle() {
        const Operation operation = any(open_);
        const OperationOutcome outcomes[] = {TestWorld::approved(), TestWorld::approved(),
                                             TestWorld::declined(), TestWorld::reversed()};
        (void)world_.submit(record_outcome(operation, outcomes[dice_.below(4)]));
        if (world_.get(operation.id).state != OperationState::Started && dice_.coin())
            std::erase_if(open_, [&](const Operation& o) { return o.id == operation.id; });
    }

    Arbitrary dice_;
    TestWorld world_;
    std::vector<Id<Customer>> customers_;
    std::vector<Id<PaymentMethod>> cards_;
    std::vector<Operation> open_;
};

TEST(Storm, HoldsEveryInvariant) {
    EXPECT_TRUE(rc::check([](std::uint64_t seed) {
        SCOPED_TRACE("seed " + std::to_string(seed));
        Storm storm(seed);
        for (int i = 0; i < 60; ++i) storm.step();
        RC_ASSERT(!testing::Test::HasFailure());
    }));
}

/// Commands whose every field is random, ids of other kinds included, on rows that are random too.
TEST(Storm, RandomCommandsOnRandomRowsChangeNothingWhenRefused) {
    EXPECT_TRUE(rc::check([](std::uint64_t seed) {
        Arbitrary dice(seed);
        TestWorld world;
        Command command = dice.make<Command>();
        command.account = world.account.id;
        const Needs wanted = needs(command, world.identity);
        UnitOfWork work;
        for (const RowRef& ref : wanted.rows) {
            if (dice.below(4) == 0) continue;
            const auto place = [&]<class T>(Rows<T>& rows) {
                T row = dice.make<T>();
                row.id = Id<T>(ref.key.id);
                row.account = world.account.id;
                row.version = 1;
                if constexpr (requires { row.payment_intent; })
                    row.payment_intent = Id<PaymentIntent>(wanted.rows.front().key.id);
                rows.load(std::move(row));
            };
            if (ref.kind == ObjectKind::Customer) place(work.customers);
            if (ref.kind == ObjectKind::PaymentMethod) place(work.payment_methods);
            if (ref.kind == ObjectKind::Token) place(work.tokens);
            if (ref.kind == ObjectKind::PaymentIntent) place(work.payment_intents);
            if (ref.kind == ObjectKind::Charge) place(work.charges);
            if (ref.kind == ObjectKind::Refund) place(work.refunds);
            if (ref.kind == ObjectKind::Operation) place(work.operations);
        }
        const UnitOfWork before = work;
        const DecideContext context{world.now, world.account, world.identity, world.owner,
                                    world.now + std::chrono::seconds{15}};
        const auto verdict = decide(command, work, context);
        if (!verdict)
            RC_ASSERT(work == before);
        else
            RC_ASSERT(verdict->answer.has_value() || verdict->started.has_value());
        for (const LedgerTransaction& transaction : work.transactions)
            RC_ASSERT(balanced(transaction.entries));
    }));
}

} // namespace
} // namespace holdfast::core
