// bench_payments processor|http: one load of `./dev bench payments`; see load.h and payments.py.

#include "load.h"

#include "net/timer.h"

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <algorithm>
#include <cstdio>

namespace holdfast::bench {
namespace {

constexpr Duration step = std::chrono::milliseconds{20};

void announce(std::string_view line) {
    fmt::print("{}\n", line);
    std::fflush(stdout);
}

double quantile_ms(std::vector<Duration>& sorted, double share) {
    const auto index = static_cast<std::size_t>(share * static_cast<double>(sorted.size() - 1));
    return std::chrono::duration<double, std::milli>(sorted[index]).count();
}

} // namespace

net::Task<void> measure(Tally* tally, Window window) {
    for (Duration left = window.warm_up; left > Duration{0} && !tally->stopping; left -= step)
        CO_TRY_VOID(co_await net::sleep_for(step));
    tally->measuring = true;
    announce("measuring");
    const MonoTime end = MonotonicClock::now() + window.length;
    while (MonotonicClock::now() < end && !tally->stopping)
        CO_TRY_VOID(co_await net::sleep_until(std::min(end, MonotonicClock::now() + step)));
    tally->measuring = false;
    announce("measured");
    tally->stopping = true;
    co_return Result<void>{};
}

Result<std::string> report(Tally tally, Window window) {
    if (tally.failure) return fail(std::move(*tally.failure));
    const double seconds = std::chrono::duration<double>(window.length).count();
    std::string text = fmt::format(R"({{"payments":{},"per_s":{:.1f})", tally.paid,
                                   static_cast<double>(tally.paid) / seconds);
    if (!tally.latencies.empty()) {
        std::ranges::sort(tally.latencies);
        text += fmt::format(R"(,"p50_ms":{:.2f},"p99_ms":{:.2f},"max_ms":{:.2f})",
                            quantile_ms(tally.latencies, 0.5), quantile_ms(tally.latencies, 0.99),
                            quantile_ms(tally.latencies, 1));
    }
    return text + "}";
}

namespace {

void add_window(CLI::App& app, Window& window) {
    const auto seconds = [](Duration& target) {
        return [&target](double s) {
            target = std::chrono::duration_cast<Duration>(std::chrono::duration<double>(s));
        };
    };
    app.add_option_function<double>("--warm-up", seconds(window.warm_up));
    app.add_option_function<double>("--seconds", seconds(window.length));
}

int bench_main(int argc, char** argv) {
    CLI::App app{"One load of `./dev bench payments`"};
    app.require_subcommand(1);
    ProcessorLoad processor;
    CLI::App* processor_app = app.add_subcommand("processor");
    processor_app->add_option("--database-url", processor.database_url)->required();
    processor_app->add_option("--id-secret-file", processor.id_secret_file)->required();
    processor_app->add_option("--in-flight", processor.in_flight);
    processor_app->add_option("--lanes", processor.lanes);
    processor_app->add_option("--batch-max", processor.batch_commands_max);
    add_window(*processor_app, processor.window);
    HttpLoad http;
    CLI::App* http_app = app.add_subcommand("http");
    http_app->add_option("--api-base", http.api_base)->required();
    http_app->add_option("--secret-key", http.secret_key)->required();
    http_app->add_option("--payment-method", http.payment_method)->required();
    http_app->add_option("--connections", http.connections);
    http_app->add_option("--rate", http.rate);
    add_window(*http_app, http.window);
    CLI11_PARSE(app, argc, argv);

    const auto result = processor_app->parsed() ? run(processor) : run(http);
    if (!result) {
        fmt::print(stderr, "bench_payments: {}\n", to_string(result.error()));
        return 1;
    }
    announce(*result);
    return 0;
}

} // namespace
} // namespace holdfast::bench

int main(int argc, char** argv) { return holdfast::bench::bench_main(argc, argv); }
