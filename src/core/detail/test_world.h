#pragma once

// TestWorld: everything a test of the rules needs. Private to core.
//
// It keeps all rows, as a database would, and shows each command only what needs() asked for, as
// the store does: a need that is forgotten makes a test fail. After every command it checks what
// must always hold: a refused command has changed nothing, books balance, no charge gives back
// more than it took, no payment receives more than its amount.
//
//   TestWorld world;
//   auto payment = world.pay(1000);                     // create + confirm, approved
//   EXPECT_EQ(world.refuse(CapturePaymentIntent{payment.id}), "payment_intent_unexpected_state");

#include "core/decide.h"
#include "core/snapshot.h"

#include <set>
#include <string>
#include <vector>

namespace holdfast::core {

class TestWorld {
  public:
    TestWorld();

    /// Runs one command; `key` is its idempotency key, `parameters` stand for its fingerprint.
    Result<Verdict> submit(CommandBody body, std::string key = {}, std::uint64_t parameters = 1,
                           std::optional<StandIn> stand_in = {});
    /// In two steps, for what is decided again later.
    Command command(CommandBody body, std::string key = {}, std::uint64_t parameters = 1,
                    std::optional<StandIn> stand_in = {});
    Result<Verdict> submit(const Command& command);
    /// submit() that must be refused: the code of its error ("" when it was not).
    std::string refuse(CommandBody body, std::string key = {}, std::uint64_t parameters = 1);
    /// submit() that must succeed, and its operation, if it starts one, run to `outcome`.
    Verdict run(CommandBody body, OperationOutcome outcome = approved(), std::string key = {});
    Verdict record(const Operation& operation, OperationOutcome outcome);

    /// As the edge makes it: it covers the kind of the request and what its path names.
    Uuid replay_key(const CommandBody& body, std::string_view key) const;
    /// A payment intent made, and confirmed with a new card that is approved.
    PaymentIntent pay(std::int64_t minor, CaptureMethod method = CaptureMethod::Automatic);
    /// The command for it.
    CreatePaymentIntent creation(std::int64_t minor, bool confirm = true,
                                 CaptureMethod method = CaptureMethod::Automatic);
    PaymentMethodChoice new_card();
    Id<PaymentMethod> card(); ///< stored, not attached
    Id<Customer> customer();

    static OperationOutcome approved() { return {OperationState::Approved, {}, "A12345"}; }
    static OperationOutcome declined(std::string decline_code = "insufficient_funds");
    static OperationOutcome reversed() { return {OperationState::Reversed, {}, {}}; }

    template <class T> const T& get(Id<T> id) const {
        const T* row = rows<T>().find(account.id, id);
        CHECK(row != nullptr);
        return *row;
    }
    const std::vector<Id<PaymentIntent>>& payments() const { return payments_; }
    const std::vector<Id<Charge>>& charges() const { return charges_; }
    const std::vector<Id<Refund>>& refunds() const { return refunds_; }
    /// A fresh id; the n-th of this world.
    Uuid next_id();
    /// Types of the events since the last call, in order.
    std::vector<std::string> events();
    void advance(Duration by) { now += by; }
    /// Forgets the cached answers, as after their expiry.
    void expire_replays() { rows_.replays.clear(); }
    const std::vector<LedgerTransaction>& transactions() const { return transactions_; }
    std::int64_t balance(LedgerAccountKind kind) const;

    Account account;
    Identity identity{SecretString("test secret")};
    WallTime now = wall_from_micros(1'790'000'000'000'000);
    Uuid owner;

  private:
    template <class T> const Rows<T>& rows() const {
        if constexpr (std::same_as<T, Customer>)
            return rows_.customers;
        else if constexpr (std::same_as<T, PaymentMethod>)
            return rows_.payment_methods;
        else if constexpr (std::same_as<T, Token>)
            return rows_.tokens;
        else if constexpr (std::same_as<T, PaymentIntent>)
            return rows_.payment_intents;
        else if constexpr (std::same_as<T, Charge>)
            return rows_.charges;
        else if constexpr (std::same_as<T, Refund>)
            return rows_.refunds;
        else
            return rows_.operations;
    }
    UnitOfWork load(const Needs& needs) const;
    void store(const UnitOfWork& work);
    void check_events(const UnitOfWork& work) const;
    void check_charge(const Charge& charge) const;
    void check_books() const;

    UnitOfWork rows_; ///< all rows and replay records there are
    std::vector<Id<PaymentIntent>> payments_;
    std::vector<Id<Charge>> charges_;
    std::vector<Id<Refund>> refunds_;
    std::set<Uuid> event_ids_;
    std::vector<LedgerTransaction> transactions_;
    std::vector<std::string> events_;
    std::uint64_t ids_ = 0;
};

/// The payment intent in an answer.
PaymentIntent payment_in(const Verdict& verdict);

} // namespace holdfast::core
