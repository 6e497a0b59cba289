#include "db/pg_connection.h"
#include "db/pool.h"
#include "db/resolve.h"

namespace holdfast::db {

Task<std::unique_ptr<Connection>> connect(Loop& loop, Offload& offload, ConnectOptions options,
                                          Deadline deadline) {
    if (needs_lookup(options)) {
        CO_TRY(options, co_await resolved(offload, std::move(options), deadline));
    }
    auto connection = std::make_unique<PgConnection>(loop, std::move(options));
    CO_TRY_VOID(co_await connection->open(deadline));
    co_return connection;
}

Pool::Connect connector(Loop& loop, Offload& offload, ConnectOptions options) {
    return [&loop, &offload, options = std::move(options)](Deadline deadline) {
        return connect(loop, offload, options, deadline);
    };
}

} // namespace holdfast::db
