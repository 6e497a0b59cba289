#include "drill/witness_reading.h"

#include "api/attempt_log.h"
#include "base/files.h"
#include "base/json.h"
#include "drill/sql.h"

#include <fmt/format.h>
#include <boost/json/value.hpp>

#include <filesystem>

namespace holdfast::drill {

using net::Deadline;
using net::Task;

namespace {

constexpr Duration read_patience = std::chrono::minutes{1};
constexpr std::size_t page = 1000;
constexpr std::size_t report_bytes_max = 4 << 20;
constexpr std::size_t findings_max = 5;

Result<std::size_t> add_page(std::string_view body, AcquirerWitness& found) {
    TRY(auto json, parse_json(body, {.bytes_max = report_bytes_max}));
    const auto* entries = json_find(json, "purchases");
    if (!entries || !entries->is_array())
        return fail(ErrorClass::Unavailable, "witness_unreadable", "the acquirer's books");
    for (const auto& entry : entries->get_array()) {
        TRY(std::string id, json_text(entry, "purchase_id"));
        BookedPurchase booked;
        TRY(booked.charges, json_integer(entry, "charges"));
        TRY(booked.net_minor, json_integer(entry, "net"));
        TRY(booked.held_minor, json_integer(entry, "held"));
        found[std::move(id)] = booked;
    }
    return entries->get_array().size();
}

/// The report is a line of JSON; what follows it is for people.
Result<LedgerCheck> parse_check(const std::string& output) {
    TRY(auto json,
        parse_json(output.substr(0, output.find('\n')), {.bytes_max = report_bytes_max}));
    LedgerCheck check{.balanced = true, .agrees = true};
    const auto* findings = json_find(json, "findings");
    if (!findings || !findings->is_array())
        return fail(ErrorClass::Unavailable, "witness_unreadable",
                    "holdfast check ledger: " + output);
    for (const auto& finding : findings->get_array()) {
        TRY(std::string name, json_text(finding, "check"));
        TRY(std::string subject, json_text(finding, "subject"));
        (name == "acquirer_differs" ? check.agrees : check.balanced) = false;
        if (check.findings.size() < findings_max)
            check.findings.push_back(fmt::format("check ledger: {}: {}", name, subject));
    }
    return check;
}

} // namespace

Task<LedgerWitness> read_ledger(Stage& stage) {
    CO_TRY(auto session, co_await connect_as_outsider(stage, stage.platform.ready().database_url));
    co_return co_await read_ledger_on(*session, sql::ledger_purchases);
}

Task<LedgerWitness> read_ledger_on(db::Connection& session, const db::Statement& statement) {
    db::Pipeline pipeline{db::Effect::Read};
    pipeline.add(statement, purchases_max);
    CO_TRY(auto results, co_await session.run(pipeline, Deadline::after(read_patience)));
    LedgerWitness ledger;
    for (db::Row row : results.front()) {
        std::string_view id, status;
        std::int64_t received_minor = 0;
        bool event_missing = false;
        CO_TRY_VOID(row.read(id, status, received_minor, event_missing));
        LedgerEntry& entry = ledger[std::string(id)];
        ++entry.payments;
        entry.status = status;
        entry.received_minor += received_minor;
        entry.succeeded += status == "succeeded" ? 1 : 0;
        entry.waiting_for_capture += status == "requires_capture" ? 1 : 0;
        entry.events_missing += event_missing ? 1 : 0;
    }
    co_return ledger;
}

Task<AcquirerWitness> read_acquirer(Stage& stage) {
    const Ready& ready = stage.platform.ready();
    AcquirerWitness found;
    for (std::size_t skip = 0;; skip += page) {
        net::HttpClientRequest request{
            .target = fmt::format("/admin/purchases?limit={}&skip={}", page, skip)};
        request.headers.add("Authorization", "Bearer " + ready.acquirer_admin_token);
        CO_TRY(auto answer,
               co_await fetch(stage, ready.acquirer_url, read_patience, std::move(request)));
        CO_TRY(const std::size_t count, add_page(answer.body, found));
        if (count < page) co_return found;
    }
}

Task<LedgerCheck> check_ledger(Stage& stage) {
    CO_TRY(const std::string output,
           co_await run_command(stage, {"check", "ledger"}, check_patience));
    co_return parse_check(output);
}

Result<AttemptWitness> read_attempt_logs(const Platform& platform) {
    TRY(const SecretString secret, read_secret_file(platform.data() + "/secrets/id_secret"));
    AttemptWitness found;
    std::error_code failure;
    for (const auto& log :
         std::filesystem::directory_iterator(platform.data() + "/attempt-log", failure)) {
        const auto files = journal_directory(log.path().string());
        TRY_VOID(api::read_attempts(*files, secret, [&found](const api::Attempt& attempt) {
            found[attempt.payment.str()].insert(api::to_string(attempt.outcome));
        }));
    }
    return found;
}

} // namespace holdfast::drill
