// A damaged page: made, asked for, and put back.

#include "base/files.h"
#include "base/id.h"
#include "base/json.h"
#include "drill/customers.h"
#include "drill/faults.h"
#include "drill/sql.h"
#include "net/timer.h"

#include <fmt/format.h>
#include <boost/json/value.hpp>

#include <algorithm>

#include <fcntl.h>
#include <unistd.h>

namespace holdfast::drill {

using net::Deadline;

namespace {

constexpr std::size_t page_bytes = 8192;
constexpr std::size_t spoiled_at = 4096, spoiled_bytes = 64; ///< of a page: among its rows

/// A file of the server, open for as long as this lives.
class ServerFile {
  public:
    explicit ServerFile(const std::string& path) : fd_(::open(path.c_str(), O_RDWR | O_CLOEXEC)) {}
    ~ServerFile() {
        if (fd_ >= 0) ::close(fd_);
    }
    ServerFile(const ServerFile&) = delete;
    ServerFile& operator=(const ServerFile&) = delete;

    Result<std::string> page(std::int64_t block) const {
        std::string bytes(page_bytes, '\0');
        if (::pread(fd_, bytes.data(), page_bytes, offset_of(block)) != std::ssize(bytes))
            return fail(missed("the page can't be read from its file"));
        return bytes;
    }
    Result<void> write(std::int64_t block, const std::string& bytes) const {
        if (::pwrite(fd_, bytes.data(), page_bytes, offset_of(block)) != std::ssize(bytes) ||
            ::fsync(fd_) != 0)
            return fail(missed("the page can't be written to its file"));
        return {};
    }

  private:
    static off_t offset_of(std::int64_t block) {
        return static_cast<off_t>(block) * static_cast<off_t>(page_bytes);
    }
    int fd_;
};

std::string spoiled(std::string bytes) {
    for (std::size_t i = 0; i < spoiled_bytes; ++i)
        bytes[spoiled_at + i] = static_cast<char>(~bytes[spoiled_at + i]);
    return bytes;
}

} // namespace

Result<void> mend(Stage& stage) {
    const ServerFile file(stage.damaged->file);
    TRY(const std::string now, file.page(stage.damaged->block));
    if (now != spoiled(stage.damaged->whole))
        return fail(missed("somebody has written the damaged page"));
    TRY_VOID(file.write(stage.damaged->block, stage.damaged->whole));
    stage.damaged.reset();
    return {};
}

namespace faults {

namespace {

constexpr Duration patience = std::chrono::seconds{10};
constexpr Duration quick_answer = std::chrono::seconds{2};
constexpr Duration insist_every = std::chrono::milliseconds{100};
constexpr int old_payments = 200; ///< some twenty pages, of which the last go on being filled
constexpr std::size_t log_bytes_max = 64 << 20;

/// Each under a key of its own: a merchant who tries anew.
Call confirmation_of(Stage& stage, const Purchase& purchase) {
    return {.target = "/v1/payment_intents/" + purchase.payment + "/confirm",
            .key = Uuid::time_ordered(stage.env).base62()};
}

bool is_hit(const Stage& stage, const Purchase& purchase) {
    return stage.damaged && std::ranges::find(stage.damaged->purchases, purchase.id) !=
                                stage.damaged->purchases.end();
}

} // namespace

/// One after the other, so that they fill pages of their own.
Task<std::string> make_old_payments(Stage& stage) {
    CO_TRY(auto way, way_to(stage, stage.platform.ready().api_base));
    for (int i = 0; i < old_payments; ++i) {
        Purchase& customer = new_customer(stage);
        CO_TRY(auto created,
               co_await way->send(payment_of(customer, Ask::Create), 0, Deadline::after(patience)));
        CO_TRY(auto json, parse_json(created.body));
        CO_TRY(customer.payment, json_text(json, "id"));
    }
    co_return fmt::format("{} old customers have payments that they did not confirm yet",
                          old_payments);
}

namespace {

/// The one that is to be damaged.
Task<DamagedPage> choose_page(Stage& stage, db::Connection* session) {
    DamagedPage page;
    CO_TRY(auto rows, co_await ask(*session, stage.tables.page, patience));
    if (rows.empty()) co_return fail(missed("no page belongs to old customers alone"));
    for (db::Row row : rows) {
        std::string purchase;
        CO_TRY_VOID(row.read(page.block, purchase));
        page.purchases.push_back(std::move(purchase));
    }
    CO_TRY(const Service primary, stage.platform.database(Role::Primary));
    page.server = primary.name;
    co_return page;
}

/// Takes the table out of the server's memory; the transaction that has done so stays open.
Task<std::string> take_out_of_memory(Stage& stage, db::Connection* session) {
    for (const char* statement : {sql::allow_spare_place, sql::make_spare_place})
        CO_TRY_VOID(co_await session->run_script(statement, {}, Deadline::after(patience)));
    const char* table = stage.tables.table;
    db::Pipeline pipeline;
    pipeline.begin();
    pipeline.add_sql(fmt::format(fmt::runtime(sql::move_away), table));
    pipeline.add_sql(fmt::format(fmt::runtime(sql::move_back), table));
    pipeline.add_sql(fmt::format(fmt::runtime(sql::file_of), table));
    CO_TRY(auto results, co_await session->run(pipeline, Deadline::after(patience)));
    CO_TRY(auto path, results.back().front().get<std::string>(0));
    co_return path;
}

} // namespace

Task<std::string> damage_page(Stage& stage) {
    CO_TRY(auto session, co_await connect_as_outsider(stage, stage.platform.ready().database_url));
    CO_TRY(DamagedPage page, co_await choose_page(stage, session.get()));
    CO_TRY(page.file, co_await take_out_of_memory(stage, session.get()));
    {
        const ServerFile file(page.file);
        CO_TRY(page.whole, file.page(page.block));
        CO_TRY_VOID(file.write(page.block, spoiled(page.whole)));
    }
    stage.damaged = page;
    db::Pipeline end;
    end.commit();
    CO_TRY_VOID(co_await session->run(end, Deadline::after(patience)));

    const std::string read =
        fmt::format(fmt::runtime(sql::read_page), stage.tables.table, page.block);
    auto answer = co_await ask(*session, read, patience);
    if (answer) co_return fail(missed("the server reads the page as if nothing were"));
    const std::string said = to_string(answer.error());
    const std::string relation = page.file.substr(page.file.find("base/"));
    const bool this_page =
        answer.error().sqlstate == "XX001" &&
        said.contains(fmt::format("block {} of relation {}", page.block, relation));
    if (!this_page) co_return fail(missed("the server says something else: " + said));
    co_return fmt::format("{} payments lie on it; {} says: {}", page.purchases.size(), page.server,
                          said);
}

namespace {

/// 500 in the API's form that names the damage, is there quickly and asks for no retry.
std::optional<std::string> wrong_with(const Result<net::HttpResponse>& answer, Duration took) {
    if (!answer) return to_string(answer.error());
    if (took > quick_answer) return std::string("it took too long");
    auto json = parse_json(answer->body);
    const auto* error = json ? json_find(*json, "error") : nullptr;
    const bool right = answer->status == 500 && error &&
                       answer->headers.get("Stripe-Should-Retry") == "false" &&
                       json_text(*error, "code").value_or("") == "data_damaged" &&
                       json_text(*error, "type").value_or("") == "api_error";
    if (right) return std::nullopt;
    return fmt::format("{} {}", answer->status, answer->body);
}

/// They confirm and look, again and again, whatever they hear.
Task<void> insist(Stage& stage, std::unique_ptr<HttpWay> way) {
    Insistence& heard = stage.insistence;
    for (std::size_t i = 0; stage.job_runs; ++i) {
        const Purchase& customer = stage.customers[i % stage.customers.size()];
        if (!is_hit(stage, customer)) continue;
        const MonoTime asked = MonotonicClock::now();
        Call call = confirmation_of(stage, customer);
        if (heard.told % 2 == 1) {
            call.method = "GET";
            call.target.resize(call.target.rfind('/'));
        }
        auto answer = co_await way->send(std::move(call), 0, Deadline::after(patience));
        if (!stage.job_runs) break; // it was mended meanwhile
        const Duration took = MonotonicClock::now() - asked;
        heard.longest = std::max(heard.longest, took);
        auto wrong = wrong_with(answer, took);
        ++(wrong ? heard.else_told : heard.told);
        if (wrong) heard.example = std::move(*wrong);
        CO_TRY_VOID(co_await net::sleep_for(insist_every));
    }
    co_return Result<void>{};
}

} // namespace

Task<std::string> customers_insist(Stage& stage) {
    if (stage.customers.empty()) co_return std::string("there are none");
    CO_TRY(auto way, way_to(stage, stage.platform.ready().api_base));
    stage.job_runs = true;
    CO_TRY_VOID(stage.acts.spawn(insist(stage, std::move(way))));
    co_return fmt::format("every {} ms one of them confirms or looks", in_ms(insist_every));
}

Task<std::string> customers_hear(Stage& stage) {
    const Insistence& heard = stage.insistence;
    if (stage.customers.empty()) co_return std::string("nobody has asked");
    if (heard.told == 0 || heard.else_told > 0)
        co_return fail(ErrorClass::Bug, "damage_not_told",
                       fmt::format("{} answers say that data is damaged, {} others, such as: {}",
                                   heard.told, heard.else_told, heard.example));
    co_return fmt::format("{} answers, all of them: data_damaged, within {} ms", heard.told,
                          in_ms(heard.longest));
}

namespace {

/// A line of a log that names relation and block, and what to do next.
bool names(const std::string& log, const DamagedPage& page) {
    const std::string what =
        fmt::format(R"("relation":"{}","block":"{}")", sql::of_holdfast.table, page.block);
    for (std::size_t at = log.find(R"("event":"data_damaged")"); at != log.npos;
         at = log.find(R"("event":"data_damaged")", at + 1)) {
        const std::string_view line = std::string_view(log).substr(at, log.find('\n', at) - at);
        if (line.contains(what) && line.contains(R"("next":")")) return true;
    }
    return false;
}

} // namespace

Task<std::string> damage_is_named(Stage& stage) {
    if (stage.customers.empty()) co_return std::string("an ordinary design names nothing");
    const auto owed = [](std::string message) {
        return fail(ErrorClass::Bug, "damage_not_named", std::move(message));
    };
    bool named = false;
    for (const char* service : {"pay-1", "pay-2"}) {
        auto log = read_file(stage.platform.log_of(service), log_bytes_max);
        named |= log && names(*log, *stage.damaged);
    }
    if (!named) co_return owed("no log names relation and block");
    CO_TRY(const std::string metrics, co_await metrics_page(stage));
    if (!metrics.contains("holdfast_db_damaged_places{process=\"pay-1\"} 1\n") &&
        !metrics.contains("holdfast_db_damaged_places{process=\"pay-2\"} 1\n"))
        co_return owed("no metric shows the damage");
    CO_TRY(const auto ready,
           co_await fetch(stage, stage.platform.ready().api_base + "/readyz", patience));
    if (ready.status != 200) co_return owed(fmt::format("/readyz answers {}", ready.status));
    CO_TRY(const Service primary, stage.platform.database(Role::Primary));
    if (primary.name != stage.damaged->server) co_return owed("it was failed over for one page");
    co_return fmt::format("{}, block {}: in the log and a metric; ready, and {} is the primary",
                          sql::of_holdfast.table, stage.damaged->block, primary.name);
}

Task<std::string> mend_page(Stage& stage) {
    stage.job_runs = false;
    const DamagedPage page = *stage.damaged;
    CO_TRY_VOID(mend(stage));
    CO_TRY(auto session, co_await connect_as_outsider(stage, stage.platform.ready().database_url));
    const std::string read =
        fmt::format(fmt::runtime(sql::read_page), stage.tables.table, page.block);
    CO_TRY_VOID(co_await ask(*session, read, patience));
    for (Purchase& customer : stage.customers)
        if (std::ranges::find(page.purchases, customer.id) != page.purchases.end())
            customer.intended = MonotonicClock::now(); // they come back
    co_return fmt::format("the server reads block {} again", page.block);
}

Task<std::string> customers_pay(Stage& stage) {
    CO_TRY(auto way, way_to(stage, stage.platform.ready().api_base));
    int paid = 0;
    for (Purchase& customer : stage.customers) {
        if (customer.intended == MonoTime{}) continue;
        auto answer =
            co_await way->send(confirmation_of(stage, customer), 0, Deadline::after(patience));
        Verdict verdict = told_by(answer, false);
        customer.told = verdict.told;
        customer.ended = MonotonicClock::now();
        if (customer.told != Told::Succeeded)
            co_return fail(ErrorClass::Bug, "not_paid", "a customer was told: " + verdict.trouble);
        ++paid;
    }
    co_return fmt::format("{} of them have paid", paid);
}

} // namespace faults
} // namespace holdfast::drill
