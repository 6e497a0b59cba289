#include "db/resolve.h"

#include "net/offload_await.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <netdb.h>
#include <sys/socket.h>
#include <algorithm>
#include <array>
#include <memory>

namespace holdfast::db {
namespace {

std::vector<std::string> split(std::string_view list) {
    std::vector<std::string> parts;
    for (std::size_t at = 0; at <= list.size();) {
        const std::size_t end = std::min(list.find(',', at), list.size());
        parts.emplace_back(list.substr(at, end - at));
        at = end + 1;
    }
    return parts;
}

bool is_name(const std::string& host) {
    if (host.empty() || host[0] == '/' || host[0] == '@') return false; // a unix socket
    std::array<unsigned char, sizeof(in6_addr)> ignored;
    return ::inet_pton(AF_INET, host.c_str(), ignored.data()) != 1 &&
           ::inet_pton(AF_INET6, host.c_str(), ignored.data()) != 1;
}

} // namespace

bool needs_lookup(const ConnectOptions& options) {
    return options.value("hostaddr").empty() &&
           std::ranges::any_of(split(options.value("host")), is_name);
}

std::vector<std::string> look_up(const std::string& name) {
    addrinfo hints{};
    hints.ai_family = AF_UNSPEC;
    hints.ai_socktype = SOCK_STREAM;
    addrinfo* found = nullptr;
    if (::getaddrinfo(name.c_str(), nullptr, &hints, &found) != 0) return {};
    const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> list(found, ::freeaddrinfo);
    std::vector<std::string> addresses;
    for (const addrinfo* entry = found; entry; entry = entry->ai_next) {
        std::array<char, NI_MAXHOST> text{};
        if (::getnameinfo(entry->ai_addr, entry->ai_addrlen, text.data(), text.size(), nullptr, 0,
                          NI_NUMERICHOST) == 0) {
            addresses.emplace_back(text.data());
        }
    }
    return addresses;
}

Result<ConnectOptions> with_addresses(ConnectOptions options, const Lookup& lookup) {
    const auto hosts = split(options.value("host"));
    const auto ports = split(options.value("port"));
    if (ports.size() != 1 && ports.size() != hosts.size()) {
        return fail(ErrorClass::Invalid, "database_url_invalid",
                    fmt::format("{} ports for {} hosts: give one, or one for each.", ports.size(),
                                hosts.size()));
    }
    std::vector<std::string> out_hosts, out_addresses, out_ports;
    for (std::size_t i = 0; i < hosts.size(); ++i) {
        const auto addresses =
            is_name(hosts[i]) ? lookup(hosts[i]) : std::vector<std::string>{std::string{}};
        for (const std::string& address : addresses) {
            out_hosts.push_back(hosts[i]);
            out_addresses.push_back(address);
            out_ports.push_back(ports.size() == 1 ? ports[0] : ports[i]);
        }
    }
    if (out_hosts.empty()) {
        return fail(Error{.kind = ErrorClass::Unavailable,
                          .code = "host_not_found",
                          .message = fmt::format("No address for {}.", options.value("host")),
                          .retryable = true});
    }
    options.set("host", fmt::format("{}", fmt::join(out_hosts, ",")));
    options.set("hostaddr", fmt::format("{}", fmt::join(out_addresses, ",")));
    options.set("port", fmt::format("{}", fmt::join(out_ports, ",")));
    return options;
}

net::Task<ConnectOptions> resolved(Offload& offload, ConnectOptions options,
                                   net::Deadline deadline) {
    auto work = [options = std::move(options)] { return with_addresses(options, look_up); };
    auto found = co_await net::offloaded(offload, std::move(work), deadline);
    if (!found && found.error().kind == ErrorClass::Unknown) {
        co_return fail(ErrorClass::Deadline, "deadline_passed", "Name resolution took too long.");
    }
    co_return found;
}

} // namespace holdfast::db
