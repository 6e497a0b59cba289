#pragma once

// Connector: how Holdfast talks to an acquirer. Stateless: what must survive is in the ledger
// before a call is made (core/operation.h).
//
// Every call names a reference (the id of an Operation). An acquirer executes a reference at most
// once and answers a repeat with the first result; an authorization and a sale of the same money
// are repeats of each other, and the answer tells which of them was executed. A call has three
// ends: approved, declined with a code, or unknown (timeout, lost connection after sending, 5xx,
// unreadable answer) - unknown is the default for everything not understood. `reverse` makes "this
// reference shall not have happened" true: it undoes what was booked and makes the acquirer refuse
// a late arrival.

#include "core/objects.h"
#include "core/operation.h"
#include "net/deadline.h"
#include "net/task.h"

#include <optional>
#include <vector>

namespace holdfast::gateway {

using net::Deadline;
using net::Task;

enum class Finding : std::uint8_t { Approved, Declined, NotFound, Reversed };

/// The result of a call that got an understood answer; an Error of kind Unknown or Unavailable
/// (certainly not sent) otherwise.
struct AcquirerAnswer {
    Finding finding = Finding::Approved; ///< NotFound and Reversed only from inquire/reverse
    core::CardFailure failure;           ///< when Declined
    std::string authorization_code;
    /// As what it was executed, when Approved: somebody else may have asked first.
    std::optional<core::OperationKind> executed_as;
    bool repeated = false; ///< of execute: not this call has done it but an earlier one
};

struct CardData { // only ever passes through to tokenize
    std::string number, cvc;
    std::int32_t exp_month = 0, exp_year = 0;
};

struct Vaulted {
    std::string vault_token;
    core::CardDetails card;
};

/// One line of the acquirer's books, for reconciliation.
struct BookLine {
    Id<core::Operation> reference;
    core::OperationKind kind = core::OperationKind::Sale;
    Finding finding = Finding::Approved;
    core::Money amount;
    core::Money captured;
    core::Money refunded;
    Id<core::Operation> original;
    core::Metadata metadata; ///< of the payment, with the payer's purchase id
    WallTime booked;
    std::string position; ///< cursor for list()
};

class Connector {
  public:
    virtual ~Connector() = default;
    /// Errors: Declined with code incorrect_number, invalid_expiry_month ... for bad card data.
    virtual Task<Vaulted> tokenize(Id<core::Account> account, CardData card, Deadline) = 0;
    /// The card behind a vault token that came from the payer's browser, whose word for it does not
    /// count. Error NotFound "vault_token_unknown".
    virtual Task<Vaulted> look_up(std::string vault_token, Deadline) = 0;
    /// Authorize, Sale, Capture, Void or Refund, by operation.kind.
    virtual Task<AcquirerAnswer> execute(core::Operation operation, Deadline) = 0;
    virtual Task<AcquirerAnswer> inquire(Id<core::Operation> reference, Deadline) = 0;
    virtual Task<AcquirerAnswer> reverse(Id<core::Operation> reference, Deadline) = 0;
    /// Books after `position` (empty: from the start), oldest first, at most `limit`.
    virtual Task<std::vector<BookLine>> list_since(std::string position, int limit, Deadline) = 0;
};

} // namespace holdfast::gateway
