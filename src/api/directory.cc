#include "api/directory.h"

#include "base/bytes.h"

namespace holdfast::api {
namespace {

Error key_error(std::string_view code, std::string_view message) {
    return {.kind = ErrorClass::Auth, .code = std::string(code), .message = std::string(message)};
}

Error unknown_key() {
    return key_error("api_key_invalid",
                     "Invalid API Key provided. List the keys of an account with `holdfast keys "
                     "list`, make one with `holdfast keys create`.");
}

} // namespace

std::string hash_of_key(const SecretString& key) {
    return std::string(chars(sha256(key.reveal())));
}

const core::Account* Directory::find(Id<core::Account> account) const {
    auto it = accounts_.find(account);
    return it == accounts_.end() ? nullptr : it->second.get();
}

const core::Account* Directory::keep(core::Account account) {
    auto& slot = accounts_[account.id];
    if (slot)
        *slot = std::move(account); // in place: pointers stay valid
    else
        slot = std::make_unique<core::Account>(std::move(account));
    return slot.get();
}

Task<void> Directory::load(Deadline deadline) {
    CO_TRY(auto accounts, co_await store_.list_accounts(deadline));
    for (core::Account& account : accounts) keep(std::move(account));
    co_return Result<void>{};
}

Task<void> Directory::load_keys(Deadline deadline) {
    const MonoTime asked = MonotonicClock::now();
    CO_TRY(auto keys, co_await store_.working_keys(keys_loaded_max, deadline));
    for (store::ApiKey& key : keys) keep(std::move(key), asked + trusted_for);
    co_return Result<void>{};
}

/// A key of an account that is not known yet is asked for when it is used.
void Directory::keep(store::ApiKey key, MonoTime trusted_until) {
    const core::Account* account = find(key.account);
    if (account == nullptr) return;
    std::string hash = key.hash;
    keys_.insert_or_assign(std::move(hash), Entry{std::move(key), account, trusted_until});
}

DirectoryContents Directory::contents() const {
    DirectoryContents all;
    for (const auto& [_, account] : accounts_) all.accounts.push_back(*account);
    for (const auto& [_, entry] : keys_) all.keys.push_back(entry.key);
    return all;
}

void Directory::restore(DirectoryContents contents) {
    for (core::Account& account : contents.accounts) keep(std::move(account));
    for (store::ApiKey& key : contents.keys) keep(std::move(key), MonotonicClock::now());
}

const core::Account* Directory::behind(const std::string& hash) const {
    auto found = keys_.find(hash);
    return found == keys_.end() ? nullptr : found->second.account;
}

Task<const core::Account*> Directory::account_of(Id<core::Account> id, Deadline deadline) {
    CO_TRY(auto account, co_await store_.find_account(id, deadline));
    if (!account) co_return static_cast<const core::Account*>(nullptr);
    co_return keep(std::move(*account));
}

Result<Credential> Directory::credential_of(const Entry& entry, WallTime now) {
    if (entry.key.expires && *entry.key.expires <= now)
        return fail(key_error("api_key_expired", "Expired API Key provided: " + entry.key.hint));
    return Credential{entry.account, entry.key.publishable};
}

Task<Credential> Directory::authenticate(std::string hash, WallTime now, Deadline deadline) {
    const MonoTime started = MonotonicClock::now();
    auto known = keys_.find(hash);
    if (known != keys_.end()) {
        if (started < known->second.trusted_until) co_return credential_of(known->second, now);
        known->second.trusted_until = started + refresh_pause; // for all others, meanwhile
        deadline = deadline.capped(refresh_patience);
    }
    if (auto it = unknown_.find(hash); it != unknown_.end()) {
        if (started - it->second < unknown_for) co_return fail(unknown_key());
        unknown_.erase(it);
    }
    deadline = deadline.capped(unknown_patience);

    auto found = co_await store_.find_key(hash, deadline);
    known = keys_.find(hash); // others ran meanwhile
    if (!found) {
        if (known != keys_.end()) co_return credential_of(known->second, now);
        co_return fail(std::move(found).error());
    }
    if (!*found) {
        keys_.erase(hash);
        if (unknown_.size() >= unknown_keys_max) unknown_.clear();
        unknown_.emplace(hash, started);
        co_return fail(unknown_key());
    }
    const Id<core::Account> account_id = (*found)->account;
    auto account = co_await account_of(account_id, deadline);
    const core::Account* resolved = account ? *account : find(account_id);
    if (!resolved) {
        if (!account) co_return fail(std::move(account).error());
        co_return fail(unknown_key());
    }
    Entry& entry = keys_[hash];
    entry = Entry{std::move(**found), resolved, started + trusted_for};
    co_return credential_of(entry, now);
}

} // namespace holdfast::api
