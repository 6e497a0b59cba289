#pragma once

// UTF-8 validation at the edge.
//
// PostgreSQL refuses a text with a NUL or an invalid sequence, and inside a batch that refusal
// would cost the others their transaction. So poison dies here: what passes valid_text() can be
// stored. Strict: no overlong forms, no surrogates, nothing above U+10FFFF, no NUL.
//
// ASCII is checked eight bytes at a time. Source: Unicode 15, table 3-7.

#include <cstddef>
#include <string_view>

namespace holdfast {

bool valid_text(std::string_view text);

/// Number of code points of valid text: limits that users see count characters, not bytes.
std::size_t code_points(std::string_view valid_text);

/// The longest prefix of at most `max_bytes` bytes that does not cut a code point.
std::string_view truncate_text(std::string_view valid_text, std::size_t max_bytes);

} // namespace holdfast
