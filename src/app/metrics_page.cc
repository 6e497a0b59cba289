#include "app/metrics_page.h"

#include <fmt/format.h>

#include <algorithm>

namespace holdfast::app {
namespace {

constexpr Duration peer_timeout = std::chrono::seconds{1};
constexpr std::string_view content_type = "text/plain; version=0.0.4; charset=utf-8";

/// All samples of one metric; histograms have several names in one family.
struct Family {
    std::string_view described_by; ///< the process whose page the header is from
    std::string header;            ///< HELP and TYPE
    std::string samples;
};

std::string_view next_line(std::string_view& text) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    return line;
}

/// The third word of "# HELP name ..." or "# TYPE name ...".
std::string_view family_of_comment(std::string_view line) {
    line.remove_prefix(std::min<std::size_t>(line.size(), 7));
    return line.substr(0, line.find(' '));
}

/// name{a="b"} 1  ->  name{process="pay-1",a="b"} 1
void append_labelled(std::string& out, std::string_view sample, std::string_view process) {
    const std::size_t brace = sample.find('{');
    const std::size_t space = sample.find(' ');
    const bool labelled = brace < space;
    const std::size_t name_end = labelled ? brace : space;
    out += fmt::format("{}{{process=\"{}\"", sample.substr(0, name_end), process);
    if (labelled)
        out += fmt::format(",{}\n", sample.substr(brace + 1));
    else
        out += fmt::format("}}{}\n", sample.substr(name_end));
}

net::HttpResponse page_response(std::string body) {
    net::HttpResponse response;
    response.headers.add("Content-Type", content_type);
    response.headers.add("Cache-Control", "no-store");
    response.body = std::move(body);
    return response;
}

} // namespace

std::string merge_metrics(const std::map<std::string, std::string>& page_by_process) {
    std::map<std::string, Family, std::less<>> families;
    for (const auto& [process, page] : page_by_process) {
        std::string_view rest = page;
        Family* family = nullptr;
        while (!rest.empty()) {
            const std::string_view line = next_line(rest);
            if (line.starts_with("# ")) {
                family = &families[std::string(family_of_comment(line))];
                if (family->described_by.empty()) family->described_by = process;
                if (family->described_by == process) family->header += fmt::format("{}\n", line);
            } else if (!line.empty() && family) {
                append_labelled(family->samples, line, process);
            }
        }
    }
    std::string merged;
    for (const auto& [name, family] : families) merged += family.header + family.samples;
    return merged;
}

MetricsPage::MetricsPage(net::Loop& loop, std::string name, const Registry& registry,
                         std::vector<PeerAddress> peers)
    : name_(std::move(name)), registry_(registry), peers_(std::move(peers)), client_(loop, {}) {}

net::HttpResponse MetricsPage::own() const { return page_response(registry_.render()); }

net::Task<net::HttpResponse> MetricsPage::render(net::Deadline deadline) {
    std::map<std::string, std::string> pages{{name_, registry_.render()}};
    std::string up =
        "# HELP holdfast_process_up Whether a process of this machine answered.\n"
        "# TYPE holdfast_process_up gauge\n";
    up += fmt::format("holdfast_process_up{{process=\"{}\"}} 1\n", name_);
    for (const auto& [name, host, port] : peers_) {
        net::HttpClientRequest request{
            .host = host, .port = port, .target = "/metrics/own", .safe_to_resend = true};
        auto response = co_await client_.request(std::move(request), deadline.capped(peer_timeout));
        const bool answered = response && response->status == 200;
        if (answered) pages.emplace(name, std::move(response->body));
        up += fmt::format("holdfast_process_up{{process=\"{}\"}} {}\n", name, answered ? 1 : 0);
    }
    co_return page_response(up + merge_metrics(pages));
}

} // namespace holdfast::app
