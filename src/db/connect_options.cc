#include "db/connect_options.h"

#include <fmt/format.h>
#include <libpq-fe.h>
#include <algorithm>
#include <array>
#include <cctype>
#include <memory>

namespace holdfast::db {
namespace {

/// What a connection has unless its text says otherwise; the essay says why.
constexpr std::array<std::pair<std::string_view, std::string_view>, 6> defaults{{
    {"client_encoding", "UTF8"},
    {"gssencmode", "disable"},
    {"keepalives_count", "2"},
    {"keepalives_idle", "1"},
    {"keepalives_interval", "1"},
    {"tcp_user_timeout", "2000"},
}};

/// Parts of a URL that have a place of their own in it, or must not be shown.
constexpr std::array<std::string_view, 6> not_in_query{"dbname", "host",     "hostaddr",
                                                       "port",   "password", "user"};

std::string percent_encoded(std::string_view text) {
    std::string out;
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if (std::isalnum(byte) || std::string_view("-._~,").contains(c))
            out += c;
        else
            out += fmt::format("%{:02X}", byte);
    }
    return out;
}

/// Of a list as libpq has it: parted by commas; none of an empty text.
std::vector<std::string> items(std::string_view list) {
    std::vector<std::string> found;
    while (!list.empty()) {
        const std::size_t end = std::min(list.find(','), list.size());
        found.emplace_back(list.substr(0, end));
        list.remove_prefix(std::min(end + 1, list.size()));
    }
    return found;
}

} // namespace

Result<ConnectOptions> ConnectOptions::parse(SecretString text) {
    char* why = nullptr;
    const std::unique_ptr<PQconninfoOption, decltype(&PQconninfoFree)> parsed(
        PQconninfoParse(text.reveal().c_str(), &why), PQconninfoFree);
    // libpq's reason repeats parts of the text.
    if (why) wipe(why, std::char_traits<char>::length(why));
    PQfreemem(why);
    if (!parsed) {
        return fail(ErrorClass::Invalid, "database_url_invalid",
                    "The database URL is not of the form "
                    "postgresql://user:password@host:port/database?keyword=value.");
    }
    ConnectOptions options;
    for (const auto& [keyword, value] : defaults) options.set(keyword, std::string(value));
    for (const PQconninfoOption* option = parsed.get(); option->keyword; ++option) {
        if (!option->val) continue;
        if (std::string_view(option->keyword) == "password") {
            options.password = SecretString(option->val);
            wipe(option->val, options.password.reveal().size());
        } else {
            options.set(option->keyword, option->val);
        }
    }
    return options;
}

std::vector<ConnectOptions> ConnectOptions::each_host() const {
    // One port counts for all hosts, and an address of the list belongs to the name at its place.
    const auto hosts = items(value("host")), addresses = items(value("hostaddr"));
    const auto ports = items(value("port"));
    std::vector<ConnectOptions> each;
    for (std::size_t i = 0; i < std::max(hosts.size(), addresses.size()); ++i) {
        ConnectOptions one = *this;
        if (i < hosts.size()) one.set("host", hosts[i]);
        if (i < addresses.size()) one.set("hostaddr", addresses[i]);
        if (!ports.empty()) one.set("port", ports[std::min(i, ports.size() - 1)]);
        each.push_back(std::move(one));
    }
    if (each.empty()) each.push_back(*this);
    for (ConnectOptions& one : each) one.set("target_session_attrs", "any");
    return each;
}

std::string_view ConnectOptions::value(std::string_view keyword) const {
    const auto found = std::ranges::find(keywords, keyword, &decltype(keywords)::value_type::first);
    return found != keywords.end() ? std::string_view(found->second) : std::string_view{};
}

void ConnectOptions::set(std::string_view keyword, std::string value) {
    const auto found = std::ranges::find(keywords, keyword, &decltype(keywords)::value_type::first);
    if (found != keywords.end())
        found->second = std::move(value);
    else
        keywords.emplace_back(keyword, std::move(value));
}

std::string ConnectOptions::redacted() const {
    std::string url = "postgresql://";
    if (const auto user = value("user"); !user.empty()) url += percent_encoded(user) + "@";
    url += percent_encoded(value("host"));
    if (const auto port = value("port"); !port.empty()) url.append(":").append(port);
    url += "/" + percent_encoded(value("dbname"));
    char separator = '?';
    for (const auto& [keyword, text] : keywords) {
        const auto is_default = [&](const auto& d) {
            return d.first == keyword && d.second == text;
        };
        if (std::ranges::find(not_in_query, keyword) != not_in_query.end()) continue;
        if (keyword == "sslpassword" || std::ranges::any_of(defaults, is_default)) continue;
        url += fmt::format("{}{}={}", separator, keyword, percent_encoded(text));
        separator = '&';
    }
    return url;
}

} // namespace holdfast::db
