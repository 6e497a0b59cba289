#include "drill/report.h"

#include "base/json_writer.h"

#include <fmt/format.h>

#include <cstdio>

#include <unistd.h>

namespace holdfast::drill {

namespace {

constexpr int label_width = 26;
constexpr int value_width = 26;

std::string share(std::int64_t part, std::int64_t all) {
    if (all == 0) return with_commas(part);
    return fmt::format("{} of {}", with_commas(part), with_commas(all));
}

std::string yes_or_no(bool yes) { return yes ? "yes" : "NO"; }

class Table {
  public:
    explicit Table(bool colors) : colors_(colors) {}

    void row(std::string_view label, std::string value, std::string_view beside = "",
             bool good = true) {
        text_ += fmt::format("  {:<{}}", label, label_width);
        const std::string padded =
            beside.empty() ? value : fmt::format("{:<{}}", value, value_width);
        text_ += good ? padded : colored(padded, "31;1");
        text_ += fmt::format("{}\n", beside);
    }
    void line(std::string_view text = "") { text_.append(text).append("\n"); }
    std::string colored(std::string_view text, std::string_view color) const {
        return colors_ ? fmt::format("\x1b[{}m{}\x1b[0m", color, text) : std::string(text);
    }
    std::string take() && { return std::move(text_); }

  private:
    bool colors_;
    std::string text_;
};

std::string verdict_line(const DrillReport& report, const Table& table) {
    switch (report.judgement.outcome) {
        case Outcome::Passed: return table.colored("PASSED", "32;1");
        case Outcome::Failed: return table.colored("FAILED", "31;1");
        case Outcome::Invalid: return table.colored("INVALID: the fault was not proven", "33;1");
        case Outcome::Outage:
            return table.colored("OUTAGE, as it has to be without protection", "33;1");
        case Outcome::NoOutage:
            return table.colored("NO OUTAGE: this fault does not hurt an ordinary design", "31;1");
    }
    return {};
}

void payments(Table& table, const DrillReport& report) {
    const Figures& f = report.figures;
    const auto& seed = report.scenario->seed;
    const auto then = [&seed](std::string_view text) { return seed ? text : std::string_view{}; };
    if (seed) table.row("", "this drill", fmt::format("then ({})", seed->report));
    table.row("failed", share(f.failed, f.offered), then(seed ? seed->hit : ""), f.failed == 0);
    table.row("failed or over 2 s", share(f.struck_bad, f.struck) + " since the blow");
    table.row("longest standstill", as_time(std::chrono::milliseconds{f.max_stall_ms}),
              then(seed ? fmt::format("{} min", seed->outage_minutes) : ""));
    if (seed && !seed->cost.empty())
        table.row("revenue lost", f.failed + f.witnesses.lost == 0 ? "none" : "that of these",
                  seed->cost);
    table.row("paid", with_commas(f.succeeded));
    table.row("declined by the issuer", with_commas(f.declined));
    if (f.standin > 0 || f.witnesses.standin_declined > 0)
        table.row("approved in stand-in",
                  fmt::format("{}, {} of them declined later", with_commas(f.standin),
                              with_commas(f.witnesses.standin_declined)));
    table.row("client went away", with_commas(f.abandoned));
    table.row("latency p50, p99",
              fmt::format("{}, {}", as_time(std::chrono::milliseconds{f.p50_ms}),
                          as_time(std::chrono::milliseconds{f.p99_ms})));
    table.row("well again after",
              f.recovered_after_ms ? as_time(std::chrono::milliseconds{*f.recovered_after_ms})
                                   : "not while the load lasted",
              "", f.recovered_after_ms.has_value());
}

void witnesses(Table& table, const Comparison& found) {
    table.line();
    table.row("acknowledged, then lost", with_commas(found.lost), "", found.lost == 0);
    table.row("charged twice", with_commas(found.doubled), "", found.doubled == 0);
    table.row("holds left behind", with_commas(found.orphan_holds), "", found.orphan_holds == 0);
    table.row("events missing", with_commas(found.event_missing), "", found.event_missing == 0);
    table.row("ledger balances", yes_or_no(found.ledger_balanced), "", found.ledger_balanced);
    table.row("agrees with the acquirer", yes_or_no(found.books_agree), "", found.books_agree);
}

} // namespace

std::string with_commas(std::int64_t number) {
    std::string text = std::to_string(number);
    const std::size_t first = number < 0 ? 1 : 0;
    for (std::size_t at = text.size(); at > first + 3;) text.insert(at -= 3, ",");
    return text;
}

std::string as_time(Duration duration) {
    const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(duration).count();
    if (ms < 1000) return fmt::format("{} ms", ms);
    if (ms < 60'000) return fmt::format("{}.{:02} s", ms / 1000, ms % 1000 / 10);
    return fmt::format("{} min {} s", ms / 60'000, ms % 60'000 / 1000);
}

std::string as_json(const DrillReport& report) {
    const Figures& f = report.figures;
    const Comparison& w = f.witnesses;
    JsonWriter json;
    json.begin_object();
    json.field("name", report.scenario->name);
    json.field("engine", to_string(report.engine));
    json.field("valid", report.valid());
    json.field("offered", f.offered);
    json.field("acknowledged", f.acknowledged);
    json.field("succeeded", f.succeeded);
    json.field("declined", f.declined);
    json.field("standin", f.standin);
    json.field("standin_declined", w.standin_declined);
    json.field("failed", f.failed);
    json.field("lost", w.lost);
    json.field("doubled", w.doubled);
    json.field("orphan_holds", w.orphan_holds);
    json.field("event_missing", w.event_missing);
    json.field("max_stall_ms", f.max_stall_ms);
    json.field("p50_ms", f.p50_ms);
    json.field("p99_ms", f.p99_ms);
    json.field("recovered_after_ms", f.recovered_after_ms);
    json.field("ledger_balanced", w.ledger_balanced);
    json.field("books_agree", w.books_agree);
    const auto& seed = report.scenario->seed;
    json.field("seed_outage_minutes",
               seed ? std::optional<int>(seed->outage_minutes) : std::nullopt);
    json.field("verdict", to_string(report.judgement.outcome));
    json.end_object();
    return std::move(json).take();
}

std::vector<std::string> details(const DrillReport& report) {
    std::vector<std::string> all = report.judgement.reasons;
    for (const std::string& trouble : report.figures.troubles)
        all.push_back("a client saw: " + trouble);
    all.insert(all.end(), report.figures.witnesses.differences.begin(),
               report.figures.witnesses.differences.end());
    return all;
}

std::string as_table(const DrillReport& report, bool colors) {
    Table table(colors);
    table.line();
    table.line(fmt::format("  {}{}", table.colored(report.scenario->name, "1"),
                           report.unprotected ? ", an ordinary design without protection" : ""));
    table.line(fmt::format("  {} engine, {:g} purchases/s for {}", to_string(report.engine),
                           report.rate, as_time(report.times.end - report.times.start)));
    table.line();
    payments(table, report);
    witnesses(table, report.figures.witnesses);
    table.line();
    table.line("  " + verdict_line(report, table));
    for (const std::string& detail : details(report)) table.line("    " + detail);
    return std::move(table).take();
}

// --- Narrator -----------------------------------------------------------------------------------

Narrator::Narrator() : terminal_(::isatty(STDERR_FILENO) != 0) {}

Duration Narrator::interval() const {
    return terminal_ ? Duration{std::chrono::milliseconds{500}} : std::chrono::seconds{10};
}

void Narrator::clear() {
    if (line_open_) fmt::print(stderr, "\r\x1b[2K");
    line_open_ = false;
}

void Narrator::say(std::optional<Duration> at, std::string_view text) {
    clear();
    const double seconds = at ? std::chrono::duration<double>(*at).count() : 0;
    fmt::print(stderr, "{:>9}  {}\n", at ? fmt::format("{:.1f} s", seconds) : "", text);
    std::fflush(stderr);
}

void Narrator::progress(Duration at, const LoadCounts& counts, Duration recent_p99) {
    std::string text = fmt::format("{} purchases, {} under way, {} failed, p99 {}",
                                   with_commas(counts.offered), with_commas(counts.under_way()),
                                   with_commas(counts.failed), as_time(recent_p99));
    if (counts.browsed > 0)
        text += fmt::format(", {} pages ({} refused)", with_commas(counts.browsed),
                            with_commas(counts.browse_refused));
    if (!terminal_) return say(at, text);
    clear();
    fmt::print(stderr, "{:>7.1f} s  {}", std::chrono::duration<double>(at).count(), text);
    std::fflush(stderr);
    line_open_ = true;
}

} // namespace holdfast::drill
