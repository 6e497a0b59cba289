#pragma once

// Names: how enumerators are spelled, in the API, in logs and in metrics. The spelling is Stripe's
// wherever Stripe has the thing; it is also what parse_name() reads from requests.
//
//   w.field("status", to_string(payment.status));                    // "requires_capture"
//   std::optional method = parse_name<CaptureMethod>("manual");
//
// One table per enum, in the order of its enumerators. The empty name (None) is for "not set": it
// is never parsed. Names are part of the API and of stored rows: append, never change.

#include "core/ledger.h"
#include "core/objects.h"
#include "core/operation.h"

#include <array>
#include <optional>
#include <string_view>

namespace holdfast::core {

template <class Enum> inline constexpr std::array<std::string_view, 0> names_of{};

template <>
inline constexpr auto names_of<ObjectKind> = std::to_array<std::string_view>(
    {"account", "customer", "payment_method", "token", "payment_intent", "charge", "refund",
     "balance_transaction", "event", "operation"});

template <>
inline constexpr auto names_of<PaymentIntentStatus> = std::to_array<std::string_view>(
    {"requires_payment_method", "requires_confirmation", "requires_action", "processing",
     "requires_capture", "canceled", "succeeded"});

template <>
inline constexpr auto names_of<CaptureMethod> =
    std::to_array<std::string_view>({"automatic", "automatic_async", "manual"});

template <>
inline constexpr auto names_of<ConfirmationMethod> =
    std::to_array<std::string_view>({"automatic", "manual"});

template <>
inline constexpr auto names_of<SetupFutureUsage> =
    std::to_array<std::string_view>({"", "on_session", "off_session"});

template <>
inline constexpr auto names_of<CancellationReason> = std::to_array<std::string_view>(
    {"", "duplicate", "fraudulent", "requested_by_customer", "abandoned", "automatic"});

template <>
inline constexpr auto names_of<ChargeStatus> =
    std::to_array<std::string_view>({"pending", "succeeded", "failed"});

template <>
inline constexpr auto names_of<RefundStatus> =
    std::to_array<std::string_view>({"pending", "succeeded", "failed", "canceled"});

template <>
inline constexpr auto names_of<OperationKind> =
    std::to_array<std::string_view>({"authorize", "sale", "capture", "void", "refund"});

template <>
inline constexpr auto names_of<OperationState> =
    std::to_array<std::string_view>({"started", "approved", "declined", "reversed"});

template <>
inline constexpr auto names_of<LedgerAccountKind> = std::to_array<std::string_view>(
    {"pending", "available", "reserve", "dispute_hold", "payout_in_transit", "fee_income",
     "acquirer_receivable", "acquirer_cost", "bank", "suspense"});

template <>
inline constexpr auto names_of<PostingKind> = std::to_array<std::string_view>(
    {"capture", "refund", "refund_failed", "dispute_opened", "dispute_won", "dispute_lost",
     "funds_available", "payout", "payout_paid", "payout_failed", "settlement"});

template <class Enum>
concept Named = (names_of<Enum>.size() > 0);

template <Named Enum> constexpr std::string_view to_string(Enum value) {
    return names_of<Enum>.at(static_cast<std::size_t>(value));
}

/// For base/codec.h, which refuses larger values.
template <Named Enum> constexpr Enum last_enumerator(Enum) {
    return static_cast<Enum>(names_of<Enum>.size() - 1);
}

/// Empty when no enumerator has that name.
template <Named Enum> constexpr std::optional<Enum> parse_name(std::string_view name) {
    if (name.empty()) return std::nullopt;
    for (std::size_t i = 0; i < names_of<Enum>.size(); ++i)
        if (names_of<Enum>[i] == name) return static_cast<Enum>(i);
    return std::nullopt;
}

/// How a posting shows as `type` and as `reporting_category` of a balance transaction. Postings
/// that are not merchant-visible (funds_available, payout_paid, settlement) have no names there.
std::string_view balance_transaction_type(PostingKind kind);
std::string_view reporting_category(PostingKind kind);

/// "Visa" for "visa": the brand as tokens spell it; "Unknown" for what is not a brand.
std::string_view card_brand_label(std::string_view brand);

} // namespace holdfast::core
