#pragma once

// Decision: one command being decided. Private to core.
//
// It binds a command to the rows it may see, and owns the way changes are written: every change of
// an object goes through put(), every event through emit(), every answer through answer(), so that
// versions, event ids and replay records are made in one place.
//
// The rule of decide.h that a failing command leaves the UnitOfWork untouched is kept by order:
// a rule (`apply`) first checks, returning Errors, and calls the writing functions only when
// nothing can fail any more. The writing functions therefore return no Result.

#include "core/decide.h"
#include "core/snapshot.h"

#include <string_view>

namespace holdfast::core {

class Decision {
  public:
    Decision(const Command& command, UnitOfWork& work, const DecideContext& context)
        : command_(command), work_(work), context_(context) {}

    Id<Account> account() const { return command_.account; }
    const RequestContext& request() const { return command_.request; }
    const Identity& identity() const { return context_.identity; }
    const FeePlan& fees() const { return context_.account.fees; }
    const Uuid& owner() const { return context_.owner; }
    WallTime now() const { return context_.now; }
    /// Of what is created: what was told of it in stand-in stays true.
    WallTime created() const { return stand_in() ? command_.received : now(); }
    WallTime operation_valid_until() const { return context_.operation_valid_until; }
    const std::optional<StandIn>& stand_in() const { return command_.stand_in; }

    /// Null when there is no such row.
    template <class T> const T* find(Id<T> id) const { return rows<T>().find(account(), id); }

    /// The answer given before under this key, if any. Error idempotency_error.
    Result<std::optional<Verdict>> replay() const;
    /// For a create whose object is there already: Error idempotency_error when it was created by
    /// another request.
    Result<void> same_request(std::uint64_t fingerprint) const;
    /// True when `payment` has an operation under way that this very request has started before.
    bool started_by_this_request(const PaymentIntent& payment) const;
    /// Error idempotency_key_in_use or lock_timeout when an operation is under way.
    Result<void> idle(const PaymentIntent& payment) const;

    // What follows writes.

    template <class T> const T& insert(T row) { return rows<T>().insert(std::move(row)); }
    /// Replaces a row; its version goes up by one.
    template <class T> const T& put(T row) {
        T& stored = rows<T>().edit(account(), row.id);
        row.version = stored.version;
        stored = std::move(row);
        return stored;
    }
    /// Event `type` about `object` as it is now, caused by `cause`.
    template <class T>
    void emit(std::string_view type, const T& object, const RequestContext& cause) {
        record_event(type, object.id.uuid(), object.version, snapshot(object), cause);
    }
    template <class T> void emit(std::string_view type, const T& object) {
        emit(type, object, request());
    }
    /// A posting and its balance transaction, whose id it returns.
    Id<BalanceTransaction> book(BalanceTransaction transaction, std::vector<Entry> entries);

    /// A final answer to this command; kept for replay when the request has a key. One request at
    /// a time gets here under one key: it names the object that is locked, or the one to create.
    Verdict answer(Snapshot object) {
        return answer({.object = std::move(object), .declined = std::nullopt}, request());
    }
    /// Likewise, to the request that started an operation.
    Verdict answer(Answer answer, const RequestContext& asked);

  private:
    template <class T> Rows<T>& rows() const;
    void record_event(std::string_view type, const Uuid& object, std::int32_t version,
                      Snapshot object_snapshot, const RequestContext& cause);

    const Command& command_;
    UnitOfWork& work_;
    const DecideContext& context_;
};

template <> inline Rows<Customer>& Decision::rows() const { return work_.customers; }
template <> inline Rows<PaymentMethod>& Decision::rows() const { return work_.payment_methods; }
template <> inline Rows<Token>& Decision::rows() const { return work_.tokens; }
template <> inline Rows<PaymentIntent>& Decision::rows() const { return work_.payment_intents; }
template <> inline Rows<Charge>& Decision::rows() const { return work_.charges; }
template <> inline Rows<Refund>& Decision::rows() const { return work_.refunds; }
template <> inline Rows<Operation>& Decision::rows() const { return work_.operations; }

/// The current state of an object, as an answer that is not kept.
inline Verdict current_state(Snapshot object) {
    Verdict verdict;
    verdict.answer = Answer{.object = std::move(object), .declined = std::nullopt};
    verdict.replayed = true;
    return verdict;
}

// The rules, by aggregate: customers.cc, payment_methods.cc, payments_*.cc, refunds.cc.
Result<Verdict> apply(Decision&, const CreateCustomer&);
Result<Verdict> apply(Decision&, const UpdateCustomer&);
Result<Verdict> apply(Decision&, const DeleteCustomer&);
Result<Verdict> apply(Decision&, const CreateToken&);
Result<Verdict> apply(Decision&, const CreatePaymentMethod&);
Result<Verdict> apply(Decision&, const UpdatePaymentMethod&);
Result<Verdict> apply(Decision&, const AttachPaymentMethod&);
Result<Verdict> apply(Decision&, const DetachPaymentMethod&);
Result<Verdict> apply(Decision&, const CreatePaymentIntent&);
Result<Verdict> apply(Decision&, const UpdatePaymentIntent&);
Result<Verdict> apply(Decision&, const ConfirmPaymentIntent&);
Result<Verdict> apply(Decision&, const CapturePaymentIntent&);
Result<Verdict> apply(Decision&, const CancelPaymentIntent&);
Result<Verdict> apply(Decision&, const UpdateCharge&);
Result<Verdict> apply(Decision&, const CreateRefund&);
Result<Verdict> apply(Decision&, const UpdateRefund&);
Result<Verdict> apply(Decision&, const RecordOutcome&);
Result<Verdict> apply(Decision&, const ClaimOperation&);

} // namespace holdfast::core
