#include "app/admin.h"

#include "base/bytes.h"
#include "base/files.h"
#include "base/json.h"
#include "base/json_writer.h"
#include "guard/migrations.h"

#include <fmt/format.h>
#include <boost/json/value.hpp>

#include <filesystem>

namespace holdfast::app {
namespace {

using net::Deadline;
using net::Task;

constexpr Duration migration_patience = std::chrono::minutes{10};
constexpr Duration command_patience = std::chrono::seconds{20};
constexpr Duration primary_patience = std::chrono::seconds{20};
constexpr Duration topology_patience = std::chrono::seconds{2};
constexpr std::string_view keys_file = "secrets/api_keys.json";

std::string random_key(Env& env, std::string_view prefix) {
    Uuid a, b;
    env.fill_random(std::as_writable_bytes(std::span(a.bytes)));
    env.fill_random(std::as_writable_bytes(std::span(b.bytes)));
    return fmt::format("{}{}{}", prefix, a.base62(), b.base62());
}

Result<TestAccount> read_account(const std::string& path) {
    TRY(std::string text, read_file(path));
    TRY(auto json, parse_json(text));
    TRY(std::string account, json_text(json, "account"));
    TRY(std::string secret_key, json_text(json, "secret_key"));
    TRY(std::string publishable_key, json_text(json, "publishable_key"));
    return TestAccount{std::move(account), SecretString(std::move(secret_key)),
                       SecretString(std::move(publishable_key))};
}

Task<TestAccount> make_test_account(Env& env, store::Store& store) {
    const Deadline deadline = Deadline::after(command_patience);
    CO_TRY(auto public_id, co_await create_account(env, store, "Test account", deadline));
    CO_TRY(auto account, co_await account_in_mode(store, public_id, false, deadline));
    NewKey secret = make_key(env, account, false);
    NewKey publishable = make_key(env, account, true);
    CO_TRY_VOID(co_await store.insert_key(std::move(secret.stored), deadline));
    CO_TRY_VOID(co_await store.insert_key(std::move(publishable.stored), deadline));
    co_return TestAccount{public_id.str(), std::move(secret.key), std::move(publishable.key)};
}

} // namespace

Task<Id<core::Account>> create_account(Env& env, store::Store& store, std::string name,
                                       Deadline deadline) {
    const auto public_id = Id<core::Account>::time_ordered(env);
    for (const bool livemode : {false, true}) {
        core::Account account;
        account.id = Id<core::Account>::time_ordered(env);
        account.public_id = public_id;
        account.livemode = livemode;
        account.name = name;
        account.created = env.wall();
        CO_TRY_VOID(co_await store.create_account(std::move(account), deadline));
    }
    co_return public_id;
}

Task<core::Account> account_in_mode(store::Store& store, Id<core::Account> public_id, bool livemode,
                                    Deadline deadline) {
    CO_TRY(auto accounts, co_await store.list_accounts(deadline));
    for (core::Account& account : accounts)
        if (account.public_id == public_id && account.livemode == livemode)
            co_return std::move(account);
    co_return fail(
        ErrorClass::NotFound, "account_missing",
        fmt::format("there is no account {}; see `holdfast account list`", public_id.str()));
}

NewKey make_key(Env& env, const core::Account& account, bool publishable) {
    const std::string prefix =
        fmt::format("{}_{}_", publishable ? "pk" : "sk", account.livemode ? "live" : "test");
    std::string text = random_key(env, prefix);
    store::ApiKey stored;
    stored.hash = std::string(chars(sha256(text)));
    stored.account = account.id;
    stored.publishable = publishable;
    stored.hint = prefix + "..." + text.substr(text.size() - 4);
    stored.created = env.wall();
    return {SecretString(std::move(text)), std::move(stored)};
}

Result<void> migrate(const std::string& url,
                     const std::function<void(std::string_view)>& progress) {
    Offload offload({.threads = 1});
    Registry registry;
    net::Loop loop{1};
    TRY(auto options, db::ConnectOptions::parse(SecretString(url)));
    options.role = "migrate";
    db::Topology topology(loop, registry, db::servers_of(loop, offload, options), {});
    topology.start();
    auto connect = [&topology](Deadline deadline) {
        return topology.connect(deadline.capped(primary_patience));
    };
    guard::Migrations migrations(loop, connect, {.progress = progress});
    auto applied = net::block_on(loop, migrations.up(Deadline::after(migration_patience)));
    auto stopped = net::block_on(loop, topology.stop(Deadline::after(topology_patience)));
    if (!stopped) BUG("the migrations left a connection open");
    if (!applied) return fail(std::move(applied).error());
    return {};
}

Result<TestAccount> ensure_test_account(Env& env, const DataDirectory& data,
                                        const std::string& database_url) {
    const std::string path = data.file(keys_file);
    if (std::filesystem::exists(path)) return read_account(path);
    TRY(TestAccount made, with_store(database_url, "account", [&](store::Store& store) {
            return make_test_account(env, store);
        }));
    JsonWriter w;
    w.begin_object();
    w.field("account", made.account);
    w.field("secret_key", made.secret_key.reveal());
    w.field("publishable_key", made.publishable_key.reveal());
    w.end_object();
    TRY_VOID(data.write_private(keys_file, std::move(w).take() + "\n", false));
    return made;
}

} // namespace holdfast::app
