#pragma once

// Reading the witnesses: the ledger with SQL of our own, the acquirer through its admin API, the
// audit as `holdfast check ledger` in a process of its own. Nothing here trusts a process that took
// part in the drill.
//
// Errors: those of the database and of HTTP; a witness that can't be heard makes a drill invalid.
// Limits: purchases_max, check_patience.

#include "drill/stage.h"
#include "drill/witnesses.h"

namespace holdfast::drill {

inline constexpr std::int32_t purchases_max = 1'000'000;
inline constexpr Duration check_patience = std::chrono::minutes{10};

net::Task<LedgerWitness> read_ledger(Stage& stage);
/// `statement` answers (purchase, status, received, lacks its event).
net::Task<LedgerWitness> read_ledger_on(db::Connection& session, const db::Statement& statement);
net::Task<AcquirerWitness> read_acquirer(Stage& stage);
net::Task<LedgerCheck> check_ledger(Stage& stage);
/// In the attempt logs of all its processes.
Result<AttemptWitness> read_attempt_logs(const Platform& platform);

} // namespace holdfast::drill
