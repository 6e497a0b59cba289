#include "drill/http_way.h"

namespace holdfast::drill {

Result<std::unique_ptr<HttpWay>> HttpWay::create(net::Loop& loop, const std::string& api_base,
                                                 std::string secret_key) {
    TRY(net::HttpUrl url, net::parse_http_url(api_base));
    return std::unique_ptr<HttpWay>(new HttpWay(loop, std::move(url), std::move(secret_key)));
}

HttpWay::HttpWay(net::Loop& loop, net::HttpUrl url, std::string secret_key)
    : url_(std::move(url)), authorization_("Bearer " + secret_key) {
    for (int i = 0; i < lanes_max; ++i)
        clients_.push_back(std::make_unique<net::HttpClient>(
            loop, net::HttpClientOptions{.connections_per_host = connections_max,
                                         .waiting_per_host = Load::under_way_max}));
}

net::Task<net::HttpResponse> HttpWay::send(Call call, int lane, net::Deadline deadline) {
    net::HttpClientRequest request{.method = std::move(call.method),
                                   .host = url_.host,
                                   .port = url_.port,
                                   .target = std::move(call.target),
                                   .body = std::move(call.body)};
    request.headers.add("Authorization", authorization_);
    if (request.method == "POST") {
        request.headers.add("Content-Type", "application/x-www-form-urlencoded");
        request.headers.add("Idempotency-Key", call.key);
    }
    auto& client = clients_[static_cast<std::size_t>(lane % lanes_max)];
    co_return co_await client->request(std::move(request), deadline);
}

} // namespace holdfast::drill
