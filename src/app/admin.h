#pragma once

// Administration of accounts and keys, for `up` and for the commands account and keys.
//
// A key is shown once, when it is made; the database has its SHA-256 only. `up` keeps the keys of
// its own test account in DATA/secrets/api_keys.json (mode 0600), so that it can print them again.

#include "app/data_directory.h"
#include "app/database.h"
#include "base/env.h"
#include "base/result.h"
#include "base/secret.h"
#include "net/block_on.h"
#include "store/store.h"

#include <functional>
#include <string>
#include <string_view>

namespace holdfast::app {

struct TestAccount {
    std::string account; ///< acct_...
    SecretString secret_key, publishable_key;
};

/// Runs one piece of work on the database behind `url`, on a loop of its own, and returns its
/// answer.
template <class Work>
auto with_database(const std::string& url, std::string name, Work work)
    -> decltype(net::block_on(std::declval<net::Loop&>(),
                              work(std::declval<net::Loop&>(), std::declval<Database&>()))) {
    Offload offload({.threads = 1});
    Registry registry;
    net::Loop loop{1};
    TRY(auto database, Database::create(loop, offload, registry, url, {.name = std::move(name)}));
    auto result = net::block_on(loop, work(loop, *database));
    auto closed =
        net::block_on(loop, database->close(net::Deadline::after(std::chrono::seconds{2})));
    if (!closed) BUG("a command left a connection open");
    return result;
}

/// Likewise, for work that needs no more than the store.
template <class Work> auto with_store(const std::string& url, std::string name, Work work) {
    return with_database(url, std::move(name), [&work](net::Loop&, Database& database) {
        return work(database.store());
    });
}

/// Applies the schema's migrations on the primary of `url`, as a role that may create roles.
Result<void> migrate(const std::string& url, const std::function<void(std::string_view)>& progress);

/// The test account of this data directory, made on the first start.
Result<TestAccount> ensure_test_account(Env& env, const DataDirectory& data,
                                        const std::string& database_url);

/// A live and a test account under one public id. Returns it.
net::Task<Id<core::Account>> create_account(Env& env, store::Store& store, std::string name,
                                            net::Deadline deadline);

/// The account of a mode behind a public id. Error NotFound "account_missing".
net::Task<core::Account> account_in_mode(store::Store& store, Id<core::Account> public_id,
                                         bool livemode, net::Deadline deadline);

struct NewKey {
    SecretString key;
    store::ApiKey stored;
};
/// sk_test_..., pk_test_..., sk_live_..., pk_live_...: 256 random bits.
NewKey make_key(Env& env, const core::Account& account, bool publishable);

} // namespace holdfast::app
