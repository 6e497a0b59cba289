#include "gateway/signature.h"

#include <algorithm>
#include <charconv>

namespace holdfast::gateway {

namespace {

constexpr std::size_t header_bytes_max = 1024;
constexpr std::size_t nonce_chars_max = 64;
constexpr std::size_t signatures_max = 4;

std::unexpected<Error> refuse(std::string code, std::string message) {
    return fail(ErrorClass::Auth, std::move(code), std::move(message));
}

bool is_nonce(std::string_view text) {
    return !text.empty() && text.size() <= nonce_chars_max && std::ranges::all_of(text, [](char c) {
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    });
}

/// The parts of a header, as views into it.
struct Parsed {
    std::string_view time, nonce;
    std::array<std::string_view, signatures_max> signatures;
    std::size_t count = 0;
    std::int64_t seconds = 0;
};

Result<Parsed> parse(std::string_view header) {
    if (header.empty()) return refuse("signature_missing", "The message is not signed.");
    const auto malformed = [] {
        return refuse("signature_malformed", "The signature header is malformed.");
    };
    if (header.size() > header_bytes_max) return malformed();
    Parsed parsed;
    while (!header.empty()) {
        const std::string_view part = header.substr(0, header.find(','));
        header.remove_prefix(std::min(part.size() + 1, header.size()));
        if (part.starts_with("t=")) {
            parsed.time = part.substr(2);
        } else if (part.starts_with("n=")) {
            parsed.nonce = part.substr(2);
        } else if (part.starts_with("v1=")) {
            if (parsed.count == signatures_max) return malformed();
            parsed.signatures[parsed.count++] = part.substr(3);
        } // other schemes are other people's
    }
    const char* end = parsed.time.data() + parsed.time.size();
    auto number = std::from_chars(parsed.time.data(), end, parsed.seconds);
    if (parsed.time.empty() || number.ec != std::errc() || number.ptr != end) return malformed();
    if (parsed.count == 0) return malformed();
    return parsed;
}

Result<void> check(const Parsed& parsed, const Digest& expected, WallTime now) {
    const std::string right = to_hex(expected);
    bool found = false;
    for (std::size_t i = 0; i < parsed.count; ++i) {
        found |= constant_time_equal(right, parsed.signatures[i]);
    }
    if (!found) return refuse("signature_wrong", "The signature does not fit the message.");
    const std::int64_t skew =
        std::chrono::duration_cast<std::chrono::seconds>(signature_max_skew).count();
    const std::int64_t here = unix_seconds(now);
    if (parsed.seconds < here - skew || parsed.seconds > here + skew) {
        return refuse("signature_expired", "The message is too old, or the clocks differ.");
    }
    return {};
}

std::string header_of(std::string_view time, std::string_view nonce, const Digest& digest) {
    std::string header;
    header.reserve(128);
    header.append("t=").append(time);
    if (!nonce.empty()) header.append(",n=").append(nonce);
    header.append(",v1=").append(to_hex(digest));
    return header;
}

Digest digest_of(const HmacKey& key, std::string_view time, std::string_view nonce,
                 const SignedRequest& r) {
    return key.sign({time, "\n", nonce, "\n", r.method, "\n", r.target, "\n", r.body});
}

Digest digest_of(const HmacKey& key, std::string_view time, const SignedAnswer& a) {
    return key.sign({time, "\n", a.nonce, "\n", std::to_string(a.status), "\n", a.body});
}

} // namespace

std::string Signer::sign(const SignedRequest& request, std::string_view nonce, WallTime now) const {
    CHECK(is_nonce(nonce));
    const std::string time = std::to_string(unix_seconds(now));
    return header_of(time, nonce, digest_of(key_, time, nonce, request));
}

std::string Signer::sign(const SignedAnswer& answer, WallTime now) const {
    const std::string time = std::to_string(unix_seconds(now));
    return header_of(time, {}, digest_of(key_, time, answer));
}

Result<std::string> Signer::verify(std::string_view header, const SignedRequest& request,
                                   WallTime now) const {
    TRY(Parsed parsed, parse(header));
    if (!is_nonce(parsed.nonce)) {
        return refuse("signature_malformed", "The signature header has no nonce.");
    }
    TRY_VOID(check(parsed, digest_of(key_, parsed.time, parsed.nonce, request), now));
    return std::string(parsed.nonce);
}

Result<void> Signer::verify(std::string_view header, const SignedAnswer& answer,
                            WallTime now) const {
    TRY(Parsed parsed, parse(header));
    return check(parsed, digest_of(key_, parsed.time, answer), now);
}

} // namespace holdfast::gateway
