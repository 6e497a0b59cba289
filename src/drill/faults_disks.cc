// Faults of disks that are full, and have space again.

#include "base/id.h"
#include "drill/customers.h"
#include "drill/faults.h"
#include "drill/sql.h"
#include "net/timer.h"

#include <fmt/format.h>

#include <fstream>

namespace holdfast::drill::faults {

using net::Deadline;

namespace {

constexpr Duration statement_patience = std::chrono::seconds{10};
constexpr Duration full_patience = std::chrono::seconds{10};
constexpr Duration log_patience = std::chrono::seconds{20};
constexpr Duration fill_pause = std::chrono::milliseconds{5};
constexpr Duration look_again = std::chrono::milliseconds{200};
constexpr int log_files_max = 200;
constexpr int refusals_asked = 20;
constexpr Duration refusal_max = std::chrono::seconds{2}; ///< one a second waits for the database

Result<LimitedDisk*> disk_of(Stage& stage) {
    LimitedDisk* disk = stage.platform.disk();
    if (disk == nullptr) return fail(missed("this platform has no small disk"));
    return disk;
}

/// Somebody who writes for ever: what becomes free is taken again.
Task<void> keep_full(Stage& stage, LimitedDisk& disk) {
    while (stage.disk_is_full) {
        CO_TRY_VOID(disk.fill_more());
        CO_TRY_VOID(co_await net::sleep_for(fill_pause));
    }
    co_return Result<void>{};
}

Task<void> fill_disk(Stage& stage) {
    CO_TRY(LimitedDisk * disk, disk_of(stage));
    stage.disk_is_full = true;
    CO_TRY_VOID(stage.acts.spawn(keep_full(stage, *disk)));
    const auto full = [disk] { return disk->free_bytes().value_or(1) == 0; };
    co_return co_await until("the disk does not become full", full, full_patience);
}

/// The last line in a service's log that has all of `words`; empty when there is none.
std::string last_line_with(const Stage& stage, std::string_view service,
                           std::initializer_list<std::string_view> words) {
    std::ifstream file(fmt::format("{}/log/{}.log", stage.platform.data(), service));
    std::string found;
    for (std::string line; std::getline(file, line);)
        if (std::ranges::all_of(words, [&line](auto word) { return line.contains(word); }))
            found = line;
    return found;
}

} // namespace

Task<std::string> fill_database_disk(Stage& stage) {
    CO_TRY(auto session, co_await connect_as_outsider(stage, stage.platform.ready().database_url));
    CO_TRY_VOID(co_await fill_disk(stage));
    auto added = co_await ask(*session, sql::more_pages, statement_patience);
    if (added) co_return fail(missed("the server found room for another table"));
    if (added.error().sqlstate != "53100") co_return fail(std::move(added).error());
    co_return fmt::format("no byte is free; the server says 53100, {}", added.error().message);
}

/// The primary goes on in the files that its log has, and asks for one more.
Task<std::string> use_up_log(Stage& stage) {
    CO_TRY(const Service server, stage.platform.database(Role::Primary));
    CO_TRY(auto session, co_await connect_as_outsider(stage, stage.platform.ready().database_url));
    for (int i = 0; i < log_files_max && !session->broken(); ++i)
        if (auto next = co_await ask(*session, sql::next_log_file, statement_patience); !next)
            break; // with the server, we hope
    std::string line;
    const auto panicked = [&] {
        line = last_line_with(stage, server.name, {"PANIC:", "No space left on device"});
        return !line.empty();
    };
    const Deadline deadline = Deadline::after(log_patience);
    while (!panicked()) {
        if (deadline.passed()) co_return fail(missed(server.name + " has not run out of log"));
        CO_TRY_VOID(co_await net::sleep_for(look_again));
    }
    co_return fmt::format("{}: {}", server.name, line);
}

Task<std::string> fill_log_disk(Stage& stage) {
    CO_TRY_VOID(co_await fill_disk(stage));
    co_return std::string("no byte is free on the disk of the command logs and attempt logs");
}

Task<std::string> prove_log_full(Stage& stage) {
    const Deadline deadline = Deadline::after(log_patience);
    for (;;) {
        for (std::string_view service : {"pay-1", "pay-2"}) {
            const std::string line = last_line_with(stage, service, {"journal_full"});
            if (!line.empty()) co_return fmt::format("{}: {}", service, line);
        }
        if (deadline.passed()) co_return fail(missed("no command log has run out of space"));
        CO_TRY_VOID(co_await net::sleep_for(look_again));
    }
}

namespace {

/// A payment that nobody will confirm.
Task<net::HttpResponse> create_payment(Stage& stage) {
    CO_TRY(auto way, way_to(stage, stage.platform.ready().api_base));
    Call call{.target = "/v1/payment_intents",
              .key = Uuid::time_ordered(stage.env).base62(),
              .body = "amount=100&currency=usd"};
    co_return co_await way->send(std::move(call), 0, Deadline::after(full_patience));
}

} // namespace

/// Whoever wants to pay now is taken, or told at once to come again.
Task<std::string> refused_cleanly(Stage& stage) {
    int refused = 0;
    Duration slowest{};
    for (int i = 0; i < refusals_asked; ++i) {
        const MonoTime begun = MonotonicClock::now();
        CO_TRY(const auto answer, co_await create_payment(stage));
        slowest = std::max(slowest, MonotonicClock::now() - begun);
        if (answer.status / 100 == 2) continue;
        if (!turned_away(answer))
            co_return fail(missed(fmt::format("{} {}", answer.status, answer.body)));
        ++refused;
    }
    if (refused == 0) co_return fail(missed("nobody was refused"));
    if (slowest > refusal_max)
        co_return fail(missed(fmt::format("an answer took {} ms", in_ms(slowest))));
    co_return fmt::format("{} of {} got a 503 that says to come again, each within {} ms", refused,
                          refusals_asked, in_ms(slowest));
}

Task<std::string> taken_again(Stage& stage) {
    const MonoTime begun = MonotonicClock::now();
    const Deadline deadline = Deadline::after(full_patience);
    for (;;) {
        CO_TRY(const auto answer, co_await create_payment(stage));
        if (answer.status / 100 == 2) break;
        if (deadline.passed()) co_return fail(missed("everybody is still turned away"));
        CO_TRY_VOID(co_await net::sleep_for(look_again));
    }
    co_return fmt::format("a payment was taken after {} ms", in_ms(MonotonicClock::now() - begun));
}

Task<std::string> free_disk(Stage& stage) {
    CO_TRY(LimitedDisk * disk, disk_of(stage));
    stage.disk_is_full = false;
    CO_TRY_VOID(disk->clear());
    CO_TRY(const std::uint64_t free, disk->free_bytes());
    if (free == 0) co_return fail(missed("the disk is still full"));
    co_return fmt::format("{} MiB are free", free >> 20);
}

} // namespace holdfast::drill::faults
