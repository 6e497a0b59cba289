#include "tests/support/pg_fixture.h"

#include <fmt/format.h>
#include <libpq-fe.h>
#include <netinet/in.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <atomic>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <memory>
#include <sstream>
#include <stdexcept>
#include <thread>

namespace holdfast::test {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

constexpr std::string_view programs = "/usr/lib/postgresql/15/bin/";
constexpr std::string_view directory_prefix = "hfpg-";
constexpr int socket_port = 5432; // names the socket file only; nobody listens on it

[[noreturn]] void give_up(const std::string& why) { throw std::runtime_error(why); }

template <class T> T must(Result<T> result) {
    if (!result) give_up(to_string(result.error()));
    if constexpr (!std::is_void_v<T>) return std::move(*result);
}

const fs::path& temporary_directory() {
    static const fs::path path = "/tmp"; // not TMPDIR: a socket's path has at most 107 bytes
    return path;
}

void run_program(const std::optional<UserIdentity>& user, std::vector<std::string> argv) {
    SpawnOptions options;
    options.argv = std::move(argv);
    options.environment = {{"LC_ALL", "C"}};
    options.user = user;
    options.working_directory = temporary_directory();
    must(run(options, 60s));
}

/// Holds an exclusive lock between processes while it lives.
class FileLock {
  public:
    explicit FileLock(const fs::path& path)
        : fd_(::open(path.c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600)) {
        if (fd_ < 0 || ::flock(fd_, LOCK_EX) != 0) give_up("can't lock " + path.string());
    }
    ~FileLock() { ::close(fd_); }
    FileLock(const FileLock&) = delete;
    FileLock& operator=(const FileLock&) = delete;

  private:
    int fd_;
};

/// A data directory fresh from initdb; made once, then copied.
fs::path template_directory(const std::optional<UserIdentity>& user) {
    const fs::path path =
        temporary_directory() / fmt::format("holdfast-pg15-template-{}", ::getuid());
    FileLock lock(path.string() + ".lock");
    if (fs::exists(path / "PG_VERSION")) return path;
    const fs::path unfinished = path.string() + ".new";
    fs::remove_all(unfinished);
    fs::create_directory(unfinished);
    must(give_to(user, unfinished));
    run_program(user, {std::string(programs) + "initdb", "--no-sync", "--data-checksums",
                       "--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C",
                       "--pgdata=" + unfinished.string()});
    fs::rename(unfinished, path);
    return path;
}

/// Removes what test processes that are gone have left; their servers ended with them.
void sweep() {
    std::error_code ignored;
    for (const auto& entry : fs::directory_iterator(temporary_directory(), ignored)) {
        const std::string name = entry.path().filename();
        if (!name.starts_with(directory_prefix)) continue;
        const pid_t pid = std::atoi(name.c_str() + directory_prefix.size());
        if (pid > 0 && !process_named(pid)) fs::remove_all(entry.path(), ignored);
    }
}

std::vector<ProcessName> children_of(pid_t parent) {
    std::vector<ProcessName> children;
    std::ifstream list(fmt::format("/proc/{0}/task/{0}/children", parent));
    for (pid_t pid = 0; list >> pid;) {
        if (auto name = process_named(pid)) children.push_back(*name);
    }
    return children;
}

fs::path new_directory() {
    static std::atomic<int> count = 0;
    const fs::path path =
        temporary_directory() / fmt::format("{}{}-{}", directory_prefix, ::getpid(), ++count);
    fs::remove_all(path);
    fs::create_directory(path);
    return path;
}

int free_port() {
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    auto* generic = reinterpret_cast<sockaddr*>(&address);
    const bool ok =
        fd >= 0 && ::bind(fd, generic, size) == 0 && ::getsockname(fd, generic, &size) == 0;
    ::close(fd);
    if (!ok) give_up("no free port");
    return ntohs(address.sin_port);
}

} // namespace

PgCluster& PgCluster::shared() {
    // Destroyed, and the server with it, when the test binary ends.
    static PgCluster cluster;
    return cluster;
}

PgCluster::PgCluster() : PgCluster(Options{}) {}

PgCluster::PgCluster(Options options)
    : options_(std::move(options)),
      user_(must(unprivileged_user({"postgres", "nobody"}))),
      port_(options_.tcp ? free_port() : socket_port) {
    sweep();
    directory_ = new_directory();
    must(give_to(user_, directory_));
    if (options_.standby_of == nullptr) {
        const fs::path from = template_directory(user_);
        run_program(user_, {"/bin/cp", "-a", "--reflink=auto", from, directory_ + "/data"});
    } else {
        run_program(user_,
                    {std::string(programs) + "pg_basebackup", "--no-sync", "--write-recovery-conf",
                     "--checkpoint=fast", "--dbname=" + options_.standby_of->url(),
                     "--pgdata=" + directory_ + "/data"});
    }
    write_configuration();
    start();
}

PgCluster::~PgCluster() {
    kill();
    std::error_code ignored;
    fs::remove_all(directory_, ignored);
}

void PgCluster::write_configuration() const {
    std::ofstream conf(directory_ + "/data/postgresql.conf", std::ios::app);
    conf << "listen_addresses = '" << (options_.tcp ? "127.0.0.1" : "") << "'\n"
         << "port = " << port_ << "\n"
         << "unix_socket_directories = '" << directory_ << "'\n"
         << "fsync = off\nfull_page_writes = off\n"
         << "max_connections = 60\nshared_buffers = 32MB\nmax_wal_size = 256MB\n"
         << "jit = off\nautovacuum_naptime = 5s\n"
         << "log_line_prefix = '%m [%p] %a '\nlog_lock_waits = on\ndeadlock_timeout = 100ms\n";
    for (const auto& [name, value] : options_.settings) {
        conf << name << " = '" << value << "'\n";
    }
    std::ofstream hba(directory_ + "/data/pg_hba.conf");
    hba << "local all all trust\n"
        << "local replication all trust\n"
        << "host all all 127.0.0.1/32 scram-sha-256\n";
    if (!conf.flush() || !hba.flush()) give_up("can't configure " + directory_);
}

void PgCluster::start() {
    SpawnOptions options;
    // setpriv asks the kernel for SIGQUIT when we die; spawn() has changed the user by then, which
    // would have reset it.
    options.argv = {
        "/usr/bin/setpriv",  "--pdeathsig", "QUIT", "--", std::string(programs) + "postgres", "-D",
        directory_ + "/data"};
    options.user = user_;
    options.log_path = directory_ + "/log";
    options.working_directory = directory_;
    server_ = must(spawn(options));
    wait_until_ready();
}

void PgCluster::wait_until_ready() const {
    for (int tries = 0; tries < 1'000; ++tries) {
        if (PQping(url().c_str()) == PQPING_OK) return;
        if (!is_alive(server_)) break;
        std::this_thread::sleep_for(10ms);
    }
    give_up("PostgreSQL does not start:\n" + log());
}

void PgCluster::stop() {
    ::kill(server_.pid, SIGINT);
    ::waitpid(server_.pid, nullptr, 0);
}

void PgCluster::kill() {
    // Each backend leads a session of its own, and a busy one outlives its postmaster by seconds.
    ::kill(server_.pid, SIGSTOP); // starts no more of them
    const std::vector<ProcessName> backends = children_of(server_.pid);
    ::kill(server_.pid, SIGKILL);
    for (const ProcessName& backend : backends) ::kill(backend.pid, SIGKILL);
    ::waitpid(server_.pid, nullptr, 0);
    for (const ProcessName& backend : backends) {
        for (int tries = 0; tries < 500 && is_alive(backend); ++tries) {
            std::this_thread::sleep_for(10ms);
        }
    }
}

void PgCluster::keep() {
    stop();
    run_program(user_,
                {"/bin/cp", "-a", "--reflink=auto", directory_ + "/data", directory_ + "/kept"});
    start();
}

void PgCluster::take_back() {
    stop();
    fs::remove_all(directory_ + "/data");
    fs::rename(directory_ + "/kept", directory_ + "/data");
    start();
}

void PgCluster::suspend_postmaster(bool suspended) {
    ::kill(server_.pid, suspended ? SIGSTOP : SIGCONT);
}

void PgCluster::suspend(bool suspended) {
    const int signal = suspended ? SIGSTOP : SIGCONT;
    suspend_postmaster(suspended);
    for (const ProcessName& backend : children_of(server_.pid)) ::kill(backend.pid, signal);
}

std::string PgCluster::url(std::string_view database, std::string_view user) const {
    return fmt::format("host={} port={} dbname={} user={}", directory_, port_, database, user);
}

std::string PgCluster::tcp_url(std::string_view database, std::string_view user) const {
    return fmt::format("host=127.0.0.1 port={} dbname={} user={}", port_, database, user);
}

std::string PgCluster::socket_directory() const { return directory_; }

std::string PgCluster::log() const {
    std::ifstream file(directory_ + "/log");
    std::stringstream text;
    text << file.rdbuf();
    return text.str();
}

std::string PgCluster::execute(std::string_view sql, std::string_view database) const {
    std::unique_ptr<PGconn, decltype(&PQfinish)> connection(PQconnectdb(url(database).c_str()),
                                                            PQfinish);
    if (PQstatus(connection.get()) != CONNECTION_OK) {
        give_up(PQerrorMessage(connection.get()));
    }
    PQsetNoticeProcessor(connection.get(), [](void*, const char*) {}, nullptr);
    std::unique_ptr<PGresult, decltype(&PQclear)> result(
        PQexec(connection.get(), std::string(sql).c_str()), PQclear);
    const auto status = PQresultStatus(result.get());
    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK) {
        give_up(PQresultErrorMessage(result.get()));
    }
    return PQntuples(result.get()) > 0 && PQnfields(result.get()) > 0
               ? PQgetvalue(result.get(), 0, 0)
               : "";
}

PgDatabase::PgDatabase(PgCluster& cluster, std::string_view from_template) : cluster_(cluster) {
    static std::atomic<int> count = 0;
    name_ = fmt::format("t{}", ++count);
    cluster_.execute(
        fmt::format("CREATE DATABASE {} TEMPLATE {} STRATEGY FILE_COPY", name_, from_template));
}

PgDatabase::~PgDatabase() {
    try {
        cluster_.execute(fmt::format("DROP DATABASE IF EXISTS {} WITH (FORCE)", name_));
    } catch (const std::runtime_error&) {
        // The cluster was stopped by the test; the database goes with its directory.
    }
}

} // namespace holdfast::test
