#include "core/identity.h"

#include <algorithm>
#include <array>
#include <cstring>

namespace holdfast::core {
namespace {

/// Big-endian, 8 bytes. Lengths and numbers have a fixed width, so that inputs can't run into
/// each other.
std::array<std::uint8_t, 8> wide(std::uint64_t value) {
    std::array<std::uint8_t, 8> bytes{};
    for (std::size_t i = 0; i < bytes.size(); ++i)
        bytes[i] = static_cast<std::uint8_t>(value >> (56 - 8 * i));
    return bytes;
}

std::string_view chars_of(const Uuid& id) { return chars(id.bytes); }

Uuid first_128_bits(const Digest& digest) {
    Uuid id;
    std::copy_n(digest.begin(), id.bytes.size(), id.bytes.begin());
    return id;
}

} // namespace

Identity::Identity(const SecretString& id_secret) : key_(id_secret.reveal()) {}

Uuid Identity::derive(std::string_view domain, Id<Account> account, const Uuid& parent,
                      std::uint64_t n) const {
    const auto length = wide(domain.size());
    const auto number = wide(n);
    return first_128_bits(key_.sign(
        {chars(length), domain, chars_of(account.uuid()), chars_of(parent), chars(number)}));
}

Uuid Identity::derive(std::string_view domain, Id<Account> account, std::string_view first,
                      std::string_view second) const {
    const auto domain_length = wide(domain.size());
    const auto first_length = wide(first.size());
    const auto second_length = wide(second.size());
    return first_128_bits(key_.sign({chars(domain_length), domain, chars_of(account.uuid()),
                                     chars(first_length), first, chars(second_length), second}));
}

Uuid Identity::replay_key(Id<Account> account, std::string_view endpoint,
                          std::string_view key) const {
    return derive("replay_key", account, endpoint, key);
}

std::uint64_t Identity::request_fingerprint(Id<Account> account, std::string_view endpoint,
                                            std::string_view parameters) const {
    const Uuid whole = derive("request_fingerprint", account, endpoint, parameters);
    std::uint64_t fingerprint;
    std::memcpy(&fingerprint, whole.bytes.data(), sizeof fingerprint);
    return fingerprint;
}

Id<Operation> Identity::authorization(Id<Account> account, Id<PaymentIntent> payment,
                                      std::int32_t failed_attempts) const {
    return Id<Operation>(derive("authorization", account, payment.uuid(),
                                static_cast<std::uint64_t>(failed_attempts)));
}

std::string Identity::client_secret(Id<Account> account, Id<PaymentIntent> payment) const {
    return payment.str() + "_secret_" +
           derive("client_secret", account, payment.uuid(), 0).base62();
}

Uuid Identity::ordered(WallTime now, std::string_view domain, Id<Account> account,
                       const Uuid& parent, std::uint64_t n) const {
    constexpr std::size_t time_bytes = 6;
    Uuid id = derive(domain, account, parent, n);
    const auto ms = wide(static_cast<std::uint64_t>(unix_micros(now) / 1000));
    std::copy_n(ms.begin() + 2, time_bytes, id.bytes.begin());
    return id;
}

} // namespace holdfast::core
