#include "api/attempts.h"

#include "api/request.h"

#include <charconv>

namespace holdfast::api {
namespace {

AttemptOutcome outcome_of(core::PaymentIntentStatus status) {
    switch (status) {
        case core::PaymentIntentStatus::Succeeded:
        case core::PaymentIntentStatus::RequiresCapture: return AttemptOutcome::Succeeded;
        case core::PaymentIntentStatus::Processing: return AttemptOutcome::Processing;
        default: return AttemptOutcome::Created;
    }
}

AttemptOutcome outcome_of(const Error& error) {
    switch (error.kind) {
        case ErrorClass::Overload: return AttemptOutcome::Shed;
        case ErrorClass::Deadline:
        case ErrorClass::Unavailable: return AttemptOutcome::Held;
        case ErrorClass::Declined: return AttemptOutcome::Declined;
        case ErrorClass::Invalid:
        case ErrorClass::NotFound:
        case ErrorClass::Conflict:
        case ErrorClass::Auth:
        case ErrorClass::Forbidden: return AttemptOutcome::Refused;
        default: return AttemptOutcome::Failed;
    }
}

/// 0 when it is none.
std::int64_t amount_in(std::string_view text) {
    std::int64_t amount = 0;
    const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), amount);
    return failure == std::errc() && end == text.data() + text.size() && amount > 0 ? amount : 0;
}

/// What a request to confirm a payment is about.
void note_named(Attempt& attempt, const Match& match, const Services& services) {
    const auto payment = Id<core::PaymentIntent>::parse(match.path_ids.front());
    if (!payment) return;
    attempt.payment = *payment;
    const auto known = services.processor.find_here(attempt.account, *payment);
    if (!known) return;
    attempt.amount_minor = known->row.amount.minor;
    attempt.currency = known->row.amount.currency;
}

/// What a request to create one is about.
void note_asked_for(Attempt& attempt, const net::HttpRequest& request, const Services& services) {
    const auto parameters = parameters_of(request);
    if (!parameters) return;
    if (const auto* code = parameters->find_text("currency"))
        attempt.currency = core::Currency::parse(*code).value_or(attempt.currency);
    if (const auto* amount = parameters->find_text("amount"))
        attempt.amount_minor = amount_in(*amount);
    const auto key = idempotency_key_of(request);
    if (attempt.account.is_nil() || !key || key->empty()) return;
    const Uuid replay_key =
        services.identity.replay_key(attempt.account, endpoint_of(request), *key);
    attempt.payment =
        services.identity.created_by<core::PaymentIntent>(attempt.account, replay_key);
}

} // namespace

AttemptOutcome attempt_outcome(const Result<Reply>& result) {
    if (!result) return outcome_of(result.error());
    if (result->status == 402) return AttemptOutcome::Declined;
    return result->payment ? outcome_of(result->payment->status) : AttemptOutcome::Failed;
}

Attempt attempt_of(const net::HttpRequest& request, const Match& match, const Result<Reply>& result,
                   const Services& services) {
    Attempt attempt{.outcome = attempt_outcome(result)};
    if (result && result->payment) {
        attempt.account = result->payment->account;
        attempt.payment = result->payment->id;
        attempt.amount_minor = result->payment->amount.minor;
        attempt.currency = result->payment->amount.currency;
        return attempt;
    }
    if (const auto key = key_of(request.headers.get("Authorization")))
        if (const auto* account = services.directory.behind(hash_of_key(*key)))
            attempt.account = account->id;
    if (match.path_ids.empty())
        note_asked_for(attempt, request, services);
    else
        note_named(attempt, match, services);
    return attempt;
}

} // namespace holdfast::api
