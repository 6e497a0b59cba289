#pragma once

// Signature: how requests to an acquirer and its answers are authenticated.
//
//   Holdfast-Signature: t=1790000000,n=4kT9...,v1=5257a869e7ec...
//
// v1 = hex(HMAC-SHA256(key, text)), t the sender's unix time, n a nonce of the request. The text:
//
//   of a request   t \n n \n METHOD \n target (path and query, as sent) \n body
//   of an answer   t \n n of the request \n status \n body
//
// So an answer belongs to one request: an answer to another one, or an older one, does not pass. A
// request that is repeated by an eavesdropper passes within max_skew; that is harmless, because a
// reference is executed once and everything else reads. A header may hold several v1; one that is
// right is enough, so that a key can be exchanged.
//
// Signatures give integrity, not secrecy: between machines, TLS goes around this.
//
// Errors of verify_*: Auth "signature_missing", "signature_malformed", "signature_expired",
// "signature_wrong". Comparison takes the same time for every wrong signature. Immutable.
//
// Source: the scheme of Stripe's webhooks (docs.stripe.com/webhooks), with nonce and request line.

#include "base/bytes.h"
#include "base/env.h"
#include "base/secret.h"

#include <string>
#include <string_view>

namespace holdfast::gateway {

inline constexpr std::string_view signature_header = "Holdfast-Signature";
/// Clocks may be this far apart.
inline constexpr Duration signature_max_skew = std::chrono::minutes{5};

struct SignedRequest {
    std::string_view method, target, body;
};
struct SignedAnswer {
    std::string_view nonce; ///< of the request
    int status = 0;
    std::string_view body;
};

class Signer {
  public:
    explicit Signer(const SecretString& key) : key_(key.reveal()) {}

    /// The value of the header. `nonce`: letters and digits, at most 64.
    std::string sign(const SignedRequest& request, std::string_view nonce, WallTime now) const;
    std::string sign(const SignedAnswer& answer, WallTime now) const;

    /// The nonce of the request.
    Result<std::string> verify(std::string_view header, const SignedRequest& request,
                               WallTime now) const;
    Result<void> verify(std::string_view header, const SignedAnswer& answer, WallTime now) const;

  private:
    HmacKey key_;
};

} // namespace holdfast::gateway
