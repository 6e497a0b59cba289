#pragma once

// DataDirectory: everything `holdfast up` keeps on disk, and who may read it.
//
//   DATA/holdfast.data      marks it as ours; --fresh only removes what has it
//   DATA/secrets/           id_secret, acquirer_secret, acquirer_admin_token, api_keys.json,
//                           a passfile per database role; mode 0600
//   DATA/postgres-a, -b     the database pair (db/embedded_cluster.h); .made beside it: it is whole
//   DATA/cluster.json       which of them is the primary (failover.h)
//   DATA/pool.json          the pools' settings, as changed at run time (pool_settings.h)
//   DATA/switchover         while somebody asks for one (switchover.h)
//   DATA/acquirer           the acquirer's books
//   DATA/attempt-log        of each pay process: everybody who wanted to pay
//   DATA/command-log        of each pay process: what was decided without the database
//   DATA/directory          of each pay process: accounts and keys, for a start without database
//   DATA/log                a log file per service
//   DATA/supervisor.*       lock and state (supervisor.h)
//
// Servers run as an unprivileged user when we are root; what they must read is given to it.

#include "base/env.h"
#include "base/result.h"
#include "base/secret.h"
#include "base/subprocess.h"

#include <optional>
#include <string>
#include <string_view>

namespace holdfast::app {

class DataDirectory {
  public:
    /// Creates what is missing. Errors: Io; Conflict "not_a_data_directory" when the path has
    /// other things in it.
    static Result<DataDirectory> open(Env& env, const std::string& path);
    /// Removes a data directory, all money in it included.
    static Result<void> remove(const std::string& path);

    const std::string& path() const { return path_; }
    const std::optional<UserIdentity>& user() const { return user_; }
    std::string file(std::string_view name) const;
    std::string log_file(std::string_view service) const;
    /// Path of a random secret of 256 bits, made on first use.
    Result<std::string> secret_file(std::string_view name) const;
    Result<void> make_directory(std::string_view name) const;
    /// Written whole or not at all, mode 0600.
    Result<void> write_private(std::string_view name, std::string_view text,
                               bool for_servers) const;

  private:
    DataDirectory(Env& env, std::string path, std::optional<UserIdentity> user)
        : env_(&env), path_(std::move(path)), user_(std::move(user)) {}
    Env* env_;
    std::string path_;
    std::optional<UserIdentity> user_;
};

} // namespace holdfast::app
