#include "app/traffic.h"

#include <fmt/format.h>

#include <charconv>

namespace holdfast::app {
namespace {

constexpr std::string_view wait_time = "db_client_connection_wait_time_seconds";
constexpr std::string_view request_time = "http_server_request_duration_seconds";
constexpr std::string_view unserved[] = {"db_client_connection_timeouts_total",
                                         "holdfast_db_pool_refused_total",
                                         "holdfast_db_pool_shed_total"};

/// name{labels} value
struct Sample {
    std::string_view name, labels;
    double value = 0;

    /// Of a label without escapes; empty when it has none of that name.
    std::string_view label(std::string_view wanted) const {
        const std::string key = fmt::format("{}=\"", wanted);
        std::size_t at = labels.find(key);
        while (at != 0 && at != labels.npos && labels[at - 1] != ',') at = labels.find(key, at + 1);
        if (at == labels.npos) return {};
        const std::string_view rest = labels.substr(at + key.size());
        return rest.substr(0, rest.find('"'));
    }
};

Result<double> number(std::string_view text) {
    double read = 0;
    const char* end = text.data() + text.size();
    const auto done = std::from_chars(text.data(), end, read);
    if (done.ec == std::errc{} && done.ptr == end) return read;
    return fail(ErrorClass::Invalid, "metrics_page_invalid",
                fmt::format("{} is no number", text.substr(0, 40)));
}

Result<Sample> parse(std::string_view line) {
    const std::size_t space = line.rfind(' ');
    const std::size_t brace = line.find('{');
    if (space == line.npos || brace == line.npos || brace > space || line[space - 1] != '}')
        return fail(ErrorClass::Invalid, "metrics_page_invalid",
                    fmt::format("not a sample of a process: {}", line.substr(0, 80)));
    Sample sample{.name = line.substr(0, brace),
                  .labels = line.substr(brace + 1, space - brace - 2)};
    TRY(sample.value, number(line.substr(space + 1)));
    return sample;
}

/// Adds to the shares of a kind: what a histogram's bucket says, or its count.
Result<void> add_times(Traffic& traffic, Counted counted, const Sample& sample,
                       std::string_view family) {
    const auto count = static_cast<std::int64_t>(sample.value);
    const std::string_view part = sample.name.substr(family.size());
    if (part != "_bucket" && part != "_count") return {};
    double bound = 0;
    if (part == "_bucket") {
        const std::string_view le = sample.label("le");
        if (le == "+Inf") return {};
        TRY(bound, number(le));
    }
    for (std::size_t i = 0; i < measures.size(); ++i) {
        if (measures[i].counted != counted) continue;
        Share& share = traffic.shares[i];
        if (part == "_count") {
            share.of += count;
            share.bad += count;
        } else if (bound == measures[i].over_s) {
            share.bad -= count; // those within
        }
    }
    return {};
}

void add_share(Traffic& traffic, Counted counted, std::int64_t bad, std::int64_t of) {
    for (std::size_t i = 0; i < measures.size(); ++i)
        if (measures[i].counted == counted) {
            traffic.shares[i].bad += bad;
            traffic.shares[i].of += of;
        }
}

Result<void> add_request(Traffic& traffic, const Sample& sample) {
    if (sample.label("http_request_method") == "POST")
        TRY_VOID(add_times(traffic, Counted::Payments, sample, request_time));
    if (!sample.name.ends_with("_count")) return {};
    const auto count = static_cast<std::int64_t>(sample.value);
    traffic.answers += count;
    const bool failed = sample.label("http_response_status_code").starts_with('5');
    add_share(traffic, Counted::ServerErrors, failed ? count : 0, count);
    return {};
}

Result<void> add_wait(Traffic& traffic, const Sample& sample) {
    TRY_VOID(add_times(traffic, Counted::Waits, sample, wait_time));
    if (!sample.name.ends_with("_count")) return {};
    const auto count = static_cast<std::int64_t>(sample.value);
    traffic.acquires += count;
    add_share(traffic, Counted::Unserved, 0, count);
    return {};
}

Result<void> add(ProcessSeen& seen, const Sample& sample) {
    if (sample.name.starts_with(wait_time)) return add_wait(seen.traffic, sample);
    if (sample.name.starts_with(request_time)) return add_request(seen.traffic, sample);
    const auto whole = static_cast<std::int64_t>(sample.value);
    for (const std::string_view name : unserved)
        if (sample.name == name) {
            seen.traffic.acquires += whole;
            add_share(seen.traffic, Counted::Unserved, whole, whole);
        }
    if (sample.name == "holdfast_db_pool_setting")
        (sample.label("bound") == "min" ? seen.size.min : seen.size.max) = whole;
    if (sample.name == "holdfast_db_pool_trial") seen.on_trial = whole == 1;
    if (sample.name == "process_start_time_seconds") seen.started = sample.value;
    return {};
}

} // namespace

Result<std::map<std::string, ProcessSeen>> traffic_by_process(std::string_view page) {
    std::map<std::string, ProcessSeen> seen;
    while (!page.empty()) {
        const std::size_t end = std::min(page.find('\n'), page.size());
        const std::string_view line = page.substr(0, end);
        page.remove_prefix(std::min(end + 1, page.size()));
        if (line.empty() || line.starts_with('#')) continue;
        TRY(const Sample sample, parse(line));
        // That a process did not answer is no sample of its own.
        if (sample.name == "holdfast_process_up") continue;
        TRY_VOID(add(seen[std::string(sample.label("process"))], sample));
    }
    return seen;
}

} // namespace holdfast::app
