#pragma once

// The administrative commands: `holdfast account`, `holdfast keys`, `holdfast check`,
// `holdfast attempts`.
// Each prints for people, or with --json for programs, and fails with an Error that says what to
// do.

#include "base/result.h"

#include <string>

namespace holdfast::app {

/// Where a command finds the platform: the one that `holdfast up` runs on --data, or the parts
/// named.
struct Target {
    std::string data;
    std::string database_url;
    std::string acquirer_url;
    std::string acquirer_secret_file;
    std::string doctor_allow; ///< of the `up` that runs there
};
/// Fills in what was not named from DATA/platform.json. Error NotFound "platform_missing".
Result<Target> resolved(Target target);

Result<void> account_create(const Target& target, const std::string& name, bool json);
Result<void> account_list(const Target& target, bool json);

struct FloorLimitOptions {
    std::string account; ///< acct_...; empty: the only account
    bool live = false;
    std::string currency = "usd";
    std::int64_t payment_minor = 0, card_minor = 0, total_minor = 0; ///< all 0: only shown
    bool remove = false;
    bool json = false;
};
/// What an account risks while neither database nor acquirer can be asked: sets or removes that of
/// one currency, and shows what holds then. Errors: Invalid "floor_limit_invalid",
/// "currency_invalid"; NotFound "floor_limit_missing".
Result<void> account_floor_limit(const Target& target, const FloorLimitOptions& options);

struct KeyOptions {
    std::string account; ///< acct_...; empty: the only account
    bool live = false;
    bool publishable = false;
    std::string key_hint;          ///< which key to roll or revoke: its hint or the key itself
    std::int64_t expires_in_s = 0; ///< of the old key when it is rolled
    bool json = false;
};
Result<void> keys_create(const Target& target, const KeyOptions& options);
Result<void> keys_list(const Target& target, const KeyOptions& options);
Result<void> keys_roll(const Target& target, const KeyOptions& options);
Result<void> keys_revoke(const Target& target, const KeyOptions& options);

/// Prints what the API answers: [{"method","path","publishable"}], {} in a path standing for an id.
Result<void> print_routes();

struct AttemptsOptions {
    std::string data;
    std::int64_t minutes = 60; ///< back from now
    bool json = false;
};
/// Who wanted to pay on this machine and what became of it: a table by minute, or lines of JSON.
/// Errors: NotFound "attempts_missing"; those of read_attempts().
Result<void> show_attempts(const AttemptsOptions& options);

/// Recomputes the ledger from its entries, checks the chain of seals and compares with the
/// acquirer's books; prints JSON. Error Conflict "ledger_differs" when anything differs.
Result<void> check_ledger(const Target& target);

} // namespace holdfast::app
