#include "gateway/signature.h"

#include <gtest/gtest.h>

namespace holdfast::gateway {
namespace {

using namespace std::chrono_literals;

const WallTime now{1'790'000'000s};
const Signer signer{SecretString("shared")};
const SignedRequest request{"POST", "/v1/operations?a=b", R"({"amount":1})"};

std::string code_of(const auto& result) { return result ? "ok" : result.error().code; }

TEST(Signature, IsWhatTheProtocolSays) {
    // printf '1790000000\nn1\nPOST\n/v1/operations?a=b\n{"amount":1}' | openssl dgst -sha256 -hmac
    // shared
    EXPECT_EQ(signer.sign(request, "n1", now),
              "t=1790000000,n=n1,v1="
              "1e9efc39e889f917e50a3c402d2b08ef8cb007a1ac351d766ea3752dd4239901");
}

TEST(Signature, RequestVerifies) {
    auto nonce = signer.verify(signer.sign(request, "abc1", now), request, now);
    ASSERT_TRUE(nonce);
    EXPECT_EQ(*nonce, "abc1");
}

TEST(Signature, AnyChangeIsNoticed) {
    const std::string header = signer.sign(request, "abc1", now);
    for (const SignedRequest& other :
         {SignedRequest{"GET", request.target, request.body},
          SignedRequest{request.method, "/v1/operations?a=c", request.body},
          SignedRequest{request.method, request.target, R"({"amount":2})"}}) {
        EXPECT_EQ(code_of(signer.verify(header, other, now)), "signature_wrong");
    }
    std::string changed = header;
    changed.replace(changed.find("n=abc1"), 6, "n=abc2");
    EXPECT_EQ(code_of(signer.verify(changed, request, now)), "signature_wrong");
    changed = header;
    changed.replace(changed.find("t=1790000000"), 12, "t=1790000001");
    EXPECT_EQ(code_of(signer.verify(changed, request, now)), "signature_wrong");
    changed = header;
    changed.back() = changed.back() == '0' ? '1' : '0';
    EXPECT_EQ(code_of(signer.verify(changed, request, now)), "signature_wrong");
    EXPECT_EQ(code_of(Signer(SecretString("other")).verify(header, request, now)),
              "signature_wrong");
}

TEST(Signature, AnswerBelongsToItsRequest) {
    const SignedAnswer answer{"abc1", 200, "{}"};
    const std::string header = signer.sign(answer, now);
    EXPECT_EQ(code_of(signer.verify(header, answer, now)), "ok");
    EXPECT_EQ(code_of(signer.verify(header, SignedAnswer{"abc2", 200, "{}"}, now)),
              "signature_wrong");
    EXPECT_EQ(code_of(signer.verify(header, SignedAnswer{"abc1", 500, "{}"}, now)),
              "signature_wrong");
    EXPECT_EQ(code_of(signer.verify(header, SignedAnswer{"abc1", 200, "[]"}, now)),
              "signature_wrong");
}

TEST(Signature, ExpiresWithTheSkew) {
    const std::string header = signer.sign(request, "abc1", now);
    EXPECT_EQ(code_of(signer.verify(header, request, now + signature_max_skew)), "ok");
    EXPECT_EQ(code_of(signer.verify(header, request, now - signature_max_skew)), "ok");
    EXPECT_EQ(code_of(signer.verify(header, request, now + signature_max_skew + 1s)),
              "signature_expired");
    EXPECT_EQ(code_of(signer.verify(header, request, now - signature_max_skew - 1s)),
              "signature_expired");
}

TEST(Signature, SeveralSignaturesWhileAKeyIsExchanged) {
    const std::string old = Signer(SecretString("old")).sign(request, "abc1", now);
    const std::string both = signer.sign(request, "abc1", now) + "," + old.substr(old.find("v1="));
    EXPECT_EQ(code_of(signer.verify(both, request, now)), "ok");
    EXPECT_EQ(code_of(Signer(SecretString("old")).verify(both, request, now)), "ok");
}

TEST(Signature, MalformedHeadersAreRefused) {
    EXPECT_EQ(code_of(signer.verify("", request, now)), "signature_missing");
    for (std::string header :
         {"t=1790000000", "t=,n=a,v1=00", "t=x,n=a,v1=00", "t=99999999999999999999,n=a,v1=00",
          "n=a,v1=00", "t=1790000000,v1=00", "t=1790000000,n=a\n,v1=00", "t=1790000000,n=,v1=00",
          "t=1790000000,n=a,v1=0,v1=0,v1=0,v1=0,v1=0", "garbage", ",,,,"}) {
        EXPECT_EQ(code_of(signer.verify(header, request, now)), "signature_malformed") << header;
    }
    EXPECT_EQ(code_of(signer.verify(std::string(2000, 'x'), request, now)), "signature_malformed");
    EXPECT_EQ(code_of(signer.verify("t=-9223372036854775808,n=a,v1=00", request, now)),
              "signature_wrong");
}

} // namespace
} // namespace holdfast::gateway
