#include "guard/doctor_patroni.h"

#include "base/json.h"
#include "net/http_client.h"

#include <fmt/format.h>
#include <boost/json/value.hpp>

#include <algorithm>
#include <cctype>

namespace holdfast::guard {
namespace {

using net::Deadline;
using net::Task;

constexpr milliseconds default_primary_start_timeout{300'000};

Task<std::string> get(net::HttpClient& client, net::HttpUrl where, std::string target,
                      Deadline deadline) {
    net::HttpClientRequest request{.host = std::move(where.host),
                                   .port = where.port,
                                   .target = std::move(target),
                                   .safe_to_resend = true};
    CO_TRY(auto answer, co_await client.request(std::move(request), deadline));
    if (answer.status != 200)
        co_return fail(ErrorClass::Unavailable, "patroni_refused",
                       fmt::format("Patroni answers {}", answer.status));
    co_return std::move(answer.body);
}

/// YAML's true is JSON's; who writes 'on' into the configuration gets a text.
bool is_on(const boost::json::value* value) {
    if (!value) return false;
    if (value->is_bool()) return value->get_bool();
    return value->is_string() && (value->get_string() == "on" || value->get_string() == "true");
}

} // namespace

bool is_address(std::string_view text) {
    const std::size_t colon = text.rfind(':');
    return colon != std::string_view::npos && colon + 1 < text.size() && !text.contains('/') &&
           std::ranges::all_of(text.substr(colon + 1),
                               [](char c) { return std::isdigit(static_cast<unsigned char>(c)); });
}

Result<Patroni::Agreed> parse_agreed(std::string_view config) {
    TRY(auto json, parse_json(config));
    Patroni::Agreed agreed{.synchronous = is_on(json_find(json, "synchronous_mode")),
                           .failsafe = is_on(json_find(json, "failsafe_mode")),
                           .primary_start_timeout = default_primary_start_timeout};
    // Until 3.0 it was called after the master, and that name still counts.
    for (const char* name : {"master_start_timeout", "primary_start_timeout"}) {
        if (!json_find(json, name)) continue;
        TRY(const std::int64_t seconds, json_integer(json, name));
        agreed.primary_start_timeout = milliseconds{seconds * 1'000};
    }
    return agreed;
}

Task<void> ask_patroni(net::Loop& loop, Offload& offload, Patroni& patroni, Deadline deadline) {
    CO_TRY(auto where, net::parse_http_url("http://" + patroni.api));
    net::HttpClient client(loop, {.offload = &offload});
    CO_TRY(auto state, co_await get(client, where, "/patroni", deadline));
    CO_TRY(auto json, parse_json(state));
    if (const auto* about = json_find(json, "patroni")) {
        CO_TRY(patroni.version, json_text(*about, "version"));
    }
    CO_TRY(auto config, co_await get(client, where, "/config", deadline));
    CO_TRY(patroni.agreed, parse_agreed(config));
    co_return Result<void>{};
}

} // namespace holdfast::guard
