#include "app/commands.h"

#include "api/directory.h"
#include "api/routes.h"
#include "app/admin.h"
#include "app/up.h"
#include "base/files.h"
#include "base/json.h"
#include "base/json_writer.h"

#include <fmt/format.h>
#include <boost/json/value.hpp>

#include <cstdio>

namespace holdfast::app {
namespace {

using net::Deadline;
using net::Task;

constexpr Duration command_patience = std::chrono::seconds{20};

Deadline soon() { return Deadline::after(command_patience); }

void print_line(const std::string& text) { fmt::print("{}\n", text); }

Result<Id<core::Account>> parse_account(const std::string& text) {
    auto id = Id<core::Account>::parse(text);
    if (!id)
        return fail(ErrorClass::Invalid, "account_invalid",
                    fmt::format("{} is not an account id; see `holdfast account list`", text));
    return *id;
}

/// The account that was named, or the only one there is.
Task<core::Account> chosen_account(store::Store& store, std::string named, bool live) {
    if (!named.empty()) {
        CO_TRY(auto id, parse_account(named));
        co_return co_await account_in_mode(store, id, live, soon());
    }
    CO_TRY(auto accounts, co_await store.list_accounts(soon()));
    std::optional<core::Account> only;
    for (core::Account& account : accounts) {
        if (account.livemode != live) continue;
        if (only)
            co_return fail(ErrorClass::Invalid, "account_needed",
                           "there are several accounts; name one with --account");
        only = std::move(account);
    }
    if (!only)
        co_return fail(ErrorClass::NotFound, "account_missing",
                       "there is no account yet; make one with `holdfast account create`");
    co_return std::move(*only);
}

void print_key(const NewKey& key, bool json) {
    if (!json) {
        print_line(key.key.reveal());
        fmt::print(stderr, "This is the only time the key is shown; only its hash is stored.\n");
        return;
    }
    JsonWriter w(256);
    w.begin_object();
    w.field("key", key.key.reveal());
    w.field("hint", key.stored.hint);
    w.field("publishable", key.stored.publishable);
    w.end_object();
    print_line(std::move(w).take());
}

Task<void> create_key(Env& env, store::Store& store, KeyOptions options) {
    CO_TRY(auto account, co_await chosen_account(store, options.account, options.live));
    NewKey key = make_key(env, account, options.publishable);
    CO_TRY_VOID(co_await store.insert_key(key.stored, soon()));
    print_key(key, options.json);
    co_return Result<void>{};
}

/// A key by the whole of it or by its hint (sk_test_...abcd), if that names one that still works.
Task<store::ApiKey> find_key(Env& env, store::Store& store, KeyOptions options) {
    CO_TRY(auto by_hash,
           co_await store.find_key(api::hash_of_key(SecretString(options.key_hint)), soon()));
    if (by_hash) co_return std::move(*by_hash);
    CO_TRY(auto accounts, co_await store.list_accounts(soon()));
    std::optional<store::ApiKey> found;
    for (const core::Account& account : accounts) {
        CO_TRY(auto keys, co_await store.list_keys(account.id, soon()));
        for (store::ApiKey& key : keys) {
            const bool works = !key.expires || *key.expires > env.wall();
            if (key.hint != options.key_hint || !works) continue;
            if (found)
                co_return fail(ErrorClass::Conflict, "key_ambiguous",
                               "several keys have that hint; give the whole key");
            found = std::move(key);
        }
    }
    if (!found)
        co_return fail(ErrorClass::NotFound, "key_missing",
                       "no working key has that hint; see `holdfast keys list`");
    co_return std::move(*found);
}

Task<void> roll_key(Env& env, store::Store& store, KeyOptions options) {
    CO_TRY(auto old, co_await find_key(env, store, options));
    CO_TRY(auto account, co_await store.find_account(old.account, soon()));
    CHECK(account.has_value());
    NewKey key = make_key(env, *account, old.publishable);
    CO_TRY_VOID(co_await store.insert_key(key.stored, soon()));
    const WallTime expires = env.wall() + std::chrono::seconds{options.expires_in_s};
    CO_TRY(bool known, co_await store.expire_key(old.hash, expires, soon()));
    if (!known) BUG("a key vanished while it was rolled");
    print_key(key, options.json);
    co_return Result<void>{};
}

Task<void> revoke_key(Env& env, store::Store& store, KeyOptions options) {
    CO_TRY(auto old, co_await find_key(env, store, options));
    CO_TRY(bool known, co_await store.expire_key(old.hash, env.wall(), soon()));
    if (!known) BUG("a key vanished while it was revoked");
    fmt::print(
        stderr, "{} no longer works; processes notice within {} s.\n", old.hint,
        std::chrono::duration_cast<std::chrono::seconds>(api::Directory::trusted_for).count());
    co_return Result<void>{};
}

Task<void> list_keys(store::Store& store, KeyOptions options) {
    CO_TRY(auto accounts, co_await store.list_accounts(soon()));
    JsonWriter w;
    w.begin_array();
    for (const core::Account& account : accounts) {
        if (!options.account.empty() && account.public_id.str() != options.account) continue;
        CO_TRY(auto keys, co_await store.list_keys(account.id, soon()));
        for (const store::ApiKey& key : keys) {
            if (!options.json) {
                print_line(fmt::format(
                    "{:<24} {} {:<5} {}", key.hint, account.public_id.str(),
                    account.livemode ? "live" : "test",
                    key.expires ? fmt::format("expires {}", unix_seconds(*key.expires)) : "works"));
                continue;
            }
            w.begin_object();
            w.field("hint", key.hint);
            w.field("account", account.public_id.str());
            w.field("livemode", account.livemode);
            w.field("publishable", key.publishable);
            w.field("created", unix_seconds(key.created));
            w.key("expires");
            if (key.expires)
                w.value(unix_seconds(*key.expires));
            else
                w.value(nullptr);
            w.end_object();
        }
    }
    w.end_array();
    if (options.json) print_line(std::move(w).take());
    co_return Result<void>{};
}

Task<void> make_account(Env& env, store::Store& store, std::string name, bool json) {
    CO_TRY(auto id, co_await create_account(env, store, name, soon()));
    if (json) {
        JsonWriter w(128);
        w.begin_object();
        w.field("account", id.str());
        w.field("name", name);
        w.end_object();
        print_line(std::move(w).take());
    } else {
        print_line(id.str());
        fmt::print(stderr, "Make a key for it: holdfast keys create --account {}\n", id.str());
    }
    co_return Result<void>{};
}

Task<void> show_accounts(store::Store& store, bool json) {
    CO_TRY(auto accounts, co_await store.list_accounts(soon()));
    JsonWriter w;
    w.begin_array();
    for (const core::Account& account : accounts) {
        if (account.livemode) continue; // both modes share the public id
        if (!json) {
            print_line(fmt::format("{} {}", account.public_id.str(), account.name));
            continue;
        }
        w.begin_object();
        w.field("account", account.public_id.str());
        w.field("name", account.name);
        w.field("created", unix_seconds(account.created));
        w.end_object();
    }
    w.end_array();
    if (json) print_line(std::move(w).take());
    co_return Result<void>{};
}

/// So much at once is no limit any more.
constexpr std::int64_t floor_limit_minor_max = 1'000'000 * core::amount_minor_max;

Result<core::FloorLimit> parse_floor_limit(const FloorLimitOptions& options) {
    const auto currency = core::Currency::parse(options.currency);
    if (!currency)
        return fail(ErrorClass::Invalid, "currency_invalid",
                    fmt::format("{} is no currency; give its three letters", options.currency));
    const core::FloorLimit limit{*currency, options.payment_minor, options.card_minor,
                                 options.total_minor};
    const bool is_asked = options.remove || limit == core::FloorLimit{.currency = *currency};
    const bool fits = limit.payment_minor > 0 && limit.payment_minor <= core::amount_minor_max &&
                      limit.payment_minor <= limit.card_minor &&
                      limit.card_minor <= limit.total_minor &&
                      limit.total_minor <= floor_limit_minor_max;
    if (!is_asked && !fits)
        return fail(ErrorClass::Invalid, "floor_limit_invalid",
                    fmt::format("give --payment, --card and --total in minor units of {}, each at "
                                "least as much as the one before, the first from 1 to {}",
                                currency->code(), core::amount_minor_max));
    return limit;
}

void print_floor_limits(const core::Account& account, bool json) {
    JsonWriter w;
    w.begin_array();
    for (const core::FloorLimit& limit : account.floor_limits) {
        w.begin_object();
        w.field("currency", limit.currency.code());
        w.field("payment", limit.payment_minor);
        w.field("card", limit.card_minor);
        w.field("total", limit.total_minor);
        w.end_object();
        if (!json)
            fmt::print("{} payment {}  card {}  total {}\n", limit.currency.code(),
                       core::display_amount({limit.payment_minor, limit.currency}),
                       core::display_amount({limit.card_minor, limit.currency}),
                       core::display_amount({limit.total_minor, limit.currency}));
    }
    w.end_array();
    if (json) print_line(std::move(w).take());
    if (!json && account.floor_limits.empty())
        print_line("none: what the acquirer can't be asked about is refused");
}

Task<void> change_floor_limit(store::Store& store, FloorLimitOptions options) {
    CO_TRY(const core::FloorLimit limit, parse_floor_limit(options));
    CO_TRY(auto account, co_await chosen_account(store, options.account, options.live));
    if (options.remove) {
        CO_TRY(const bool was,
               co_await store.remove_floor_limit(account.id, limit.currency, soon()));
        if (!was)
            co_return fail(
                ErrorClass::NotFound, "floor_limit_missing",
                fmt::format("the account has no floor limit in {}", limit.currency.code()));
    } else if (limit.payment_minor > 0) {
        CO_TRY_VOID(co_await store.set_floor_limit(account.id, limit, soon()));
    }
    CO_TRY(auto changed, co_await store.find_account(account.id, soon()));
    CHECK(changed.has_value());
    print_floor_limits(*changed, options.json);
    co_return Result<void>{};
}

} // namespace

Result<Target> resolved(Target target) {
    if (!target.database_url.empty() && target.data.empty()) return target;
    const std::string path = data_directory_or_default(target.data) + "/platform.json";
    auto text = read_file(path);
    if (!text)
        return fail(
            ErrorClass::NotFound, "platform_missing",
            fmt::format("no Holdfast was found ({}); start one with `holdfast up`, or name a "
                        "database with --database-url",
                        text.error().message));
    TRY(auto json, parse_json(*text));
    const auto fill = [&](std::string& into, std::string_view field) -> Result<void> {
        if (!into.empty()) return {};
        TRY(into, json_text(json, field));
        return {};
    };
    TRY_VOID(fill(target.database_url, "database_url"));
    TRY_VOID(fill(target.acquirer_url, "acquirer_url"));
    TRY_VOID(fill(target.acquirer_secret_file, "acquirer_secret_file"));
    if (auto allow = json_text(json, "doctor_allow")) target.doctor_allow = std::move(*allow);
    return target;
}

Result<void> account_create(const Target& target, const std::string& name, bool json) {
    TRY(Target place, resolved(target));
    return with_store(place.database_url, "account", [&](store::Store& store) {
        return make_account(Env::current(), store, name, json);
    });
}

Result<void> account_list(const Target& target, bool json) {
    TRY(Target place, resolved(target));
    return with_store(place.database_url, "account",
                      [&](store::Store& store) { return show_accounts(store, json); });
}

Result<void> account_floor_limit(const Target& target, const FloorLimitOptions& options) {
    TRY(Target place, resolved(target));
    return with_store(place.database_url, "floor-limit",
                      [&](store::Store& store) { return change_floor_limit(store, options); });
}

Result<void> keys_create(const Target& target, const KeyOptions& options) {
    TRY(Target place, resolved(target));
    return with_store(place.database_url, "keys", [&](store::Store& store) {
        return create_key(Env::current(), store, options);
    });
}

Result<void> keys_list(const Target& target, const KeyOptions& options) {
    TRY(Target place, resolved(target));
    return with_store(place.database_url, "keys",
                      [&](store::Store& store) { return list_keys(store, options); });
}

Result<void> keys_roll(const Target& target, const KeyOptions& options) {
    TRY(Target place, resolved(target));
    return with_store(place.database_url, "keys", [&](store::Store& store) {
        return roll_key(Env::current(), store, options);
    });
}

Result<void> keys_revoke(const Target& target, const KeyOptions& options) {
    TRY(Target place, resolved(target));
    return with_store(place.database_url, "keys", [&](store::Store& store) {
        return revoke_key(Env::current(), store, options);
    });
}

Result<void> print_routes() {
    JsonWriter w;
    w.begin_array();
    for (const api::Route& route : api::all_routes()) {
        w.begin_object();
        w.field("method", api::to_string(route.method));
        w.field("path", route.pattern);
        w.field("publishable", route.publishable);
        w.end_object();
    }
    w.end_array();
    print_line(std::move(w).take());
    return {};
}

} // namespace holdfast::app
