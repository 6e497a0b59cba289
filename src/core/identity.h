#pragma once

// Identity: where ids come from (docs/adr/0002-identity.md).
//
// derived = first 128 bits of HMAC-SHA256(id_secret, domain || account || parts), length-prefixed
// so that no two inputs collide. The account id is that of one mode, so the mode is covered.
// A retry of a keyed request, to any instance, before, during or after an outage, therefore names
// the same object, and exactly-once rests on a primary key that never expires.
//
// Thread: immutable after construction.

#include "base/bytes.h"
#include "base/secret.h"
#include "core/objects.h"
#include "core/operation.h"
#include "core/unit_of_work.h"

namespace holdfast::core {

class Identity {
  public:
    explicit Identity(const SecretString& id_secret);

    /// Hash of (account, endpoint, idempotency key): the id of what a keyed request creates is
    /// derived from it, and the replay cache is keyed by it.
    Uuid replay_key(Id<Account> account, std::string_view endpoint, std::string_view key) const;
    /// What a request asked for, kept beside what it created, to tell a repeated key from one that
    /// is used twice. Keyed: parameters may hold a card number, whose plain hash could be guessed.
    std::uint64_t request_fingerprint(Id<Account> account, std::string_view endpoint,
                                      std::string_view parameters) const;
    /// The id of the object of kind `prefix` that the request behind `replay_key` creates.
    template <class T> Id<T> created_by(Id<Account> account, const Uuid& replay_key) const {
        return Id<T>(derive(T::id_prefix, account, replay_key, 0));
    }
    /// The n-th thing of that kind under `parent` (charge of attempt n, operation n ...).
    template <class T> Id<T> child(Id<Account> account, const Uuid& parent, std::uint64_t n) const {
        return Id<T>(derive(T::id_prefix, account, parent, n));
    }
    /// Authorizations and sales: the same under every request key, with the database and without
    /// it, until an attempt has finally failed.
    Id<Operation> authorization(Id<Account> account, Id<PaymentIntent> payment,
                                std::int32_t failed_attempts) const;
    /// pi_x_secret_y: y is derived, nothing is stored.
    std::string client_secret(Id<Account> account, Id<PaymentIntent> payment) const;
    /// Unique and ordered by time (48 bits of ms): events and balance transactions.
    Uuid ordered(WallTime now, std::string_view domain, Id<Account> account, const Uuid& parent,
                 std::uint64_t n) const;

  private:
    Uuid derive(std::string_view domain, Id<Account> account, const Uuid& parent,
                std::uint64_t n) const;
    Uuid derive(std::string_view domain, Id<Account> account, std::string_view first,
                std::string_view second) const;
    HmacKey key_;
};

} // namespace holdfast::core
