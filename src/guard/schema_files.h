#pragma once

// The files of schema/, compiled in (embed_schema.cmake): the binary migrates a database without
// its source tree. Sorted by name.

#include <span>
#include <string_view>

namespace holdfast::guard {

struct SchemaFile {
    std::string_view name; ///< "0003_payments.sql", "0003_payments.down.sql"
    std::string_view text;
};

std::span<const SchemaFile> schema_files();

} // namespace holdfast::guard
