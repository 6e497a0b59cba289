#include "app/platform_page.h"

#include "base/files.h"
#include "base/json.h"
#include "net/block_on.h"

#include <boost/json/value.hpp>

namespace holdfast::app {

Result<std::unique_ptr<PlatformPage>> PlatformPage::of(const std::string& data) {
    const auto text = read_file(data + "/platform.json");
    if (!text)
        return fail(ErrorClass::Unavailable, "platform_not_ready",
                    "`holdfast up` is not ready yet; try again when it is");
    TRY(const auto json, parse_json(*text));
    TRY(const std::string url, json_text(json, "metrics_url"));
    TRY(net::HttpUrl parsed, net::parse_http_url(url));
    return std::unique_ptr<PlatformPage>(new PlatformPage(std::move(parsed)));
}

Result<std::string> PlatformPage::read() {
    net::HttpClientRequest request{
        .host = url_.host, .port = url_.port, .target = url_.target, .safe_to_resend = true};
    TRY(auto answer,
        net::block_on(loop_, client_.request(std::move(request), net::Deadline::after(patience))));
    return std::move(answer.body);
}

} // namespace holdfast::app
