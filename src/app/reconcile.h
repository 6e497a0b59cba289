#pragma once

// reconcile: our books and the acquirer's, each read from beginning to end, for the commands that
// compare them (`check ledger`, `standin sweep`).
//
//   TRY(auto connector, reach_acquirer(loop, offload, place));
//   CO_TRY_VOID(co_await each_booking(*connector, [&](const auto& line) { ... }, deadline));
//   CO_TRY_VOID(co_await each_operation(database.pool(), [&](const auto& op) { ... }, deadline));
//
// Payments go on meanwhile. An operation is committed, or in a command log, before the acquirer
// hears of it: who reads the acquirer's books first finds in ours whatever those had.
//
// A page takes page_patience at most, all of them the deadline. Errors: those of the connector and
// of the pool; NotFound "acquirer_unnamed".

#include "app/commands.h"
#include "base/offload.h"
#include "db/pool.h"
#include "gateway/signed_http_connector.h"

#include <functional>
#include <memory>

namespace holdfast::app {

/// The acquirer of `place`, which is resolved().
Result<std::unique_ptr<gateway::SignedHttpConnector>> reach_acquirer(net::Loop& loop,
                                                                     Offload& offload,
                                                                     const Target& place);

using EachBooking = std::function<void(const gateway::BookLine&)>;
/// Oldest first; the last line of a reference is the truth.
net::Task<void> each_booking(gateway::Connector& connector, EachBooking each,
                             net::Deadline deadline);

using EachOperation = std::function<void(const core::Operation&)>;
net::Task<void> each_operation(db::Pool& pool, EachOperation each, net::Deadline deadline);

} // namespace holdfast::app
