#pragma once

// Reads: what is read outside batches, of one merchant account: single rows, lists, the balance. An
// interface of its own beside Store (store.h), since there are two ways to ask a database: who goes
// on to change something asks the primary (PgStore), who only shows it may be answered by a standby
// (shown_reads.h).
//
// Every answer is of one moment, and may be history when it arrives: what is decided is decided in
// a batch, over rows that are locked.

#include "core/unit_of_work.h"
#include "net/deadline.h"
#include "net/task.h"

#include <optional>
#include <string>
#include <vector>

namespace holdfast::store {

using net::Deadline;
using net::Task;

enum class PageDirection : std::uint8_t { StartingAfter, EndingBefore };

/// Newest first by (created, sequence); `cursor` is an object id.
struct ListQuery {
    int limit = 10;
    std::optional<Uuid> cursor;
    PageDirection direction = PageDirection::StartingAfter;
    std::optional<std::int64_t> created_gt, created_gte, created_lt, created_lte; ///< unix seconds
    Id<core::Customer> customer; ///< nil: any; likewise below
    Id<core::PaymentIntent> payment_intent;
    Id<core::Charge> charge;
    Uuid source;                      ///< balance transactions of this object
    std::optional<std::string> email; ///< customers, exact
    std::vector<std::string> types;   ///< events: exact, or a prefix ending in *
    std::optional<core::PostingKind> posting;
    std::optional<core::Currency> currency;
};

template <class T> struct Page {
    std::vector<T> data;
    bool has_more = false;
};

/// Folded base plus deltas, for one merchant account.
struct Balance {
    struct Amount {
        core::LedgerAccountKind kind;
        core::Currency currency;
        std::int64_t amount_minor;
    };
    std::vector<Amount> amounts;
};

class Reads {
  public:
    virtual ~Reads() = default;

    /// An absent row is an empty optional.
    virtual Task<std::optional<core::Customer>> find(Id<core::Account>, Id<core::Customer>,
                                                     Deadline) = 0;
    virtual Task<std::optional<core::PaymentMethod>> find(Id<core::Account>,
                                                          Id<core::PaymentMethod>, Deadline) = 0;
    virtual Task<std::optional<core::Token>> find(Id<core::Account>, Id<core::Token>, Deadline) = 0;
    virtual Task<std::optional<core::PaymentIntent>> find(Id<core::Account>,
                                                          Id<core::PaymentIntent>, Deadline) = 0;
    virtual Task<std::optional<core::Charge>> find(Id<core::Account>, Id<core::Charge>,
                                                   Deadline) = 0;
    virtual Task<std::optional<core::Refund>> find(Id<core::Account>, Id<core::Refund>,
                                                   Deadline) = 0;
    virtual Task<std::optional<core::BalanceTransaction>> find(Id<core::Account>,
                                                               Id<core::BalanceTransaction>,
                                                               Deadline) = 0;
    virtual Task<std::optional<core::Event>> find(Id<core::Account>, Id<core::Event>, Deadline) = 0;

    virtual Task<Page<core::Customer>> list_customers(Id<core::Account>, ListQuery, Deadline) = 0;
    virtual Task<Page<core::PaymentMethod>> list_payment_methods(Id<core::Account>, ListQuery,
                                                                 Deadline) = 0;
    virtual Task<Page<core::PaymentIntent>> list_payment_intents(Id<core::Account>, ListQuery,
                                                                 Deadline) = 0;
    virtual Task<Page<core::Charge>> list_charges(Id<core::Account>, ListQuery, Deadline) = 0;
    virtual Task<Page<core::Refund>> list_refunds(Id<core::Account>, ListQuery, Deadline) = 0;
    virtual Task<Page<core::BalanceTransaction>> list_balance_transactions(Id<core::Account>,
                                                                           ListQuery, Deadline) = 0;
    virtual Task<Page<core::Event>> list_events(Id<core::Account>, ListQuery, Deadline) = 0;
    virtual Task<Balance> balance(Id<core::Account>, Deadline) = 0;
};

} // namespace holdfast::store
