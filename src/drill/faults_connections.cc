// Faults of connections: slots taken, requests that never end, a pool set wrong, an acquirer away.

#include "base/files.h"
#include "base/json.h"
#include "drill/faults.h"
#include "net/timer.h"

#include <fmt/format.h>
#include <boost/json/value.hpp>

#include <algorithm>
#include <fstream>

namespace holdfast::drill::faults {

namespace {

constexpr Duration patience = std::chrono::seconds{10};
constexpr std::size_t sessions_max = 1'000;
constexpr std::size_t slow_clients = 400;
constexpr Duration drip_pause = std::chrono::milliseconds{250};
constexpr std::string_view cut_plan = R"({"seed":1,"modes":{"disconnect":{}}})";

/// The database as somebody without privileges sees it.
Result<std::string> url_of_reader(const Platform& platform) {
    TRY(auto options, db::ConnectOptions::parse(SecretString(platform.ready().database_url)));
    TRY(const SecretString line,
        read_secret_file(platform.data() + "/secrets/holdfast_read.pgpass"));
    const std::string& text = line.reveal();
    std::string url;
    for (const auto& [keyword, value] : options.keywords)
        if (keyword != "user" && keyword != "target_session_attrs")
            url += fmt::format("{}='{}' ", keyword, value);
    // Its sessions are read-only everywhere.
    return url + fmt::format("target_session_attrs=primary user=holdfast_read password='{}'",
                             text.substr(text.rfind(':') + 1));
}

Task<std::string> set_acquirer_faults(Stage& stage, std::string method, std::string plan) {
    const Ready& ready = stage.platform.ready();
    net::HttpClientRequest request{
        .method = std::move(method), .target = "/admin/faults", .body = std::move(plan)};
    request.headers.add("Authorization", "Bearer " + ready.acquirer_admin_token);
    CO_TRY(auto answer, co_await fetch(stage, ready.acquirer_url, patience, std::move(request)));
    if (answer.status != 200)
        co_return fail(missed(fmt::format("the acquirer answers {}", answer.status)));
    co_return std::move(answer.body);
}

} // namespace

Task<std::string> flood_connections(Stage& stage) {
    CO_TRY(const std::string url, url_of_reader(stage.platform));
    while (stage.sessions.size() < sessions_max) {
        auto session = co_await connect_as_outsider(stage, url);
        const bool refused = !session && session.error().sqlstate == "53300";
        if (refused && session.error().message.contains("for role"))
            co_return fail(missed("it may not take all slots: " + session.error().message));
        if (refused)
            co_return fmt::format("holdfast_read holds {} sessions and is refused one more: {}",
                                  stage.sessions.size(), session.error().message);
        if (!session) co_return fail(std::move(session).error());
        stage.sessions.push_back(std::move(*session));
    }
    co_return fail(missed("the server takes any number of sessions"));
}

Task<std::string> end_flood(Stage& stage) {
    const std::size_t count = stage.sessions.size();
    stage.sessions.clear();
    co_return fmt::format("{} sessions are closed", count);
}

namespace {

Task<void> drip(Stage& stage) {
    while (stage.slow_clients) {
        stage.slow_clients->drip();
        CO_TRY_VOID(co_await net::sleep_for(drip_pause));
    }
    co_return Result<void>{};
}

} // namespace

Task<std::string> start_slow_clients(Stage& stage) {
    CO_TRY(const net::HttpUrl url, net::parse_http_url(stage.platform.ready().api_base));
    stage.slow_clients = std::make_unique<SlowClients>(url.port, slow_clients);
    CO_TRY_VOID(stage.slow_clients->connect());
    CO_TRY_VOID(stage.acts.spawn(drip(stage)));
    CO_TRY_VOID(co_await net::sleep_for(4 * drip_pause));
    const SlowClients::Counts& counts = stage.slow_clients->counts();
    if (counts.bytes == 0) co_return fail(missed("no slow client could send a byte"));
    co_return fmt::format("{} slow clients are connected to the API, {} were cut already",
                          counts.held, counts.cut);
}

Task<std::string> end_slow_clients(Stage& stage) {
    const SlowClients::Counts counts = stage.slow_clients->counts();
    stage.slow_clients.reset();
    if (counts.held == 0 && counts.cut == 0) co_return fail(missed("no slow client was taken"));
    co_return fmt::format("{} slow clients sent {} bytes by the drop; {} were cut, {} still held",
                          counts.connected, counts.bytes, counts.cut, counts.held);
}

Task<std::string> prove_small_pool(Stage& stage) {
    CO_TRY(const Service serve, stage.platform.service("pay-1"));
    std::ifstream file(fmt::format("/proc/{}/cmdline", serve.process.pid), std::ios::binary);
    std::vector<std::string> words;
    for (std::string word; std::getline(file, word, '\0');) words.push_back(word);
    const auto flag = std::find(words.begin(), words.end(), "--db-pool-max");
    if (flag == words.end() || flag + 1 == words.end())
        co_return fail(missed("pay-1 runs with the usual pool"));
    co_return fmt::format("pay-1 runs with --db-pool-max {}", *(flag + 1));
}

Task<std::string> cut_acquirer(Stage& stage) {
    CO_TRY_VOID(co_await set_acquirer_faults(stage, "PUT", std::string(cut_plan)));
    co_return std::string("the acquirer closes every connection without an answer");
}

Task<std::string> mend_acquirer(Stage& stage) {
    CO_TRY(const std::string state, co_await set_acquirer_faults(stage, "GET", ""));
    CO_TRY(auto json, parse_json(state));
    const auto* modes = json_find(json, "modes");
    const auto* cut = modes ? json_find(*modes, "disconnect") : nullptr;
    const std::int64_t hits = cut ? json_integer(*cut, "hits").value_or(0) : 0;
    CO_TRY_VOID(co_await set_acquirer_faults(stage, "PUT", "{}"));
    if (hits == 0) co_return fail(missed("no call of ours met the fault"));
    co_return fmt::format("the acquirer is back; {} calls were cut off", hits);
}

} // namespace holdfast::drill::faults
