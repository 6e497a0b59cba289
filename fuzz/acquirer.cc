// Messages between payment-api and acquirer, and their signature header. What decodes encodes to
// text that decodes to the same.

#include "gateway/fault_json.h"
#include "gateway/signature.h"
#include "gateway/wire.h"

#include <cstdint>

using namespace holdfast;
using namespace holdfast::gateway;

namespace {

template <class T, class Encode, class Decode>
void round_trip(const Result<T>& decoded, Encode encode, Decode decode) {
    if (!decoded) return;
    const std::string text = encode(*decoded);
    const auto again = decode(text);
    CHECK(again.has_value());
    CHECK(encode(*again) == text);
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view input(reinterpret_cast<const char*>(data), size);
    round_trip(decode_operation(input), encode_operation, decode_operation);
    round_trip(decode_answer(input), encode_answer, decode_answer);
    round_trip(decode_tokenize(input), encode_tokenize, decode_tokenize);
    round_trip(decode_vaulted(input), encode_vaulted, decode_vaulted);
    round_trip(decode_lines(input), encode_lines, decode_lines);
    if (auto plan = parse_fault_plan(input)) (void)render_fault_plan(FaultInjector(*plan));
    (void)decode_error(503, input);
    static const Signer signer{SecretString("secret")};
    const WallTime now{std::chrono::seconds{1'790'000'000}};
    CHECK(!signer.verify(input, SignedRequest{"POST", "/v1/operations", "{}"}, now));
    CHECK(!signer.verify(input, SignedAnswer{"n", 200, "{}"}, now));
    return 0;
}
