#include "app/reconcile.h"

#include "base/env.h"
#include "base/files.h"
#include "store/reconcile.h"

namespace holdfast::app {
namespace {

constexpr int page_lines = 1000;
constexpr Duration page_patience = std::chrono::seconds{20};

} // namespace

Result<std::unique_ptr<gateway::SignedHttpConnector>> reach_acquirer(net::Loop& loop,
                                                                     Offload& offload,
                                                                     const Target& place) {
    if (place.acquirer_url.empty() || place.acquirer_secret_file.empty())
        return fail(ErrorClass::NotFound, "acquirer_unnamed",
                    "no acquirer is named: use --acquirer-url and --acquirer-secret-file, or "
                    "--data of a `holdfast up`");
    TRY(auto secret, read_secret_file(place.acquirer_secret_file));
    return gateway::SignedHttpConnector::create(
        loop, Env::current(),
        {.base_url = place.acquirer_url, .secret = std::move(secret), .offload = &offload});
}

net::Task<void> each_booking(gateway::Connector& connector, EachBooking each,
                             net::Deadline deadline) {
    std::string position;
    while (true) {
        CO_TRY(const auto lines,
               co_await connector.list_since(position, page_lines, deadline.capped(page_patience)));
        for (const gateway::BookLine& line : lines) {
            position = line.position;
            each(line);
        }
        if (static_cast<int>(lines.size()) < page_lines) co_return Result<void>{};
    }
}

net::Task<void> each_operation(db::Pool& pool, EachOperation each, net::Deadline deadline) {
    core::RowKey after;
    while (true) {
        CO_TRY(const auto page, co_await store::operations_after(pool, after, page_lines,
                                                                 deadline.capped(page_patience)));
        for (const core::Operation& operation : page) {
            after = {operation.account, operation.id.uuid()};
            each(operation);
        }
        if (static_cast<int>(page.size()) < page_lines) co_return Result<void>{};
    }
}

} // namespace holdfast::app
