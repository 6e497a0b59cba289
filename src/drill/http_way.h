#pragma once

// HttpWay: the Way to an API over HTTP, as merchants' servers reach it: keep-alive connections, of
// each lane its own, with the secret key. Several instances share one port and the kernel decides
// by connection, so requests of different lanes reach different instances as often as not.
//
// Limits: lanes_max clients, each of connections_max. Thread: the loop's.

#include "drill/load.h"
#include "net/http_client.h"

#include <memory>
#include <string>
#include <vector>

namespace holdfast::drill {

class HttpWay final : public Way {
  public:
    static constexpr int lanes_max = Load::lanes + 1;
    static constexpr std::size_t connections_max = 512;

    static Result<std::unique_ptr<HttpWay>> create(net::Loop& loop, const std::string& api_base,
                                                   std::string secret_key);

    net::Task<net::HttpResponse> send(Call call, int lane, net::Deadline deadline) override;

  private:
    HttpWay(net::Loop& loop, net::HttpUrl url, std::string secret_key);

    net::HttpUrl url_;
    std::string authorization_;
    std::vector<std::unique_ptr<net::HttpClient>> clients_;
};

} // namespace holdfast::drill
