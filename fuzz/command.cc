// Records of the command log, whose bytes a failing disk may have changed. What decodes encodes to
// bytes that decode to the same.

#include "core/command.h"

#include <cstdint>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view input(reinterpret_cast<const char*>(data), size);
    const auto command = holdfast::core::decode_command(input);
    if (!command) return 0;
    CHECK(!holdfast::core::name_of(*command).empty());
    const std::string bytes = encode(*command);
    const auto again = holdfast::core::decode_command(bytes);
    CHECK(again.has_value());
    CHECK(encode(*again) == bytes);
    return 0;
}
