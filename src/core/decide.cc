#include "core/decide.h"

#include "core/detail/decision.h"
#include "core/detail/payments.h"
#include "core/detail/refusals.h"

namespace holdfast::core {
namespace {

/// Lists the rows that a command must see.
class NeedList {
  public:
    explicit NeedList(const Command& command) : account_(command.account) {
        if (!command.request.replay_key.is_nil())
            needs_.replay = RowKey{account_, command.request.replay_key};
        if (command.stand_in) want(command.stand_in->reference, Access::Read);
    }

    template <class T> NeedList& want(Id<T> id, Access access) {
        if (id) needs_.rows.push_back({kind_of<T>, {account_, id.uuid()}, access});
        return *this;
    }
    NeedList& choice(const std::optional<PaymentMethodChoice>& choice) {
        if (!choice) return *this;
        if (choice->create)
            want(choice->create->id, Access::Claim);
        else
            want(choice->id, Access::Read);
        return want(choice->from_token, Access::Lock);
    }
    Needs take() { return std::move(needs_); }
    /// Commands of the processor itself answer to nobody's key.
    Needs take_without_replay() {
        needs_.replay.reset();
        return take();
    }

  private:
    Id<Account> account_;
    Needs needs_;
};

Needs needs_of(NeedList list, const CreateCustomer& c) {
    return list.want(c.customer.id, Access::Claim)
        .want(c.customer.default_payment_method, Access::Read)
        .take();
}
Needs needs_of(NeedList list, const UpdateCustomer& c) {
    return list.want(c.id, Access::Lock).want(c.default_payment_method.value, Access::Read).take();
}
Needs needs_of(NeedList list, const DeleteCustomer& c) {
    return list.want(c.id, Access::Lock).take();
}
Needs needs_of(NeedList list, const CreateToken& c) {
    return list.want(c.token.id, Access::Claim).take();
}
Needs needs_of(NeedList list, const CreatePaymentMethod& c) {
    return list.want(c.payment_method.id, Access::Claim).want(c.from_token, Access::Lock).take();
}
Needs needs_of(NeedList list, const UpdatePaymentMethod& c) {
    return list.want(c.id, Access::Lock).take();
}
Needs needs_of(NeedList list, const AttachPaymentMethod& c) {
    return list.want(c.id, Access::Lock).want(c.customer, Access::Read).take();
}
Needs needs_of(NeedList list, const DetachPaymentMethod& c) {
    return list.want(c.id, Access::Lock).want(c.customer, Access::Lock).take();
}
Needs needs_of(NeedList list, const CreatePaymentIntent& c) {
    return list.want(c.payment_intent.id, Access::Claim)
        .want(c.payment_intent.customer, Access::Read)
        .choice(c.payment_method)
        .take();
}
Needs needs_of(NeedList list, const UpdatePaymentIntent& c) {
    return list.want(c.id, Access::Lock)
        .want(c.customer.value, Access::Read)
        .choice(c.payment_method)
        .take();
}
Needs needs_of(NeedList list, const ConfirmPaymentIntent& c) {
    return list.want(c.id, Access::Lock).choice(c.payment_method).take();
}
Needs needs_of(NeedList list, const CapturePaymentIntent& c) {
    return list.want(c.id, Access::Lock).take();
}
Needs needs_of(NeedList list, const CancelPaymentIntent& c) {
    return list.want(c.id, Access::Lock).take();
}
Needs needs_of(NeedList list, const UpdateCharge& c) {
    return list.want(c.payment_intent, Access::Lock).want(c.id, Access::Read).take();
}
Needs needs_of(NeedList list, const CreateRefund& c) {
    return list.want(c.payment_intent, Access::Lock)
        .want(c.id, Access::Read)
        .want(c.charge, Access::Read)
        .take();
}
Needs needs_of(NeedList list, const UpdateRefund& c) {
    return list.want(c.payment_intent, Access::Lock).want(c.id, Access::Read).take();
}
Needs needs_of(NeedList list, const RecordOutcome& c) {
    return list.want(c.payment_intent, Access::Lock)
        .want(c.operation, Access::Read)
        .want(c.refund, Access::Read)
        .want(c.save_payment_method, Access::Lock)
        .take_without_replay();
}
Needs needs_of(NeedList list, const ClaimOperation& c) {
    return list.want(c.payment_intent, Access::Lock)
        .want(c.operation, Access::Read)
        .take_without_replay();
}

Error other_parameters(const RequestContext& request) {
    return refusal("idempotency_error",
                   fmt::format("Keys for idempotent requests can only be used with the same "
                               "parameters they were first used with. Try using a key other than "
                               "'{}' if you meant to execute a different request.",
                               request.idempotency_key));
}

Error conflict(std::string_view code, std::string message) {
    return {.kind = ErrorClass::Conflict,
            .code = std::string(code),
            .message = std::move(message),
            .retryable = true};
}

} // namespace

Needs needs(const Command& command, const Identity&) {
    return std::visit([&](const auto& body) { return needs_of(NeedList(command), body); },
                      command.body);
}

Result<Verdict> decide(const Command& command, UnitOfWork& work, const DecideContext& context) {
    CHECK(command.account == context.account.id);
    Decision decision(command, work, context);
    TRY(std::optional<Verdict> known, known_attempt(decision));
    if (known) return *std::move(known);
    TRY(std::optional<Verdict> before, decision.replay());
    if (before && command.stand_in && !decision.find(command.stand_in->reference))
        return fail(stand_in_superseded());
    if (before) return *std::move(before);
    return std::visit([&](const auto& body) { return apply(decision, body); }, command.body);
}

Result<std::optional<Verdict>> Decision::replay() const {
    const bool internal = std::holds_alternative<RecordOutcome>(command_.body) ||
                          std::holds_alternative<ClaimOperation>(command_.body);
    if (internal || request().replay_key.is_nil()) return std::nullopt;
    auto it = work_.replays.find(RowKey{account(), request().replay_key});
    if (it == work_.replays.end()) return std::nullopt;
    const ReplayRecord& record = it->second;
    TRY_VOID(same_request(record.fingerprint));
    Verdict verdict;
    verdict.answer = record.answer;
    verdict.replayed = true;
    verdict.original_request = record.request_id;
    return verdict;
}

Result<void> Decision::same_request(std::uint64_t fingerprint) const {
    if (fingerprint != request().fingerprint) return fail(other_parameters(request()));
    return {};
}

bool Decision::started_by_this_request(const PaymentIntent& payment) const {
    if (!payment.active_operation || request().replay_key.is_nil()) return false;
    const auto* operation = find(payment.active_operation);
    return operation && operation->request.replay_key == request().replay_key;
}

Result<void> Decision::idle(const PaymentIntent& payment) const {
    if (!payment.active_operation) return {};
    if (started_by_this_request(payment))
        return fail(conflict(
            "idempotency_key_in_use",
            fmt::format("There is currently another in-progress request using this Idempotent Key "
                        "(that probably means you submitted twice, and the other request is still "
                        "going through): {}. Please try again later.",
                        request().idempotency_key)));
    return fail(conflict(
        "lock_timeout",
        "This object cannot be accessed right now because another API request or Holdfast process "
        "is currently accessing it. If you see this error intermittently, retry the request. If "
        "you see this error frequently and are making multiple concurrent requests to a single "
        "object, make your requests serially or at a lower rate."));
}

void Decision::record_event(std::string_view type, const Uuid& object, std::int32_t version,
                            Snapshot object_snapshot, const RequestContext& cause) {
    // One event of a type per version of an object: deciding a batch again gives the same ids.
    const std::string domain = fmt::format("{}{}", core::Event::id_prefix, type);
    Event event;
    event.id = Id<core::Event>(
        identity().ordered(now(), domain, account(), object, static_cast<std::uint64_t>(version)));
    event.account = account();
    event.created = now();
    event.type = type;
    event.object_id = object;
    event.object = std::move(object_snapshot);
    event.request_id = cause.request_id;
    event.idempotency_key = cause.idempotency_key;
    work_.events.push_back(std::move(event));
}

Id<BalanceTransaction> Decision::book(BalanceTransaction transaction, std::vector<Entry> entries) {
    CHECK(balanced(entries));
    // One posting of a kind per source.
    transaction.id = Id<core::BalanceTransaction>(
        identity().ordered(now(), core::BalanceTransaction::id_prefix, account(),
                           transaction.source, static_cast<std::uint64_t>(transaction.kind)));
    transaction.account = account();
    transaction.created = now();
    const auto id = transaction.id;
    work_.transactions.push_back({std::move(transaction), std::move(entries)});
    return id;
}

Verdict Decision::answer(Answer answer, const RequestContext& asked) {
    Verdict verdict;
    verdict.answer = answer;
    if (asked.replay_key.is_nil()) return verdict;
    ReplayRecord record{.account = account(),
                        .replay_key = asked.replay_key,
                        .fingerprint = asked.fingerprint,
                        .request_id = asked.request_id,
                        .created = now(),
                        .answer = std::move(answer)};
    // Also among the loaded ones: a duplicate later in the same batch must see it.
    work_.replays.insert_or_assign(RowKey{account(), asked.replay_key}, record);
    work_.new_replays.push_back(std::move(record));
    return verdict;
}

} // namespace holdfast::core
