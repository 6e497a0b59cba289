#include "db/embedded_cluster.h"

#include "base/bytes.h"
#include "base/files.h"
#include "base/id.h"
#include "db/pair_view.h"

#include <fmt/format.h>
#include <libpq-fe.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>

#include <sys/stat.h>
#include <unistd.h>

namespace holdfast::db {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view superuser = "postgres";
constexpr std::array login_roles = {"holdfast_migrator", "holdfast_app", "holdfast_read",
                                    "holdfast_watch", "holdfast_replication"};
constexpr std::string_view replication_role = "holdfast_replication";
/// Who copies must not be taken for the standby that it will be.
constexpr std::string_view copying_application = "holdfast_copy";
constexpr std::string_view standby_signal = "standby.signal";
constexpr std::size_t socket_path_max = 100; ///< sockaddr_un holds 108
constexpr int log_segment_mib = 16;
constexpr int min_wal_size_mib = 512; ///< what a checkpoint keeps as segments to come
constexpr int max_wal_size_mib = 1024;
/// A node that was the primary is rewound by what it wrote itself since the last checkpoint that
/// both have, which may be one more than the last. (What the other one wrote since is kept by a
/// slot that is made before the promotion.)
constexpr int wal_keep_size_mib = max_wal_size_mib;
constexpr int log_segments_ahead = min_wal_size_mib / log_segment_mib;
constexpr Duration initdb_timeout = std::chrono::minutes{3};
constexpr Duration basebackup_timeout = std::chrono::hours{2};
constexpr Duration primary_patience = std::chrono::seconds{30};
constexpr Duration rewind_timeout = std::chrono::minutes{30};
constexpr Duration poll_interval = std::chrono::milliseconds{20};
constexpr int connect_timeout_s =
    10; ///< of a start, also on a machine that is busy with other things

using Connection = std::unique_ptr<PGconn, decltype(&PQfinish)>;
using QueryAnswer = std::unique_ptr<PGresult, decltype(&PQclear)>;

Error io_error(std::string_view what, std::string_view path) {
    return {.kind = ErrorClass::Io,
            .code = "cluster_io",
            .message = fmt::format("can't {} {}: {}", what, path, std::strerror(errno))};
}

std::string percent_encoded(std::string_view text) {
    std::string out;
    for (const char c : text) {
        if (std::isalnum(static_cast<unsigned char>(c)) || c == '-' || c == '_' || c == '.')
            out += c;
        else
            out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
    return out;
}

int port_of(Node node) { return node == Node::A ? 5432 : 5433; } // names of sockets only

std::string tail_of(const std::string& path, std::size_t lines_max) {
    std::ifstream file(path);
    std::vector<std::string> lines;
    for (std::string line; std::getline(file, line);) lines.push_back(line);
    const std::size_t from = lines.size() > lines_max ? lines.size() - lines_max : 0;
    std::string tail;
    for (std::size_t i = from; i < lines.size(); ++i) tail += lines[i] + "\n";
    return tail;
}

/// A sixteenth of the memory: two servers and the platform share the machine.
std::int64_t shared_buffers_mib() {
    const std::int64_t pages = ::sysconf(_SC_PHYS_PAGES);
    const std::int64_t page_bytes = ::sysconf(_SC_PAGESIZE);
    const std::int64_t mib = pages * page_bytes / (1 << 20);
    return std::clamp<std::int64_t>(mib / 16, 128, 2048);
}

/// One statement on a connection of its own; the first value of its answer.
Result<std::string> ask(const std::string& target, const std::string& statement) {
    const std::string in_time = fmt::format("{} connect_timeout={}", target, connect_timeout_s);
    const Connection connection(PQconnectdb(in_time.c_str()), &PQfinish);
    if (PQstatus(connection.get()) != CONNECTION_OK)
        return fail(ErrorClass::Unavailable, "database_unreachable",
                    PQerrorMessage(connection.get()));
    const QueryAnswer answer(PQexec(connection.get(), statement.c_str()), &PQclear);
    const auto status = PQresultStatus(answer.get());
    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK)
        return fail(ErrorClass::Unavailable, "database_refused",
                    PQresultErrorMessage(answer.get()));
    if (PQntuples(answer.get()) == 0) return std::string{};
    return std::string(PQgetvalue(answer.get(), 0, 0));
}

} // namespace

EmbeddedCluster::EmbeddedCluster(Env& env, ClusterOptions options, std::string programs,
                                 std::string sockets)
    : env_(&env),
      options_(std::move(options)),
      programs_(std::move(programs)),
      sockets_(std::move(sockets)) {}

Result<EmbeddedCluster> EmbeddedCluster::open(Env& env, ClusterOptions options) {
    const std::string programs = "/usr/lib/postgresql/15/bin";
    if (!fs::exists(programs + "/postgres"))
        return fail(ErrorClass::Unavailable, "postgres_missing",
                    "PostgreSQL 15's server programs are not installed; install the package "
                    "postgresql-15, or name a server with --database-url");
    std::string sockets = options.data_directory + "/run";
    if (sockets.size() + std::strlen("/.s.PGSQL.5433") > socket_path_max)
        sockets = "/tmp/holdfast-" + to_hex(sha256(options.data_directory)).substr(0, 16);
    EmbeddedCluster cluster(env, std::move(options), programs, sockets);
    std::error_code error;
    for (const std::string& directory : {cluster.options_.data_directory + "/log",
                                         cluster.options_.data_directory + "/secrets", sockets}) {
        fs::create_directories(directory, error);
        if (error) return fail(io_error("create", directory));
        if (::chmod(directory.c_str(), 0750) != 0) return fail(io_error("protect", directory));
        TRY_VOID(give_to(cluster.options_.user, directory));
    }
    TRY_VOID(cluster.ensure_secrets());
    return cluster;
}

std::string EmbeddedCluster::program(std::string_view name) const {
    return fmt::format("{}/{}", programs_, name);
}
std::string EmbeddedCluster::directory(Node node) const {
    return fmt::format("{}/postgres-{}", options_.data_directory, name_of(node));
}
std::string EmbeddedCluster::log_path(Node node) const {
    return fmt::format("{}/log/postgres-{}.log", options_.data_directory, name_of(node));
}
std::string EmbeddedCluster::passfile(std::string_view role) const {
    return fmt::format("{}/secrets/{}.pgpass", options_.data_directory, role);
}
std::string EmbeddedCluster::standby_name_of(Node node) {
    return fmt::format("holdfast_{}", name_of(node));
}
std::string EmbeddedCluster::marker(Node node) const { return directory(node) + ".made"; }
bool EmbeddedCluster::made(Node node) const { return fs::exists(marker(node)); }

Result<void> EmbeddedCluster::mark_made(Node node) const {
    return write_file_durably(marker(node), "", 0600, options_.user);
}

Result<void> EmbeddedCluster::unmark_made(Node node) const {
    return remove_file_durably(marker(node));
}

bool EmbeddedCluster::earlier_layout() const {
    return std::ranges::any_of(
        std::array{"primary", "standby", "postgres-a/holdfast.made", "postgres-b/holdfast.made"},
        [this](const char* path) {
            return fs::exists(fmt::format("{}/{}", options_.data_directory, path));
        });
}

bool EmbeddedCluster::follows(Node node) const {
    return fs::exists(fmt::format("{}/{}", directory(node), standby_signal));
}

/// An empty directory for a node, whatever was there. One that is there stays: it may be a file
/// system of its own.
Result<void> EmbeddedCluster::make_directory(Node node) const {
    const std::string target = directory(node);
    std::error_code error;
    fs::create_directories(target, error);
    std::vector<fs::path> old;
    if (!error) old.assign(fs::directory_iterator(target, error), fs::directory_iterator());
    for (const fs::path& path : old)
        if (!error) fs::remove_all(path, error);
    if (error) return fail(io_error("empty", target));
    if (::chmod(target.c_str(), 0700) != 0) return fail(io_error("protect", target));
    return give_to(options_.user, target);
}

Result<void> EmbeddedCluster::ensure_secrets() {
    auto ensure = [&](std::string_view role, bool for_user) -> Result<void> {
        if (fs::exists(passfile(role))) return {};
        Uuid a, b;
        env_->fill_random(std::as_writable_bytes(std::span(a.bytes)));
        env_->fill_random(std::as_writable_bytes(std::span(b.bytes)));
        return write_file_durably(passfile(role),
                                  fmt::format("*:*:*:{}:{}{}\n", role, a.base62(), b.base62()),
                                  0600, for_user ? options_.user : std::nullopt);
    };
    TRY_VOID(ensure(superuser, false));
    for (const char* role : login_roles) TRY_VOID(ensure(role, true));
    return {};
}

Result<SecretString> EmbeddedCluster::password(std::string_view role) const {
    TRY(SecretString line, read_secret_file(passfile(role)));
    return SecretString(line.reveal().substr(line.reveal().rfind(':') + 1));
}

std::string EmbeddedCluster::configuration() const {
    return fmt::format(
        R"(# Written by holdfast when this cluster was made; yours to change afterwards.
listen_addresses = ''
unix_socket_permissions = 0770
max_connections = {}
shared_buffers = {}MB
password_encryption = scram-sha-256

# durability
fsync = on
synchronous_commit = on
full_page_writes = on
wal_log_hints = on
wal_compression = lz4
wal_level = replica
hot_standby = on
hot_standby_feedback = on
max_slot_wal_keep_size = 8GB
wal_keep_size = {}MB
max_wal_size = {}MB
min_wal_size = {}MB
checkpoint_timeout = 15min

# nothing waits for ever
idle_in_transaction_session_timeout = 60s
deadlock_timeout = 200ms
log_lock_waits = on
wal_receiver_timeout = 10s
wal_receiver_status_interval = 1s
wal_sender_timeout = 10s
wal_retrieve_retry_interval = 500ms

# many small transactions
autovacuum_naptime = 10s
autovacuum_vacuum_cost_limit = 1000
jit = off
track_io_timing = on
log_line_prefix = '%m [%p] %a %u '
log_timezone = 'UTC'
timezone = 'UTC'
include_if_exists = 'holdfast.conf'
)",
        options_.max_connections, shared_buffers_mib(), wal_keep_size_mib, max_wal_size_mib,
        min_wal_size_mib);
}

Result<void> EmbeddedCluster::create(Node node, const Progress& progress) {
    const std::string target = directory(node);
    progress("creating the database (once)");
    TRY_VOID(make_directory(node));
    const std::string password_file = options_.data_directory + "/secrets/initdb";
    TRY(SecretString secret, password(superuser));
    TRY_VOID(write_file_durably(password_file, secret.reveal(), 0600, options_.user));
    auto made = run({.argv = {program("initdb"), "-D", target, "-U", std::string(superuser),
                              "--pwfile", password_file, "--data-checksums", "--encoding=UTF8",
                              "--locale=C.UTF-8", "--auth=scram-sha-256"},
                     .user = options_.user,
                     .family = options_.family},
                    initdb_timeout);
    std::error_code ignored;
    fs::remove(password_file, ignored);
    if (!made) return fail(std::move(made).error());

    TRY_VOID(write_file_durably(target + "/pg_hba.conf",
                                "# unix sockets only, everyone by password\n"
                                "local all         all                  scram-sha-256\n"
                                "local replication holdfast_replication scram-sha-256\n",
                                0600, options_.user));
    TRY_VOID(write_file_durably(target + "/postgresql.conf", configuration(), 0600, options_.user));
    return configure(node, Commits::Alone);
}

/// How this node finds the other one, for libpq.
std::string EmbeddedCluster::find_other(Node node, std::string_view application) const {
    return fmt::format("host={} port={} user={} passfile={} dbname=postgres application_name={}",
                       sockets_, port_of(other(node)), replication_role, passfile(replication_role),
                       application);
}

Result<void> EmbeddedCluster::configure(Node node, Commits commits) const {
    const std::string waits_for =
        commits == Commits::WaitForOther ? standby_name_of(other(node)) : std::string{};
    return write_file_durably(
        directory(node) + "/holdfast.conf",
        fmt::format("# Kept by holdfast: whom commits wait for, and whom this node follows when it "
                    "is a standby.\n"
                    "synchronous_standby_names = '{}'\n"
                    "primary_conninfo = '{}'\n"
                    "primary_slot_name = '{}'\n",
                    waits_for, find_other(node, standby_name_of(node)), standby_name_of(node)),
        0600, options_.user);
}

Result<void> EmbeddedCluster::base_backup(Node node, const Progress& progress) const {
    progress(fmt::format("copying the database to node {}", name_of(node)));
    TRY_VOID(make_directory(node));
    TRY(std::string copied, run({.argv = {program("pg_basebackup"), "-D", directory(node), "-d",
                                          find_other(node, copying_application), "-X", "stream",
                                          "-S", standby_name_of(node), "--checkpoint=fast"},
                                 .user = options_.user,
                                 .family = options_.family},
                                basebackup_timeout));
    return {};
}

/// Back to where the two histories parted, and what the other one has written since. Who was a
/// primary is on an older timeline than who took over. On the same one (a promotion that was
/// interrupted at the wrong moment is not continued by PostgreSQL) pg_rewind does nothing and
/// succeeds, whatever the two have written.
Result<void> EmbeddedCluster::rewind(Node node, const Progress& progress) const {
    progress(fmt::format("taking node {} back to where the other one took over", name_of(node)));
    TRY(std::string done, run({.argv = {program("pg_rewind"), "-D", directory(node),
                                        "--source-server", find_other(node, copying_application)},
                               .user = options_.user,
                               .family = options_.family},
                              rewind_timeout));
    if (done.find("on the same timeline") != std::string::npos)
        return fail(ErrorClass::Conflict, "timelines_equal", "both nodes are on one timeline");
    return {};
}

/// Until the other node is a primary whose control file says so: after a promotion the old timeline
/// stands there until the first checkpoint, and pg_rewind goes by it.
Result<void> EmbeddedCluster::wait_other_is_primary(Node node) const {
    const MonoTime until = env_->now() + primary_patience;
    for (;;) {
        auto is = ask(find_other(node, copying_application),
                      "SELECT CASE WHEN pg_is_in_recovery() THEN false ELSE "
                      "(pg_control_checkpoint()).timeline_id = "
                      "('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::int END");
        if (is && *is == "t") return {};
        if (env_->now() >= until)
            return fail(ErrorClass::Unavailable, "no_primary_to_follow",
                        fmt::format("node {} is no primary: {}", name_of(other(node)),
                                    is ? *is : is.error().message));
        block_thread(poll_interval);
    }
}

Result<void> EmbeddedCluster::follow(Node node, const Progress& progress) {
    if (made(node) && follows(node)) return configure(node, Commits::Alone);
    TRY_VOID(wait_other_is_primary(node));
    bool whole = made(node);
    TRY_VOID(unmark_made(node));
    if (whole) {
        auto rewound = rewind(node, progress);
        whole = rewound.has_value();
        if (!rewound) progress(fmt::format("that failed ({})", rewound.error().message));
    }
    if (!whole) {
        // It may have failed because the other one died: then this is the last copy.
        TRY_VOID(wait_other_is_primary(node));
        TRY_VOID(base_backup(node, progress));
    }
    // Both bring the other node's files along.
    TRY_VOID(configure(node, Commits::Alone));
    TRY_VOID(write_file_durably(fmt::format("{}/{}", directory(node), standby_signal), "", 0600,
                                options_.user));
    return mark_made(node);
}

std::vector<std::string> EmbeddedCluster::command_line(Node node) const {
    return {program("postgres"),
            "-D",
            directory(node),
            "-c",
            fmt::format("port={}", port_of(node)),
            "-c",
            fmt::format("unix_socket_directories={}", sockets_),
            "-c",
            fmt::format("cluster_name=holdfast-{}", name_of(node))};
}

Result<void> EmbeddedCluster::wait_ready(Node node, Duration timeout) const {
    const MonoTime until = env_->now() + timeout;
    const std::string probe = fmt::format("host={} port={} dbname=postgres connect_timeout={}",
                                          sockets_, port_of(node), connect_timeout_s);
    while (PQping(probe.c_str()) != PQPING_OK) {
        if (env_->now() >= until)
            return fail(
                ErrorClass::Deadline, "database_not_ready",
                fmt::format("PostgreSQL ({}) does not accept connections; its log ends:\n{}",
                            directory(node), tail_of(log_path(node), 15)));
        block_thread(poll_interval);
    }
    return {};
}

Result<std::string> EmbeddedCluster::admin(Node node, const std::string& statement) const {
    return ask(fmt::format("host={} port={} user={} passfile={} dbname=postgres "
                           "options='-c statement_timeout=10s -c synchronous_commit=local'",
                           sockets_, port_of(node), superuser, passfile(superuser)),
               statement);
}

Result<void> EmbeddedCluster::ensure_database(Node primary) const {
    TRY(std::string there,
        admin(primary, fmt::format("SELECT EXISTS (SELECT FROM pg_database WHERE datname = '{}')",
                                   database)));
    if (there == "t") return {};
    TRY(std::string made, admin(primary, fmt::format("CREATE DATABASE {}", database)));
    return {};
}

Result<void> EmbeddedCluster::make_log_ahead(Node primary, Duration timeout) const {
    // A commit that needs a segment that does not exist writes 16 MB of zeros and syncs them first,
    // 15 to 45 ms, with all others waiting. Segments that have been used up are renamed to future
    // ones by the next checkpoint, as many as min_wal_size says; max_wal_size is such that later
    // checkpoints come before these are used up.
    const MonoTime until = env_->now() + timeout;
    // One a statement: on a slow disk all of them take longer than a statement may.
    for (int segment = 0; segment < log_segments_ahead && env_->now() < until; ++segment) {
        TRY(std::string used,
            admin(primary,
                  "SELECT pg_logical_emit_message(false, 'holdfast', ''), pg_switch_wal()"));
    }
    for (Node node : {primary, other(primary)}) {
        TRY_VOID(wait_replayed(primary, until));
        TRY(std::string recycled, admin(node, "CHECKPOINT"));
    }
    return {};
}

Result<void> EmbeddedCluster::wait_replayed(Node primary, MonoTime until) const {
    TRY(std::string written, admin(primary, "SELECT pg_current_wal_flush_lsn()"));
    const std::string question = fmt::format("SELECT pg_last_wal_replay_lsn() >= '{}'", written);
    while (true) {
        TRY(std::string there, admin(other(primary), question));
        if (there == "t") return {};
        if (env_->now() >= until)
            return fail(
                ErrorClass::Deadline, "standby_not_replaying",
                fmt::format("the standby does not replay; see {}", log_path(other(primary))));
        block_thread(poll_interval);
    }
}

Result<void> EmbeddedCluster::set_up_roles(Node primary) const {
    for (const char* role : login_roles) {
        TRY(SecretString secret, password(role));
        TRY(std::string changed,
            admin(primary, fmt::format("ALTER ROLE {} PASSWORD '{}'", role, secret.reveal())));
    }
    // What pg_rewind reads (PostgreSQL documentation, pg_rewind, Notes), and a place for each node
    // to go on from when it was away.
    TRY(std::string granted,
        admin(primary,
              "GRANT EXECUTE ON FUNCTION pg_ls_dir(text, boolean, boolean), "
              "pg_stat_file(text, boolean), pg_read_binary_file(text), "
              "pg_read_binary_file(text, bigint, bigint, boolean) TO holdfast_replication"));
    TRY(std::string slot, admin(primary, slot_statement(other(primary))));
    return {};
}

std::string EmbeddedCluster::url(std::string_view role) const {
    const std::string sockets = percent_encoded(sockets_);
    return fmt::format(
        "postgresql://{}@/{}?host={},{}&port={},{}&passfile={}"
        "&target_session_attrs=read-write",
        role, database, sockets, sockets, port_of(Node::A), port_of(Node::B),
        percent_encoded(passfile(role)));
}

std::string EmbeddedCluster::url_of(Node node, std::string_view role) const {
    return fmt::format("postgresql://{}@/postgres?host={}&port={}&passfile={}", role,
                       percent_encoded(sockets_), port_of(node), percent_encoded(passfile(role)));
}

std::string EmbeddedCluster::url_with_password(std::string_view role,
                                               std::string_view attrs) const {
    const std::string sockets = percent_encoded(sockets_);
    auto secret = password(role);
    return fmt::format("postgresql://{}:{}@/{}?host={},{}&port={},{}&target_session_attrs={}", role,
                       secret ? secret->reveal() : std::string{}, database, sockets, sockets,
                       port_of(Node::A), port_of(Node::B), attrs);
}

Result<void> EmbeddedCluster::destroy() const {
    std::error_code error;
    for (const std::string& path :
         {marker(Node::A), marker(Node::B), directory(Node::A), directory(Node::B),
          options_.data_directory + "/secrets", sockets_}) {
        fs::remove_all(path, error);
        if (error) return fail(io_error("remove", path));
    }
    return {};
}

} // namespace holdfast::db
