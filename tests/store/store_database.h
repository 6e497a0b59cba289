#pragma once

// A database with the schema of this build, and a PgStore on it as holdfast_app: what the suites
// about the store share. The schema is applied once per binary, to a template.

#include "base/metrics.h"
#include "base/offload.h"
#include "db/pool.h"
#include "guard/migrations.h"
#include "net/block_on.h"
#include "store/pg_store.h"
#include "tests/support/pg_fixture.h"

#include <stdexcept>
#include <string>

namespace holdfast::store {

inline db::ConnectOptions options_of(const std::string& url) {
    auto options = db::ConnectOptions::parse(SecretString(url));
    if (!options) throw std::runtime_error(to_string(options.error()));
    options->role = "test";
    return *options;
}

inline void apply_schema(const test::PgDatabase& database) {
    net::Loop loop{1};
    Offload offload{{.name = "migrate"}};
    guard::Migrations migrations(loop, db::connector(loop, offload, options_of(database.url())));
    auto applied = net::block_on(loop, migrations.up(Deadline::after(std::chrono::seconds{60})));
    if (!applied) throw std::runtime_error(to_string(applied.error()));
}

/// The name of a database of the shared cluster that has the schema and no rows.
inline std::string schema_template() {
    static const test::PgDatabase migrated;
    [[maybe_unused]] static const bool done = (apply_schema(migrated), true);
    return migrated.name();
}

class StoreDatabase {
  public:
    StoreDatabase() : StoreDatabase(test::PgCluster::shared(), schema_template()) {}
    /// On a cluster of its own, for what is done to servers.
    explicit StoreDatabase(test::PgCluster& cluster) : StoreDatabase(cluster, "template0") {
        apply_schema(database_);
    }
    ~StoreDatabase() {
        (void)net::block_on(loop_, pool_.close(Deadline::after(std::chrono::seconds{5})));
    }

    net::Loop& loop() { return loop_; }
    PgStore& store() { return store_; }
    db::Pool& pool() { return pool_; }
    const test::PgDatabase& database() const { return database_; }

    /// Runs a task to its end; its error ends the test.
    template <class T> T get(net::Task<T> task) {
        Result<T> result = net::block_on(loop_, std::move(task));
        if (!result) throw std::runtime_error(to_string(result.error()));
        if constexpr (!std::is_void_v<T>) return std::move(*result);
    }
    template <class T> Result<T> try_get(net::Task<T> task) {
        return net::block_on(loop_, std::move(task));
    }
    std::unique_ptr<db::Connection> connect(std::string_view user = "holdfast_app") {
        return get(db::connect(loop_, offload_, options_of(database_.url(user)),
                               Deadline::after(std::chrono::seconds{10})));
    }

  private:
    StoreDatabase(test::PgCluster& cluster, std::string_view from_template)
        : database_(cluster, from_template),
          connect_(db::connector(loop_, offload_, options_of(database_.url("holdfast_app")))),
          pool_(loop_, registry_, {}, limits_, connect_),
          store_(pool_, connect_) {}

    net::Loop loop_{1};
    Offload offload_{{.name = "test"}};
    test::PgDatabase database_;
    Registry registry_;
    db::FixedLimits limits_;
    db::Pool::Connect connect_;
    db::Pool pool_;
    PgStore store_;
};

} // namespace holdfast::store
