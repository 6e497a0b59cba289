#include "app/sweep.h"

#include "app/admin.h"
#include "app/reconcile.h"
#include "app/standin_logs.h"
#include "app/up.h"
#include "base/files.h"
#include "base/json_writer.h"
#include "gateway/wire.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <iterator>
#include <map>

namespace holdfast::app {
namespace {

using core::OperationKind;
using gateway::BookLine;
using gateway::Finding;
using net::Deadline;
using net::Task;
using Reference = Id<core::Operation>;

constexpr Duration sweep_patience = std::chrono::minutes{30};
constexpr Duration reversal_patience = std::chrono::seconds{20};

/// An approved authorization or sale.
struct Approval {
    OperationKind kind = OperationKind::Authorize;
    core::Money amount; ///< of a sale: what is left of it
    WallTime booked;
};
using Approvals = std::map<Reference, Approval>;

class AcquirerBooks {
  public:
    void take(const BookLine& line) {
        approved_.erase(line.reference);
        releases_.erase(line.reference);
        if (line.finding != Finding::Approved) return;
        switch (line.kind) {
            case OperationKind::Authorize:
                approved_[line.reference] = {line.kind, line.amount, line.booked};
                break;
            case OperationKind::Sale:
                approved_[line.reference] = {
                    line.kind,
                    {line.captured.minor - line.refunded.minor, line.amount.currency},
                    line.booked};
                break;
            case OperationKind::Capture:
            case OperationKind::Void: releases_[line.reference] = line.original; break;
            case OperationKind::Refund: break;
        }
    }

    const Approvals& approved() const { return approved_; }

    /// What still holds money, or has taken it, and was booked before `until`.
    Approvals holding(WallTime until) const {
        Approvals holding;
        for (const auto& [reference, approval] : approved_)
            if (approval.booked < until && approval.amount.minor > 0)
                holding.emplace(reference, approval);
        for (const auto& [release, original] : releases_) holding.erase(original);
        return holding;
    }

  private:
    Approvals approved_;
    std::map<Reference, Reference> releases_; ///< captures and voids, by what they refer to
};

struct Orphan {
    Reference reference;
    Approval approval;
    bool reversed = false;
    std::string problem; ///< why it is not reversed, where that was tried
};

struct Sweep {
    std::vector<Orphan> holds, sales;
    std::size_t known = 0; ///< approvals of which the database knows
};

/// `what` begins the message.
std::unexpected<Error> unread(std::string_view what, Error error) {
    error.message = fmt::format("{} can't be read: {}", what, error.message);
    return fail(std::move(error));
}

Task<AcquirerBooks> read_books(gateway::Connector& connector) {
    AcquirerBooks books;
    const auto take = [&books](const BookLine& line) { books.take(line); };
    auto read = co_await each_booking(connector, take, Deadline::after(sweep_patience));
    if (!read) co_return unread("the acquirer's books", std::move(read).error());
    co_return books;
}

/// A database that is named stands for itself, not for the `up` of this machine.
bool is_of_up(const Target& target) { return target.database_url.empty() || !target.data.empty(); }

Result<std::vector<StandInLog>> read_logs(const SweepOptions& options) {
    const std::string data = data_directory_or_default(options.target.data);
    std::vector<StandInLog> logs;
    if (is_of_up(options.target)) {
        TRY(logs, read_standin_logs(data));
    }
    if (options.command_logs.empty()) return logs;
    const std::string file =
        options.id_secret_file.empty() ? data + "/secrets/id_secret" : options.id_secret_file;
    TRY(const SecretString secret, read_secret_file(file));
    TRY(auto named, read_standin_logs(options.command_logs, secret));
    std::ranges::move(named, std::back_inserter(logs));
    return logs;
}

/// Without what the logs hold.
Result<Approvals> without_logged(Approvals holding, const SweepOptions& options) {
    TRY(const auto logs, read_logs(options));
    if (auto readable = expect_readable(logs); !readable) {
        Error error = std::move(readable).error();
        error.message +=
            "; its holds may still be needed. If it is lost for good, move it "
            "elsewhere and sweep again";
        return fail(std::move(error));
    }
    for (const StandInLog& log : logs)
        for (const NumberedStep& step : log.steps) holding.erase(step.summary.reference);
    return holding;
}

/// Without what the database knows.
Task<Sweep> unknown_to(db::Pool& pool, Approvals holding, const Approvals& approved) {
    Sweep sweep;
    const auto take = [&](const core::Operation& operation) {
        sweep.known += approved.contains(operation.id);
        holding.erase(operation.id);
    };
    auto read = co_await each_operation(pool, take, Deadline::after(sweep_patience));
    if (!read) co_return unread("the database", std::move(read).error());
    for (const auto& [reference, approval] : holding) {
        auto& found = approval.kind == OperationKind::Authorize ? sweep.holds : sweep.sales;
        found.push_back({.reference = reference, .approval = approval, .problem = {}});
    }
    co_return sweep;
}

Task<void> reverse_all(gateway::Connector& connector, std::vector<Orphan>& holds) {
    std::size_t tried = 0;
    for (Orphan& hold : holds) {
        auto answer =
            co_await connector.reverse(hold.reference, Deadline::after(reversal_patience));
        if (!answer)
            hold.problem = answer.error().message;
        else if (answer->finding != Finding::Reversed)
            hold.problem = fmt::format("the acquirer says {}", gateway::to_string(answer->finding));
        hold.reversed = hold.problem.empty();
        fmt::print(stderr, "{}/{} {} {}\n", ++tried, holds.size(), hold.reference.str(),
                   hold.reversed ? "reversed" : "not confirmed: " + hold.problem);
    }
    co_return Result<void>{};
}

// --- What people and programs see ---------------------------------------------------------------

struct Sum {
    std::int64_t holds = 0;
    std::int64_t amount_minor = 0;
};
using Sums = std::map<std::string, Sum>; ///< by currency

Sums sums_of(const std::vector<Orphan>& holds) {
    Sums sums;
    for (const Orphan& hold : holds) {
        Sum& sum = sums[std::string(hold.approval.amount.currency.code())];
        ++sum.holds;
        sum.amount_minor += hold.approval.amount.minor;
    }
    return sums;
}

void write(JsonWriter& w, std::string_view name, const std::vector<Orphan>& orphans) {
    w.key(name);
    w.begin_array();
    for (const Orphan& orphan : orphans) {
        w.begin_object();
        w.field("reference", orphan.reference.str());
        w.field("amount", orphan.approval.amount.minor);
        w.field("currency", orphan.approval.amount.currency.code());
        w.field("booked_us", unix_micros(orphan.approval.booked));
        w.field("reversed", orphan.reversed);
        if (!orphan.problem.empty()) w.field("problem", orphan.problem);
        w.end_object();
    }
    w.end_array();
}

void print_json(const Sweep& sweep, const SweepOptions& options) {
    JsonWriter w;
    w.begin_object();
    w.field("older_than_s", options.older_than_s);
    write(w, "holds", sweep.holds);
    write(w, "sales", sweep.sales);
    w.key("sums");
    w.begin_array();
    for (const auto& [currency, sum] : sums_of(sweep.holds)) {
        w.begin_object();
        w.field("currency", currency);
        w.field("holds", sum.holds);
        w.field("amount", sum.amount_minor);
        w.end_object();
    }
    w.end_array();
    w.end_object();
    fmt::print("{}\n", std::move(w).take());
}

void print(const Orphan& orphan) {
    const auto& [kind, amount, booked] = orphan.approval;
    fmt::print("{}  {:>12} {}  booked {:%F %T} UTC\n", orphan.reference.str(),
               core::display_amount(amount), amount.currency.code(),
               std::chrono::floor<std::chrono::seconds>(booked));
}

void print(const Sweep& sweep) {
    for (const Orphan& hold : sweep.holds) print(hold);
    for (const auto& [code, sum] : sums_of(sweep.holds)) {
        const auto currency = core::Currency::parse(code).value_or(core::Currency{});
        fmt::print("held for no payment: {} {} ({})\n",
                   core::display_amount({sum.amount_minor, currency}), code, sum.holds);
    }
    if (sweep.sales.empty()) return;
    fmt::print(
        "MONEY WAS TAKEN that belongs to no payment; this must never be, and is never "
        "reversed here:\n");
    for (const Orphan& sale : sweep.sales) print(sale);
}

Result<void> verdict(const Sweep& sweep, const SweepOptions& options) {
    const auto left = std::ranges::count(sweep.holds, false, &Orphan::reversed);
    std::string holds;
    if (left > 0 && options.reverse)
        holds = fmt::format("{} of {} holds are not reversed, each named above; run it again", left,
                            sweep.holds.size());
    else if (left > 0)
        holds = fmt::format(
            "holds that will be neither captured nor released: {}. A command log on "
            "another machine that is not drained yet still needs its holds: bring "
            "it back first. Then `holdfast standin sweep --reverse` releases them",
            left);
    if (!sweep.sales.empty())
        return fail(
            ErrorClass::Conflict, "sale_unknown",
            fmt::format("sales in the acquirer's books that belong to no payment: {}; compare "
                        "with `holdfast check ledger`, then refund them at the acquirer{}{}",
                        sweep.sales.size(), holds.empty() ? "" : "; and ", holds));
    if (holds.empty()) return {};
    return fail(ErrorClass::Conflict, options.reverse ? "holds_not_reversed" : "holds_unclaimed",
                std::move(holds));
}

} // namespace

Result<void> standin_sweep(const SweepOptions& options) {
    if (!is_of_up(options.target) &&
        (options.command_logs.empty() || options.id_secret_file.empty()))
        return fail(ErrorClass::Invalid, "sweep_without_logs",
                    "what this machine's command logs hold is still needed: name each with "
                    "--command-log and their secret with --id-secret-file, or use --data");
    TRY(const Target place, resolved(options.target));
    const WallTime now = Env::current().wall();
    Offload offload({.threads = 1});
    net::Loop loop{1};
    TRY(auto connector, reach_acquirer(loop, offload, place));
    TRY(const AcquirerBooks books, net::block_on(loop, read_books(*connector)));
    const WallTime until = now - std::chrono::seconds{options.older_than_s};
    TRY(const Approvals holding, without_logged(books.holding(until), options));
    TRY(Sweep sweep,
        with_database(place.database_url, "sweep", [&](net::Loop&, Database& database) {
            return unknown_to(database.pool(), holding, books.approved());
        }));
    if (options.reverse && !sweep.holds.empty()) {
        if (sweep.known == 0)
            return fail(ErrorClass::Conflict, "books_of_another_platform",
                        fmt::format("the database knows none of the {} approvals in the acquirer's "
                                    "books: one of the two is of another platform; nothing was "
                                    "reversed",
                                    books.approved().size()));
        TRY_VOID(net::block_on(loop, reverse_all(*connector, sweep.holds)));
    }
    if (options.json)
        print_json(sweep, options);
    else
        print(sweep);
    if (!options.json && sweep.holds.empty() && sweep.sales.empty())
        fmt::print("every hold at the acquirer belongs to a payment, or is younger than {} s\n",
                   options.older_than_s);
    return verdict(sweep, options);
}

} // namespace holdfast::app
