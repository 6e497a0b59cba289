#include "store/audit.h"

#include "core/ledger.h"
#include "store/detail/read_seal.h"
#include "store/seal.h"
#include "store/sql_audit.h"

#include <fmt/format.h>

namespace holdfast::store {

using db::Deadline;
using db::Pipeline;
using db::Task;

namespace {

constexpr std::int32_t seals_per_page = 10'000;

struct Check {
    const char* name;
    std::string_view id_prefix;
    const db::Statement& statement;
};

constexpr Check checks[] = {
    {"transaction_unbalanced", core::BalanceTransaction::id_prefix,
     sql::audit_transaction_unbalanced},
    {"transaction_net", core::BalanceTransaction::id_prefix, sql::audit_transaction_net},
    {"balance_mismatch", core::Account::id_prefix, sql::audit_balance_mismatch},
    {"charge_captured", core::Charge::id_prefix, sql::audit_charge_captured},
    {"charge_refunded", core::Charge::id_prefix, sql::audit_charge_refunded},
    {"refund_posted", core::Refund::id_prefix, sql::audit_refund_posted},
    {"payment_received", core::PaymentIntent::id_prefix, sql::audit_payment_received},
    {"event_missing", "", sql::audit_event_missing},
    {"operation_active", core::Operation::id_prefix, sql::audit_operation_active},
};

Result<void> add_findings(const Check& check, const db::QueryResult& rows, AuditReport& report) {
    for (db::Row row : rows) {
        Uuid id;
        std::string_view label, expected, actual;
        TRY_VOID(row.read(id, label, expected, actual));
        report.findings.push_back({check.name,
                                   fmt::format("{}{} {}", check.id_prefix, id.base62(), label),
                                   std::string(expected), std::string(actual)});
    }
    return {};
}

void compare(AuditReport& report, const char* what, std::int64_t sealed, std::int64_t found) {
    report.checked[what] = found;
    if (sealed == found) return;
    report.findings.push_back({"seal_totals", what, fmt::to_string(sealed), fmt::to_string(found)});
}

Result<void> check_totals(const db::QueryResult& totals, const db::QueryResult& counts,
                          AuditReport& report) {
    std::int64_t sealed_entries = 0, sealed_sum = 0, sealed_events = 0;
    std::int64_t entries = 0, sum = 0, events = 0;
    TRY_VOID(totals.front().read(sealed_entries, sealed_sum, sealed_events, entries, sum, events));
    compare(report, "entries", sealed_entries, entries);
    compare(report, "entries_sum_minor", sealed_sum, sum);
    compare(report, "events", sealed_events, events);
    return counts.front().read(report.checked["payment_intents"], report.checked["charges"],
                               report.checked["refunds"], report.checked["operations"],
                               report.checked["balance_transactions"]);
}

/// Walks the seals of all lanes in order.
class SealChain {
  public:
    explicit SealChain(AuditReport& report) : report_(report) {}

    void check(const Seal& seal) {
        if (seal.lane != last_.lane) last_ = first_predecessor(seal.lane);
        const std::string name = fmt::format("lane {} seal {}", seal.lane.base62(), seal.sequence);
        if (seal.sequence != last_.sequence + 1) {
            find("seal_gap", name, fmt::to_string(last_.sequence + 1),
                 fmt::to_string(seal.sequence));
        } else if (seal.previous != last_.hash) {
            find("seal_chain", name, "the hash of its predecessor", "another hash");
        }
        if (seal.hash != seal_hash(seal)) {
            find("seal_chain", name, "the hash of its fields", "another hash");
        }
        ++report_.checked["seals"];
        last_ = seal;
    }
    const Seal& last() const { return last_; }

  private:
    void find(const char* check, std::string name, std::string expected, std::string actual) {
        if (found_++ < findings_per_check_max) {
            report_.findings.push_back(
                {check, std::move(name), std::move(expected), std::move(actual)});
        }
    }

    AuditReport& report_;
    Seal last_;
    int found_ = 0;
};

Task<void> check_seals(db::Connection& connection, AuditReport& report, Deadline deadline) {
    SealChain chain(report);
    for (;;) {
        Pipeline pipeline{db::Effect::Read};
        pipeline.add(sql::audit_seals, chain.last().lane, chain.last().sequence, seals_per_page);
        CO_TRY(auto results, co_await connection.run(pipeline, deadline));
        for (db::Row row : results[0]) {
            CO_TRY(const Seal seal, read_seal(row));
            chain.check(seal);
        }
        if (results[0].rows() < static_cast<std::size_t>(seals_per_page)) break;
    }
    co_return Result<void>{};
}

} // namespace

Task<AuditReport> audit(db::Pool& pool, Deadline deadline) {
    CO_TRY(db::Pooled connection, co_await pool.acquire(db::Priority::Report, "audit", deadline));
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline.left());
    Pipeline pipeline{db::Effect::Read};
    pipeline.limit({left, left});
    pipeline.begin();
    pipeline.add(sql::audit_snapshot);
    pipeline.add(sql::audit_settings);
    const std::size_t first = pipeline.size();
    for (const Check& check : checks) pipeline.add(check.statement, findings_per_check_max);
    const auto totals = pipeline.add(sql::audit_totals);
    const auto counts = pipeline.add(sql::audit_counts);
    CO_TRY(auto results, co_await connection->run(pipeline, deadline));

    AuditReport report;
    for (std::size_t i = 0; i < std::size(checks); ++i) {
        CO_TRY_VOID(add_findings(checks[i], results[first + i], report));
    }
    CO_TRY_VOID(check_totals(results[totals], results[counts], report));
    CO_TRY_VOID(co_await check_seals(*connection, report, deadline));
    Pipeline end{db::Effect::Read};
    end.rollback();
    CO_TRY_VOID(co_await connection->run(end, deadline));
    co_return report;
}

} // namespace holdfast::store
