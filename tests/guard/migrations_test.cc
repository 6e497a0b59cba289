// The migration runner on a real server: the schema forth and back, refusals, and locks in its way.

#include "guard/migrations.h"

#include "base/offload.h"
#include "net/block_on.h"
#include "net/gate.h"
#include "net/timer.h"
#include "tests/support/pg_fixture.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

namespace holdfast::guard {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

/// What a schema is: columns, indexes, constraints, triggers, functions, privileges.
constexpr const char* catalog = R"(
SELECT string_agg(line, E'\n' ORDER BY line) FROM (
  SELECT format('%s %s %s %s %s', c.relname, a.attname, format_type(a.atttypid, a.atttypmod),
                a.attnotnull, a.attidentity) AS line
    FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
   WHERE c.relnamespace = 'public'::regnamespace AND a.attnum > 0 AND NOT a.attisdropped
  UNION ALL SELECT pg_get_indexdef(indexrelid) FROM pg_index i
   JOIN pg_class c ON c.oid = i.indexrelid WHERE c.relnamespace = 'public'::regnamespace
  UNION ALL SELECT format('%s %s', conrelid::regclass, pg_get_constraintdef(oid)) FROM pg_constraint
   WHERE connamespace = 'public'::regnamespace
  UNION ALL SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal
  UNION ALL SELECT pg_get_functiondef(oid) FROM pg_proc WHERE pronamespace = 'public'::regnamespace
  UNION ALL SELECT format('%s %s %s %s', relname, relowner::regrole, reloptions, relacl)
   FROM pg_class WHERE relnamespace = 'public'::regnamespace
  UNION ALL SELECT format('schema %s', nspacl) FROM pg_namespace WHERE nspname = 'public'
  UNION ALL SELECT format('default %s %s', defaclrole::regrole, defaclacl) FROM pg_default_acl
) AS lines)";

class MigrationsTest : public testing::Test {
  protected:
    static Deadline soon() { return Deadline::after(std::chrono::seconds{30}); }

    Migrations migrations(std::span<const SchemaFile> files = schema_files(),
                          MigrationOptions options = {}) {
        auto parsed = db::ConnectOptions::parse(SecretString(database_.url()));
        parsed->role = "migrate";
        return {loop_, db::connector(loop_, offload_, *parsed), std::move(options), files};
    }
    template <class T> Result<T> wait(Task<T> task) {
        return net::block_on(loop_, std::move(task));
    }
    template <class T> T get(Task<T> task) {
        auto result = wait(std::move(task));
        if (!result) throw std::runtime_error(to_string(result.error()));
        return std::move(*result);
    }
    template <class T> Error error_of(Task<T> task) {
        auto result = wait(std::move(task));
        return result ? Error{.code = "none"} : std::move(result).error();
    }
    std::unique_ptr<db::Connection> connect() {
        return get(db::connect(loop_, offload_,
                               *db::ConnectOptions::parse(SecretString(database_.url())), soon()));
    }
    /// Somebody in a transaction that has read the table `shops`.
    std::unique_ptr<db::Connection> hold_shops() {
        auto holder = connect();
        db::Pipeline hold;
        hold.begin();
        hold.add_sql("SELECT count(*) FROM shops");
        get(holder->run(hold, soon()));
        return holder;
    }

    /// The first real file, then these.
    std::vector<SchemaFile> with_roles(std::vector<SchemaFile> more) const {
        for (const SchemaFile& file : schema_files()) {
            if (file.name.starts_with("0001")) more.push_back(file);
        }
        return more;
    }

    net::Loop loop_{1};
    Offload offload_{{.name = "test"}};
    test::PgDatabase database_;
};

constexpr SchemaFile shops{"0002_shops.sql", R"(-- purpose: shops
-- kind: expand
-- lock-budget: 50 ms
-- inverse: 0002_shops.down.sql
CREATE TABLE shops (id int);)"};
constexpr SchemaFile shops_down{"0002_shops.down.sql", "DROP TABLE shops;"};
constexpr SchemaFile names{"0003_names.sql", R"(-- purpose: names of shops
-- kind: contract
-- lock-budget: 50 ms
ALTER TABLE shops ADD COLUMN name text;)"};

TEST_F(MigrationsTest, TheSchemaGoesForthAndBackAndForth) {
    const std::string before = database_.value(catalog);
    const auto applied = get(migrations().up(soon()));
    ASSERT_THAT(applied, testing::Not(IsEmpty()));
    const std::string after = database_.value(catalog);
    EXPECT_NE(before, after);
    EXPECT_THAT(get(migrations().up(soon())), IsEmpty()) << "nothing is left to do";

    std::vector<std::string> undone;
    for (auto name = get(migrations().down(soon())); !name.empty();
         name = get(migrations().down(soon()))) {
        undone.insert(undone.begin(), name);
    }
    EXPECT_EQ(undone, applied);
    EXPECT_EQ(database_.value("SELECT count(*) FROM pg_class"
                              " WHERE relnamespace = 'public'::regnamespace"),
              "0");
    EXPECT_EQ(get(migrations().up(soon())), applied);
    EXPECT_EQ(database_.value(catalog), after);
}

TEST_F(MigrationsTest, TellsTheStatusOfEveryStep) {
    auto status = get(migrations().status(soon()));
    ASSERT_FALSE(status.empty());
    for (const StepStatus& step : status) EXPECT_FALSE(step.applied) << step.name;
    get(migrations().up(soon()));
    status = get(migrations().status(soon()));
    for (const StepStatus& step : status) {
        EXPECT_TRUE(step.applied) << step.name;
        EXPECT_EQ(step.attempts, 1) << step.name;
    }
}

TEST_F(MigrationsTest, OwnsEverythingByARoleThatCannotLogIn) {
    get(migrations().up(soon()));
    EXPECT_EQ(database_.value("SELECT count(*) FROM pg_class WHERE relnamespace ="
                              " 'public'::regnamespace AND relowner <> 'holdfast_owner'::regrole"),
              "0");
    EXPECT_EQ(database_.value("SELECT rolcanlogin FROM pg_roles WHERE rolname = 'holdfast_owner'"),
              "f");
}

TEST_F(MigrationsTest, RefusesAFileThatHasChanged) {
    get(migrations().up(soon()));
    database_.value("UPDATE schema_migrations SET checksum = 'x' WHERE version = 2");
    EXPECT_EQ(error_of(migrations().up(soon())).code, "migration_changed");
    EXPECT_EQ(error_of(migrations().status(soon())).code, "migration_changed");
}

TEST_F(MigrationsTest, RefusesADatabaseOfANewerBuild) {
    get(migrations().up(soon()));
    database_.value(
        "INSERT INTO schema_migrations (version, name, checksum, attempts, duration_ms)"
        " VALUES (999, '0999_later', 'x', 1, 1)");
    EXPECT_EQ(error_of(migrations().up(soon())).code, "migration_newer");
}

TEST_F(MigrationsTest, AStepIsAppliedAndRecordedOrNeither) {
    const SchemaFile broken{"0002_shops.sql", R"(-- purpose: shops
-- kind: contract
-- lock-budget: 50 ms
CREATE TABLE shops (id int); SELECT 1 / 0;)"};
    const auto files = with_roles({broken});
    const Error error = error_of(migrations(files).up(soon()));
    EXPECT_EQ(error.sqlstate, "22012");
    EXPECT_THAT(error.message, HasSubstr("0002_shops"));
    EXPECT_EQ(database_.value("SELECT to_regclass('shops') IS NULL"), "t");
    EXPECT_EQ(database_.value("SELECT max(version) FROM schema_migrations"), "1");
}

TEST_F(MigrationsTest, ThereIsNoWayBackFromAContractStep) {
    const auto files = with_roles({shops, shops_down, names});
    get(migrations(files).up(soon()));
    EXPECT_EQ(error_of(migrations(files).down(soon())).code, "migration_irreversible");
}

TEST_F(MigrationsTest, GivesUpOnALockAndNamesWhoHoldsIt) {
    const auto first = with_roles({shops, shops_down});
    const auto both = with_roles({shops, shops_down, names});
    get(migrations(first).up(soon()));
    auto holder = hold_shops();

    MigrationOptions few;
    few.attempts_max = 3;
    const Error error = error_of(migrations(both, few).up(soon()));
    EXPECT_EQ(error.code, "migration_blocked");
    EXPECT_TRUE(error.retryable);
    EXPECT_THAT(error.message, HasSubstr(fmt::format("pid {}", holder->backend_pid())));
    EXPECT_THAT(error.message, HasSubstr("3 attempts of 50 ms"));
    holder.reset();
    EXPECT_THAT(get(migrations(both).up(soon())), SizeIs(1));
}

net::Task<void> let_go(db::Connection& holder, Duration after) {
    CO_TRY_VOID(co_await net::sleep_for(after));
    db::Pipeline end;
    end.rollback();
    CO_TRY_VOID(co_await holder.run(end, Deadline::after(std::chrono::seconds{5})));
    co_return Result<void>{};
}

TEST_F(MigrationsTest, TriesAgainUntilTheLockIsFree) {
    const auto first = with_roles({shops, shops_down});
    const auto both = with_roles({shops, shops_down, names});
    get(migrations(first).up(soon()));
    auto holder = hold_shops();
    net::Gate gate(loop_, "holder");
    ASSERT_TRUE(gate.spawn(let_go(*holder, std::chrono::milliseconds{400})));
    EXPECT_THAT(get(migrations(both).up(soon())), SizeIs(1));
    EXPECT_GT(
        std::stoi(database_.value("SELECT attempts FROM schema_migrations WHERE version = 3")), 1);
    EXPECT_TRUE(wait(gate.close(soon())));
}

TEST_F(MigrationsTest, RunsOneAtATime) {
    auto other = connect();
    db::Pipeline lock;
    lock.add_sql("SELECT pg_advisory_lock(1835624306, 1)"); // "migr"
    get(other->run(lock, soon()));
    const Error error = error_of(migrations().up(Deadline::after(std::chrono::milliseconds{500})));
    EXPECT_EQ(error.code, "migration_running");
    EXPECT_THAT(error.message, HasSubstr(fmt::format("pid {}", other->backend_pid())));
}

struct Malformed {
    const char* what;
    SchemaFile file;
};

TEST_F(MigrationsTest, RefusesMalformedFilesBeforeItTouchesAnything) {
    const Malformed cases[] = {
        {"no purpose", {"0002_a.sql", "-- kind: contract\n-- lock-budget: 50 ms\n"}},
        {"no kind", {"0002_a.sql", "-- purpose: a\n-- lock-budget: 50 ms\n"}},
        {"too long", {"0002_a.sql", "-- purpose: a\n-- kind: contract\n-- lock-budget: 500 ms\n"}},
        {"no budget", {"0002_a.sql", "-- purpose: a\n-- kind: contract\n"}},
        {"no inverse", {"0002_a.sql", "-- purpose: a\n-- kind: expand\n-- lock-budget: 50 ms\n"}},
        {"a gap", {"0003_a.sql", "-- purpose: a\n-- kind: contract\n-- lock-budget: 50 ms\n"}},
        {"no number", {"a.sql", "-- purpose: a\n-- kind: contract\n-- lock-budget: 50 ms\n"}},
        {"no step", {"0002_a.down.sql", "SELECT 1;"}},
    };
    for (const Malformed& one : cases) {
        const auto files = with_roles({one.file});
        EXPECT_EQ(error_of(migrations(files).up(soon())).code, "migration_malformed") << one.what;
    }
    EXPECT_EQ(database_.value("SELECT to_regclass('schema_migrations') IS NULL"), "t");
}

} // namespace
} // namespace holdfast::guard
