#pragma once

// Directory: accounts and API keys in memory, so that authenticating a request asks no database.
//
// A key is known by its SHA-256; the key itself is never kept. Entries are trusted for
// `trusted_for` and then asked for again, by one request, which waits at most `refresh_patience`;
// a revoked key therefore works little longer than that. When the store can't be asked, what is
// known stays valid and is asked for again after `refresh_pause`: an outage of the database locks
// nobody out and takes no request's time. load() brings in everything beforehand, the newest
// keys_loaded_max keys; what is known can be kept on disk for a start without the database
// (directory_copy.h). Unknown keys are remembered for a short while in a bounded table, so that a
// flood of wrong keys costs the database a bounded number of queries; whether a key is unknown is
// waited for `unknown_patience` at most.
//
// Accounts, once seen, stay: pointers handed out are valid for the life of the Directory.
// Thread: that of the loop.

#include "base/secret.h"
#include "net/deadline.h"
#include "net/task.h"
#include "store/store.h"

#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

namespace holdfast::api {

using net::Deadline;
using net::Task;

struct Credential {
    const core::Account* account = nullptr;
    bool publishable = false;
};

struct DirectoryContents {
    std::vector<core::Account> accounts;
    std::vector<store::ApiKey> keys;
};

class Directory {
  public:
    static constexpr Duration trusted_for = std::chrono::seconds{5};
    static constexpr Duration refresh_patience = std::chrono::milliseconds{250};
    static constexpr Duration refresh_pause = std::chrono::seconds{1};
    static constexpr Duration unknown_for = std::chrono::seconds{1};
    static constexpr Duration unknown_patience = std::chrono::seconds{8}; ///< a failover is shorter
    static constexpr int keys_loaded_max = 10'000;
    static constexpr std::size_t unknown_keys_max = 4096;

    explicit Directory(store::Store& store) : store_(store) {}

    /// Loads all accounts; the processor needs those whose payments it resolves after a restart.
    Task<void> load(Deadline deadline);
    Task<void> load_keys(Deadline deadline);

    /// All that is known, in no order.
    DirectoryContents contents() const;
    /// As if it had been loaded some time ago.
    void restore(DirectoryContents contents);

    /// Errors: Auth "api_key_invalid", "api_key_expired"; Unavailable when it can't be told.
    /// `hash`: that of the key, by hash_of_key().
    Task<Credential> authenticate(std::string hash, WallTime now, Deadline deadline);
    /// The account of a key that has been good before, and so is no stranger's guess; else null.
    const core::Account* behind(const std::string& hash) const;

    /// Null when the account was never seen.
    const core::Account* find(Id<core::Account> account) const;

  private:
    struct Entry {
        store::ApiKey key;
        const core::Account* account = nullptr;
        MonoTime trusted_until;
    };
    Task<const core::Account*> account_of(Id<core::Account> id, Deadline deadline);
    const core::Account* keep(core::Account account);
    void keep(store::ApiKey key, MonoTime trusted_until);
    static Result<Credential> credential_of(const Entry& entry, WallTime now);

    store::Store& store_;
    std::unordered_map<std::string, Entry> keys_;
    std::unordered_map<std::string, MonoTime> unknown_;
    std::unordered_map<Id<core::Account>, std::unique_ptr<core::Account>> accounts_;
};

/// What is stored of a key and looked up by: SHA-256, 32 bytes.
std::string hash_of_key(const SecretString& key);

} // namespace holdfast::api
