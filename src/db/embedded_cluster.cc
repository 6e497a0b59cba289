#include "db/embedded_cluster.h"

#include "base/bytes.h"
#include "base/files.h"
#include "base/id.h"

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
constexpr std::string_view made_marker = "holdfast.made"; ///< in PGDATA, when a node is complete
constexpr std::size_t socket_path_max = 100;              ///< sockaddr_un holds 108
constexpr int log_segment_mib = 16;
constexpr int min_wal_size_mib = 512; ///< what a checkpoint keeps as segments to come
constexpr int log_segments_ahead = min_wal_size_mib / log_segment_mib;
constexpr Duration initdb_timeout = std::chrono::minutes{3};
constexpr Duration basebackup_timeout = std::chrono::hours{2};
constexpr Duration poll_interval = std::chrono::milliseconds{20};
constexpr int connect_timeout_s = 2;

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

int port_of(Node node) { return node == Node::Primary ? 5432 : 5433; } // names of sockets only

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
    return options_.data_directory + (node == Node::Primary ? "/primary" : "/standby");
}
std::string EmbeddedCluster::log_path(Node node) const {
    return options_.data_directory +
           (node == Node::Primary ? "/log/postgres-primary.log" : "/log/postgres-standby.log");
}
std::string EmbeddedCluster::passfile(std::string_view role) const {
    return fmt::format("{}/secrets/{}.pgpass", options_.data_directory, role);
}

bool EmbeddedCluster::created(Node node) const {
    return fs::exists(fmt::format("{}/{}", directory(node), made_marker));
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
max_wal_size = 1GB
min_wal_size = {}MB
checkpoint_timeout = 15min

# nothing waits for ever
idle_in_transaction_session_timeout = 60s
deadlock_timeout = 200ms
log_lock_waits = on
wal_receiver_timeout = 10s
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
        options_.max_connections, shared_buffers_mib(), min_wal_size_mib);
}

Result<void> EmbeddedCluster::create_primary(const Progress& progress) {
    const std::string target = directory(Node::Primary);
    progress("creating the primary database (once)");
    std::error_code error;
    fs::remove_all(target, error);
    fs::create_directories(target, error);
    if (error) return fail(io_error("create", target));
    if (::chmod(target.c_str(), 0700) != 0) return fail(io_error("protect", target));
    TRY_VOID(give_to(options_.user, target));

    const std::string password_file = options_.data_directory + "/secrets/initdb";
    TRY(SecretString secret, password(superuser));
    TRY_VOID(write_file_durably(password_file, secret.reveal(), 0600, options_.user));
    auto made = run({.argv = {program("initdb"), "-D", target, "-U", std::string(superuser),
                              "--pwfile", password_file, "--data-checksums", "--encoding=UTF8",
                              "--locale=C.UTF-8", "--auth=scram-sha-256", "--no-sync"},
                     .user = options_.user,
                     .family = options_.family},
                    initdb_timeout);
    fs::remove(password_file, error);
    if (!made) return fail(std::move(made).error());

    TRY_VOID(write_file_durably(target + "/pg_hba.conf",
                                "# unix sockets only, everyone by password\n"
                                "local all         all                  scram-sha-256\n"
                                "local replication holdfast_replication scram-sha-256\n",
                                0600, options_.user));
    TRY_VOID(write_file_durably(target + "/postgresql.conf", configuration(), 0600, options_.user));
    TRY_VOID(
        write_file_durably(fmt::format("{}/{}", target, made_marker), "", 0600, options_.user));
    return {};
}

Result<void> EmbeddedCluster::create_standby(const Progress& progress) {
    const std::string target = directory(Node::Standby);
    progress("copying it to the standby (once)");
    std::error_code error;
    fs::remove_all(target, error);
    fs::create_directories(target, error);
    if (error) return fail(io_error("create", target));
    if (::chmod(target.c_str(), 0700) != 0) return fail(io_error("protect", target));
    TRY_VOID(give_to(options_.user, target));
    (void)admin(Node::Primary, fmt::format("DO $$ BEGIN PERFORM pg_drop_replication_slot('{0}'); "
                                           "EXCEPTION WHEN undefined_object THEN NULL; END $$",
                                           standby_name));
    const std::string source = fmt::format(
        "host={} port={} user=holdfast_replication passfile={} application_name={}", sockets_,
        port_of(Node::Primary), passfile("holdfast_replication"), standby_name);
    TRY(std::string copied,
        run({.argv = {program("pg_basebackup"), "-D", target, "-d", source, "-R", "-X", "stream",
                      "-C", "-S", std::string(standby_name), "--checkpoint=fast", "--no-sync"},
             .user = options_.user,
             .family = options_.family},
            basebackup_timeout));
    return write_file_durably(fmt::format("{}/{}", target, made_marker), "", 0600, options_.user);
}

Result<ProcessName> EmbeddedCluster::start(Node node, std::string family) const {
    // A postmaster that was killed leaves its pid file; who calls us has made sure it is gone.
    std::error_code ignored;
    fs::remove(directory(node) + "/postmaster.pid", ignored);
    const std::string log = log_path(node);
    if (!fs::exists(log)) TRY_VOID(write_file_durably(log, "", 0640, options_.user));
    return spawn({.argv = {program("postgres"), "-D", directory(node), "-c",
                           fmt::format("port={}", port_of(node)), "-c",
                           fmt::format("unix_socket_directories={}", sockets_), "-c",
                           fmt::format("cluster_name=holdfast-{}",
                                       node == Node::Primary ? "primary" : "standby")},
                  .user = options_.user,
                  .family = std::move(family),
                  .log_path = log});
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
    const std::string target = fmt::format(
        "host={} port={} user={} passfile={} dbname=postgres connect_timeout={} "
        "options='-c statement_timeout=10s -c synchronous_commit=local'",
        sockets_, port_of(node), superuser, passfile(superuser), connect_timeout_s);
    const Connection connection(PQconnectdb(target.c_str()), &PQfinish);
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

Result<void> EmbeddedCluster::ensure_database() const {
    TRY(std::string there,
        admin(
            Node::Primary,
            fmt::format("SELECT EXISTS (SELECT FROM pg_database WHERE datname = '{}')", database)));
    if (there == "t") return {};
    TRY(std::string made, admin(Node::Primary, fmt::format("CREATE DATABASE {}", database)));
    return {};
}

Result<void> EmbeddedCluster::make_log_ahead(Duration timeout) const {
    // A commit that needs a segment that does not exist writes 16 MB of zeros and syncs them first,
    // 15 to 45 ms, with all others waiting. Segments that have been used up are renamed to future
    // ones by the next checkpoint, as many as min_wal_size says; max_wal_size is such that later
    // checkpoints come before these are used up.
    const MonoTime until = env_->now() + timeout;
    TRY(std::string used,
        admin(Node::Primary, fmt::format("DO $$ BEGIN FOR i IN 1..{} LOOP PERFORM "
                                         "pg_logical_emit_message(false, 'holdfast', ''); "
                                         "PERFORM pg_switch_wal(); END LOOP; END $$",
                                         log_segments_ahead)));
    for (Node node : {Node::Primary, Node::Standby}) {
        TRY_VOID(wait_replayed(until));
        TRY(std::string recycled, admin(node, "CHECKPOINT"));
    }
    return {};
}

Result<void> EmbeddedCluster::wait_replayed(MonoTime until) const {
    TRY(std::string written, admin(Node::Primary, "SELECT pg_current_wal_flush_lsn()"));
    while (true) {
        TRY(std::string there,
            admin(Node::Standby, fmt::format("SELECT pg_last_wal_replay_lsn() >= "
                                             "'{}'",
                                             written)));
        if (there == "t") return {};
        if (env_->now() >= until)
            return fail(
                ErrorClass::Deadline, "standby_not_replaying",
                fmt::format("the standby does not replay; see {}", log_path(Node::Standby)));
        block_thread(poll_interval);
    }
}

Result<void> EmbeddedCluster::set_passwords() const {
    for (const char* role : login_roles) {
        TRY(SecretString secret, password(role));
        TRY(std::string changed, admin(Node::Primary, fmt::format("ALTER ROLE {} PASSWORD '{}'",
                                                                  role, secret.reveal())));
    }
    return {};
}

Result<void> EmbeddedCluster::require_standby(bool required) const {
    for (Node node : {Node::Primary, Node::Standby}) { // the same on both: roles may change
        if (!created(node)) continue;
        TRY_VOID(write_file_durably(
            directory(node) + "/holdfast.conf",
            fmt::format("# Kept by holdfast: who must have a commit before it is "
                        "answered.\nsynchronous_standby_names = '{}'\n",
                        required ? standby_name : ""),
            0600, options_.user));
    }
    TRY(std::string reloaded, admin(Node::Primary, "SELECT pg_reload_conf()"));
    return {};
}

Result<bool> EmbeddedCluster::standby_in_sync() const {
    TRY(std::string answer,
        admin(Node::Primary, fmt::format("SELECT EXISTS (SELECT FROM pg_stat_replication "
                                         "WHERE application_name = '{}' AND state = 'streaming' "
                                         "AND flush_lsn >= pg_current_wal_flush_lsn())",
                                         standby_name)));
    return answer == "t";
}

std::string EmbeddedCluster::url(Node node, std::string_view role) const {
    return fmt::format("postgresql://{}@/{}?host={}&port={}&passfile={}", role, database,
                       percent_encoded(sockets_), port_of(node), percent_encoded(passfile(role)));
}

std::string EmbeddedCluster::url_with_password(Node node, std::string_view role) const {
    auto secret = password(role);
    return fmt::format("postgresql://{}:{}@/{}?host={}&port={}", role,
                       secret ? secret->reveal() : std::string{}, database,
                       percent_encoded(sockets_), port_of(node));
}

Result<void> EmbeddedCluster::destroy() const {
    std::error_code error;
    for (const std::string& path : {directory(Node::Primary), directory(Node::Standby),
                                    options_.data_directory + "/secrets", sockets_}) {
        fs::remove_all(path, error);
        if (error) return fail(io_error("remove", path));
    }
    return {};
}

} // namespace holdfast::db
