#pragma once

// Bytes: digests, checksums and text forms of binary data.
//
// Binary data is a std::string or string_view throughout Holdfast; a digest is a Digest, and
// chars() shows any byte array as a string_view.
//
// HmacKey keeps the two SHA-256 states that follow from its key, so that a signature costs as many
// blocks as there are in the message plus one, and never allocates: every derived id and every
// authentication takes that path. Immutable after construction, usable from any thread, wiped on
// destruction.
//
//   HmacKey key(secret.reveal());
//   Digest tag = key.sign({domain, account, payload});   // the parts are simply concatenated;
//                                                        // length-prefix them where they vary
//   bool good = constant_time_equal(chars(tag), chars(given));
//
// Decoders are strict: one text per value, anything else is an empty optional.
//
// Sources: FIPS 180-4 (SHA-256), RFC 2104 (HMAC), RFC 4648 (base64, hex), RFC 3720 B.4 (CRC-32C).

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace holdfast {

using Digest = std::array<std::uint8_t, 32>;

inline std::string_view chars(std::span<const std::uint8_t> bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

/// SHA-256 in steps; sha256() when the data is at hand.
class Sha256 {
  public:
    Sha256();
    void update(std::string_view data);
    Digest finish(); ///< once

  private:
    friend class HmacKey;
    using State = std::array<std::uint32_t, 8>;
    static constexpr std::size_t block_size = 64;

    explicit Sha256(const State& after_one_block);
    State state() const; ///< at a block boundary only

    alignas(8) std::array<std::byte, 112> context_; // an OpenSSL SHA256_CTX (checked in bytes.cc)
};

Digest sha256(std::string_view data);

class HmacKey {
  public:
    explicit HmacKey(std::string_view key);
    HmacKey(const HmacKey&) = default;
    HmacKey& operator=(const HmacKey&) = default;
    ~HmacKey();

    Digest sign(std::string_view message) const { return sign({message}); }
    Digest sign(std::initializer_list<std::string_view> parts) const;

  private:
    Sha256::State inner_, outer_;
};

/// For a key that is used once; keep an HmacKey otherwise.
Digest hmac_sha256(std::string_view key, std::string_view message);

std::string to_hex(std::string_view bytes); ///< lower case
inline std::string to_hex(std::span<const std::uint8_t> bytes) { return to_hex(chars(bytes)); }
std::optional<std::string> from_hex(std::string_view text); ///< either case

std::string to_base64(std::string_view bytes); ///< padded
std::optional<std::string> from_base64(std::string_view text);
std::string to_base64url(std::string_view bytes); ///< not padded
std::optional<std::string> from_base64url(std::string_view text);

/// Castagnoli; pass the result of the part before as `previous` to go on.
std::uint32_t crc32c(std::string_view data, std::uint32_t previous = 0);

/// FNV-1a, 64 bits: for hash tables and sampling, not for anything an adversary may choose.
constexpr std::uint64_t fnv1a(std::string_view data) {
    std::uint64_t hash = 0xcbf29ce484222325ULL;
    for (char c : data) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3ULL;
    return hash;
}

} // namespace holdfast
