#include "base/config_file.h"

#include <fmt/format.h>

// Without exceptions parse_file() answers with a result, and the header costs less.
#define TOML_EXCEPTIONS 0
#include <toml++/toml.h>

#include <string_view>

namespace holdfast {

namespace {

std::unexpected<Error> refuse(const std::string& path, std::uint32_t line, std::string_view why) {
    return fail(ErrorClass::Invalid, "config_file", fmt::format("{}:{}: {}", path, line, why));
}

Result<void> flatten(const toml::table& table, const std::string& prefix, const std::string& path,
                     std::vector<ConfigFileEntry>& entries) {
    for (const auto& [name, node] : table) {
        const std::uint32_t line = node.source().begin.line;
        ConfigFileEntry entry{.key = prefix + std::string(name.str()), .line = line};
        if (const toml::table* section = node.as_table()) {
            TRY_VOID(flatten(*section, entry.key + ".", path, entries));
            continue;
        }
        if (const auto* text = node.as_string()) {
            entry.text = text->get();
        } else if (const auto* number = node.as_integer()) {
            entry.kind = ConfigFileEntry::Kind::Integer;
            entry.text = std::to_string(number->get());
        } else if (const auto* truth = node.as_boolean()) {
            entry.kind = ConfigFileEntry::Kind::Boolean;
            entry.text = truth->get() ? "true" : "false";
        } else {
            return refuse(path, line, entry.key + " must be a text, an integer, true or false.");
        }
        entries.push_back(std::move(entry));
    }
    return {};
}

} // namespace

Result<std::vector<ConfigFileEntry>> read_config_file(const std::string& path) {
    const toml::parse_result parsed = toml::parse_file(path);
    if (!parsed) {
        return refuse(path, parsed.error().source().begin.line, parsed.error().description());
    }
    std::vector<ConfigFileEntry> entries;
    TRY_VOID(flatten(parsed.table(), {}, path, entries));
    return entries;
}

} // namespace holdfast
