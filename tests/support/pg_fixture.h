#pragma once

// PgCluster and PgDatabase: a real PostgreSQL for tests.
//
//   PgDatabase database;                                  // fresh and empty, on the shared cluster
//   auto options = db::ConnectOptions::parse(SecretString(database.url()));
//   EXPECT_EQ(database.value("SELECT count(*) FROM refunds"), "3");
//
//   PgCluster cluster({.settings = {{"max_connections", "10"}}});   // own cluster, for fault tests
//   cluster.kill();  cluster.start();                               // crash and recovery
//
// A cluster is a copy of an initdb template that is made once per machine and user, so it is there
// in a quarter of a second; the shared one is started by the first test of a binary that asks.
// Page checksums, fsync off (a crash of postgres alone loses nothing), unix socket in a short path
// under /tmp, trust there; with `tcp` also 127.0.0.1 with SCRAM passwords. As root the servers run
// as user postgres.
//
// The destructor kills the server and its backends; when the test process dies the server gets
// SIGQUIT from the kernel (PR_SET_PDEATHSIG) and ends its backends. Directories that a dead test
// left are removed by the next one.
//
// Everything here blocks and throws std::runtime_error: a test has nothing to do without a server.

#include "base/subprocess.h"

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace holdfast::test {

class PgCluster {
  public:
    struct Options {
        std::vector<std::pair<std::string, std::string>> settings; ///< postgresql.conf, last wins
        bool tcp = false;
        const PgCluster* standby_of = nullptr; ///< a copy that follows, as "walreceiver"
    };
    static PgCluster& shared();

    PgCluster();
    explicit PgCluster(Options options);
    ~PgCluster();
    PgCluster(const PgCluster&) = delete;
    PgCluster& operator=(const PgCluster&) = delete;

    /// Starts it and waits until it serves; the constructor has done so the first time.
    void start();
    void stop();      ///< fast shutdown
    void kill();      ///< SIGKILL to the server and all its backends: a crash
    void keep();      ///< restarts it; what it has now is what take_back() goes back to, once:
    void take_back(); ///< as if a standby that never got the rest had become the primary
    void suspend(bool suspended);            ///< SIGSTOP or SIGCONT to all of it: a hang
    void suspend_postmaster(bool suspended); ///< sessions go on, nobody new is taken

    std::string url(std::string_view database = "postgres",
                    std::string_view user = "postgres") const;
    /// Without a password; needs Options::tcp.
    std::string tcp_url(std::string_view database, std::string_view user) const;
    std::string socket_directory() const;
    int port() const { return port_; }
    std::string log() const;

    /// Runs commands as superuser; the first column of the first row, or empty.
    std::string execute(std::string_view sql, std::string_view database = "postgres") const;

  private:
    void write_configuration() const;
    void wait_until_ready() const;

    Options options_;
    std::optional<UserIdentity> user_;
    std::string directory_;
    int port_;
    ProcessName server_;
};

class PgDatabase {
  public:
    explicit PgDatabase(PgCluster& cluster = PgCluster::shared(),
                        std::string_view from_template = "template0");
    ~PgDatabase();
    PgDatabase(const PgDatabase&) = delete;
    PgDatabase& operator=(const PgDatabase&) = delete;

    PgCluster& cluster() const { return cluster_; }
    const std::string& name() const { return name_; }
    std::string url(std::string_view user = "postgres") const { return cluster_.url(name_, user); }

    /// Runs commands as superuser; the first column of the first row, or empty.
    std::string value(std::string_view sql) const { return cluster_.execute(sql, name_); }

  private:
    PgCluster& cluster_;
    std::string name_;
};

} // namespace holdfast::test
