// Ids in paths and parameters. An accepted text is the only text of its id.

#include "core/objects.h"

#include <algorithm>
#include <cstdint>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view input(reinterpret_cast<const char*>(data), size);
    using PaymentId = holdfast::Id<holdfast::core::PaymentIntent>;
    if (const auto id = PaymentId::parse(input)) CHECK(id->str() == input);

    holdfast::Uuid value;
    std::copy_n(data, std::min(size, value.bytes.size()), value.bytes.begin());
    CHECK(value.is_nil() || PaymentId::parse(PaymentId(value).str()) == PaymentId(value));
    return 0;
}
