#include "guard/doctor_facts.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <set>

#include <sys/stat.h>

namespace holdfast::guard {
namespace {

constexpr std::string_view pay_prefix = "holdfast:pay";

std::uint32_t newest_timeline(const std::vector<Server>& servers) {
    std::uint32_t newest = 0;
    for (const Server& server : servers) newest = std::max(newest, server.timeline);
    return newest;
}

} // namespace

bool Directory::writable_by(std::uint32_t uid) const {
    const auto allows = [this](std::uint32_t needed) { return (mode & needed) == needed; };
    if (read_only) return false;
    if (uid == 0) return true;
    if (uid == owner_uid) return allows(S_IWUSR | S_IXUSR);
    return allows(S_IWGRP | S_IXGRP) || allows(S_IWOTH | S_IXOTH);
}

std::optional<std::int64_t> Server::number(std::string_view setting) const {
    const std::string_view value = text(setting);
    std::int64_t number = 0;
    const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
    if (error != std::errc{} || end != value.data() + value.size()) return std::nullopt;
    return number;
}

std::string_view Server::text(std::string_view setting) const {
    const auto found = settings.find(std::string(setting));
    return found == settings.end() ? std::string_view{} : std::string_view(found->second);
}

const Server* Facts::primary() const {
    const std::uint32_t newest = newest_timeline(servers);
    const auto found = std::ranges::find_if(
        servers, [&](const Server& s) { return s.is_primary() && s.timeline == newest; });
    return found == servers.end() ? nullptr : &*found;
}

std::optional<milliseconds> parse_setting_ms(std::string_view text) {
    double number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc{}) return std::nullopt;
    std::string_view unit(end, text.data() + text.size());
    while (unit.starts_with(' ')) unit.remove_prefix(1);
    // The units of times that PostgreSQL knows (documentation, 20.1.1).
    constexpr std::pair<std::string_view, double> units[] = {
        {"", 1},           {"us", 0.001},      {"ms", 1},           {"s", 1'000},
        {"min", 60 * 1e3}, {"h", 3'600 * 1e3}, {"d", 86'400 * 1e3},
    };
    for (const auto& [name, ms] : units)
        if (name == unit) return milliseconds{std::llround(number * ms)};
    return std::nullopt;
}

int instances_running(const std::vector<Server>& servers) {
    std::set<std::pair<std::string, std::string>> seen;
    for (const Server& server : servers)
        for (const Sessions& sessions : server.sessions)
            if (sessions.application.starts_with(pay_prefix))
                seen.emplace(sessions.application, sessions.client);
    return static_cast<int>(seen.size());
}

} // namespace holdfast::guard
