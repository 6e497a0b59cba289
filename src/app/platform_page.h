#pragma once

// PlatformPage: the metrics of all processes that `holdfast up` runs on a data directory, as a
// command reads them. Blocks; has a loop of its own.

#include "net/http_client.h"

#include <memory>
#include <string>

namespace holdfast::app {

class PlatformPage {
  public:
    static constexpr Duration patience = std::chrono::seconds{3};

    /// Error Unavailable "platform_not_ready" when DATA/platform.json is not there.
    static Result<std::unique_ptr<PlatformPage>> of(const std::string& data);
    Result<std::string> read();

  private:
    explicit PlatformPage(net::HttpUrl url) : url_(std::move(url)) {}
    net::HttpUrl url_;
    net::Loop loop_{1};
    net::HttpClient client_{loop_, {}};
};

} // namespace holdfast::app
