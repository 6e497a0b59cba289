// Request bodies. Whatever is accepted is clean text and survives being written and read again.

#include "base/form.h"
#include "base/utf8.h"

#include <algorithm>
#include <cstdint>

namespace {

using holdfast::FormNode;

bool is_clean(const FormNode& node) {
    return holdfast::valid_text(node.name) && holdfast::valid_text(node.text) &&
           std::ranges::all_of(node.children, is_clean);
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view input(reinterpret_cast<const char*>(data), size);
    const auto tree = holdfast::parse_form(input);
    if (!tree) {
        CHECK(tree.error().kind == holdfast::ErrorClass::Invalid);
        CHECK(holdfast::valid_text(tree.error().param));
        return 0;
    }
    CHECK(is_clean(*tree));
    // Lists are written with their indices, so the text is longer and its tree has maps for lists.
    const holdfast::FormLimits wide{.bytes_max = 64 << 20, .key_bytes_max = 64 << 10};
    const std::string written = holdfast::encode_form(*tree);
    const auto again = holdfast::parse_form(written, wide);
    CHECK(again.has_value());
    CHECK(holdfast::encode_form(*again) == written);
    return 0;
}
