// `holdfast check ledger`: the audit of the rows (store/audit.h), and what only the acquirer can
// say: that its books hold the money ours say they hold, reference by reference.

#include "app/admin.h"
#include "app/reconcile.h"
#include "base/json_writer.h"
#include "core/names.h"
#include "store/audit.h"

#include <fmt/format.h>

#include <cstdio>
#include <map>
#include <set>

namespace holdfast::app {
namespace {

using core::OperationKind;
using core::OperationState;
using net::Deadline;
using net::Task;

constexpr Duration audit_patience = std::chrono::minutes{30};

/// What moved money, by the reference both sides know.
struct Moved {
    OperationKind kind = OperationKind::Sale;
    core::Money amount;
};
using Books = std::map<Id<core::Operation>, Moved>;

bool moves_money(OperationKind kind) {
    return kind == OperationKind::Sale || kind == OperationKind::Capture ||
           kind == OperationKind::Refund;
}

Task<Books> acquirer_books(gateway::Connector& connector, Deadline deadline) {
    Books books;
    const auto take = [&books](const gateway::BookLine& line) {
        if (line.finding == gateway::Finding::Approved && moves_money(line.kind))
            books[line.reference] = {line.kind, line.amount};
        else if (line.finding == gateway::Finding::Reversed)
            books.erase(line.reference);
    };
    CO_TRY_VOID(co_await each_booking(connector, take, deadline));
    co_return books;
}

/// What our operations say, and which of them are still open: the acquirer may or may not have
/// booked those.
struct OurBooks {
    Books approved;
    std::set<Id<core::Operation>> open;
};

Task<OurBooks> our_books(db::Pool& pool, Deadline deadline) {
    OurBooks books;
    const auto take = [&books](const core::Operation& operation) {
        if (operation.state == OperationState::Started)
            books.open.insert(operation.id);
        else if (operation.state == OperationState::Approved && moves_money(operation.kind))
            books.approved[operation.id] = {operation.kind, operation.amount};
    };
    CO_TRY_VOID(co_await each_operation(pool, take, deadline));
    co_return books;
}

std::string described(const Books& books, Id<core::Operation> reference) {
    auto it = books.find(reference);
    if (it == books.end()) return "nothing";
    return fmt::format("{} {} {}", core::to_string(it->second.kind), it->second.amount.minor,
                       it->second.amount.currency.code());
}

/// Payments go on while we read: ours are read after theirs, so that what they have and we lack is
/// open or a difference, and what we have and they lacked is asked for by name.
Task<void> compare(gateway::Connector& connector, OurBooks ours, Books theirs,
                   store::AuditReport& report, Deadline deadline) {
    report.checked["acquirer_bookings"] = static_cast<std::int64_t>(theirs.size());
    Books all = ours.approved;
    all.insert(theirs.begin(), theirs.end());
    for (const auto& [reference, moved] : all) {
        const std::string we = described(ours.approved, reference);
        const std::string they = described(theirs, reference);
        if (we == they || ours.open.contains(reference)) continue;
        if (!theirs.contains(reference)) {
            CO_TRY(auto answer, co_await connector.inquire(reference, deadline));
            if (answer.finding == gateway::Finding::Approved) continue;
        }
        report.findings.push_back({"acquirer_differs", reference.str(), we, they});
    }
    co_return Result<void>{};
}

void print(const store::AuditReport& report) {
    JsonWriter w;
    w.begin_object();
    w.field("clean", report.clean());
    w.key("checked");
    w.begin_object();
    for (const auto& [what, count] : report.checked) w.field(what, count);
    w.end_object();
    w.key("findings");
    w.begin_array();
    for (const store::Finding& finding : report.findings) {
        w.begin_object();
        w.field("check", finding.check);
        w.field("subject", finding.subject);
        w.field("expected", finding.expected);
        w.field("actual", finding.actual);
        w.end_object();
    }
    w.end_array();
    w.end_object();
    fmt::print("{}\n", std::move(w).take());
}

Task<store::AuditReport> audit_all(net::Loop& loop, Offload& offload, Database& database,
                                   const Target& place) {
    const Deadline deadline = Deadline::after(audit_patience);
    CO_TRY(auto report, co_await store::audit(database.pool(), deadline));
    if (place.acquirer_url.empty()) co_return report;
    CO_TRY(auto connector, reach_acquirer(loop, offload, place));
    CO_TRY(auto theirs, co_await acquirer_books(*connector, deadline));
    CO_TRY(auto ours, co_await our_books(database.pool(), deadline));
    CO_TRY_VOID(co_await compare(*connector, std::move(ours), std::move(theirs), report, deadline));
    co_return report;
}

} // namespace

Result<void> check_ledger(const Target& target) {
    TRY(Target place, resolved(target));
    Offload offload({.threads = 1});
    TRY(auto report, with_database(place.database_url, "check", [&](net::Loop& loop, Database& d) {
            return audit_all(loop, offload, d, place);
        }));
    print(report);
    if (report.clean()) return {};
    return fail(ErrorClass::Conflict, "ledger_differs",
                fmt::format("{} differences; the report names each", report.findings.size()));
}

} // namespace holdfast::app
