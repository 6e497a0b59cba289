#include "base/bytes.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <openssl/hmac.h>

namespace holdfast {
namespace {

TEST(Sha256, KnownAnswers) { // FIPS 180-4 examples
    EXPECT_EQ(to_hex(sha256("")),
              "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    EXPECT_EQ(to_hex(sha256("abc")),
              "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    Sha256 steps;
    steps.update("a");
    steps.update("");
    steps.update("bc");
    EXPECT_EQ(steps.finish(), sha256("abc"));
}

TEST(Hmac, KnownAnswers) { // RFC 4231, cases 1, 2 and 6
    EXPECT_EQ(to_hex(hmac_sha256(std::string(20, '\x0b'), "Hi There")),
              "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
    EXPECT_EQ(to_hex(hmac_sha256("Jefe", "what do ya want for nothing?")),
              "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    EXPECT_EQ(to_hex(hmac_sha256(std::string(131, '\xaa'),
                                 "Test Using Larger Than Block-Size Key - Hash Key First")),
              "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

RC_GTEST_PROP(HmacProperty, AgreesWithOpenSslHoweverItIsCut,
              (const std::string& key, const std::string& a, const std::string& b)) {
    const std::string message = a + b;
    Digest expected;
    unsigned length = 0;
    HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
         reinterpret_cast<const unsigned char*>(message.data()), message.size(), expected.data(),
         &length);
    const HmacKey prepared(key);
    RC_ASSERT(prepared.sign(message) == expected);
    RC_ASSERT(prepared.sign({a, b}) == expected);
}

TEST(Hex, IsStrict) {
    EXPECT_EQ(to_hex("\x01\xab\xff"), "01abff");
    EXPECT_EQ(from_hex("01aBFf"), "\x01\xab\xff");
    EXPECT_EQ(from_hex(""), "");
    EXPECT_FALSE(from_hex("0"));
    EXPECT_FALSE(from_hex("0g"));
    EXPECT_FALSE(from_hex("0x"));
}

TEST(Base64, KnownAnswers) { // RFC 4648 section 10
    EXPECT_EQ(to_base64(""), "");
    EXPECT_EQ(to_base64("f"), "Zg==");
    EXPECT_EQ(to_base64("fo"), "Zm8=");
    EXPECT_EQ(to_base64("foo"), "Zm9v");
    EXPECT_EQ(to_base64("foobar"), "Zm9vYmFy");
    EXPECT_EQ(to_base64("\xfb\xff"), "+/8=");
    EXPECT_EQ(to_base64url("\xfb\xff"), "-_8");
}

TEST(Base64, RefusesASecondTextForAValue) {
    EXPECT_FALSE(from_base64("Zg"));
    EXPECT_FALSE(from_base64("Zg="));
    EXPECT_FALSE(from_base64("Zg==="));
    EXPECT_FALSE(from_base64("===="));
    EXPECT_FALSE(from_base64("Zh==")); // leftover bits set
    EXPECT_FALSE(from_base64("Z==="));
    EXPECT_FALSE(from_base64("Zm9\n"));
    EXPECT_FALSE(from_base64("-_8="));
    EXPECT_FALSE(from_base64url("+/8"));
    EXPECT_FALSE(from_base64url("Zg=="));
    EXPECT_FALSE(from_base64url("Z"));
}

RC_GTEST_PROP(BytesProperty, TextFormsRoundTrip, (const std::string& bytes)) {
    RC_ASSERT(from_hex(to_hex(bytes)) == std::optional(bytes));
    RC_ASSERT(from_base64(to_base64(bytes)) == std::optional(bytes));
    RC_ASSERT(from_base64url(to_base64url(bytes)) == std::optional(bytes));
}

TEST(Crc32c, KnownAnswers) { // RFC 3720 B.4
    EXPECT_EQ(crc32c(""), 0U);
    EXPECT_EQ(crc32c("123456789"), 0xE3069283U);
    EXPECT_EQ(crc32c(std::string(32, '\0')), 0x8A9136AAU);
    EXPECT_EQ(crc32c(std::string(32, '\xff')), 0x62A8AB43U);
}

RC_GTEST_PROP(Crc32cProperty, GoesOnFromAnyCut, (const std::string& a, const std::string& b)) {
    RC_ASSERT(crc32c(b, crc32c(a)) == crc32c(a + b));
}

} // namespace
} // namespace holdfast
