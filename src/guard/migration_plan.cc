#include "guard/migration_plan.h"

#include "base/bytes.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <map>

namespace holdfast::guard {
namespace {

constexpr std::string_view step_suffix = ".sql", inverse_suffix = ".down.sql";
constexpr std::size_t number_digits = 4;

std::unexpected<Error> malformed(std::string_view file, std::string_view what) {
    return fail(ErrorClass::Invalid, "migration_malformed", fmt::format("{}: {}", file, what));
}

std::string_view trimmed(std::string_view text) {
    const auto from = text.find_first_not_of(' ');
    if (from == std::string_view::npos) return {};
    return text.substr(from, text.find_last_not_of(' ') - from + 1);
}

/// The `-- key: value` lines before the first line that is no comment.
std::map<std::string, std::string, std::less<>> read_header(std::string_view text) {
    std::map<std::string, std::string, std::less<>> header;
    constexpr std::string_view mark = "--";
    while (text.starts_with(mark)) {
        const std::size_t end = std::min(text.find('\n'), text.size());
        const std::string_view line = text.substr(mark.size(), end - mark.size());
        const auto colon = line.find(':');
        if (colon != std::string_view::npos) {
            header.emplace(trimmed(line.substr(0, colon)), trimmed(line.substr(colon + 1)));
        }
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    return header;
}

std::optional<int> read_integer(std::string_view text) {
    int number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
    return number;
}

Result<std::chrono::milliseconds> read_budget(std::string_view file, std::string_view text) {
    constexpr std::string_view unit = " ms";
    const auto number = text.ends_with(unit)
                            ? read_integer(text.substr(0, text.size() - unit.size()))
                            : std::nullopt;
    if (!number || *number <= 0 || std::chrono::milliseconds{*number} > lock_budget_max) {
        return malformed(file, fmt::format("lock-budget is 1 to {} ms", lock_budget_max.count()));
    }
    return std::chrono::milliseconds{*number};
}

Result<Step> read_step(const SchemaFile& file) {
    auto header = read_header(file.text);
    Step step;
    step.name = file.name.substr(0, file.name.size() - step_suffix.size());
    step.checksum = to_hex(sha256(file.text));
    step.sql = file.text;
    const auto version = read_integer(file.name.substr(0, number_digits));
    if (!version) return malformed(file.name, "the name begins with four digits");
    step.version = *version;
    step.purpose = header["purpose"];
    if (step.purpose.empty()) return malformed(file.name, "purpose is missing");
    if (header["kind"] != "expand" && header["kind"] != "contract") {
        return malformed(file.name, "kind is expand or contract");
    }
    step.kind = header["kind"] == "expand" ? StepKind::Expand : StepKind::Contract;
    TRY(step.lock_budget, read_budget(file.name, header["lock-budget"]));
    step.as_owner = !header.contains("run-as");
    const std::string inverse = step.name + std::string(inverse_suffix);
    if (step.kind == StepKind::Expand && header["inverse"] != inverse) {
        return malformed(file.name, "an expand step names its inverse, " + inverse);
    }
    return step;
}

} // namespace

Result<std::vector<Step>> plan_migrations(std::span<const SchemaFile> files) {
    std::vector<Step> steps;
    std::map<std::string, std::string_view, std::less<>> inverses;
    for (const SchemaFile& file : files) {
        if (file.name.ends_with(inverse_suffix)) {
            inverses.emplace(file.name.substr(0, file.name.size() - inverse_suffix.size()),
                             file.text);
        } else {
            TRY(Step step, read_step(file));
            steps.push_back(std::move(step));
        }
    }
    std::ranges::sort(steps, {}, &Step::version);
    int expected = 0;
    for (Step& step : steps) {
        if (step.version != ++expected) {
            return malformed(step.name, fmt::format("the next number is {:04}", expected));
        }
        auto inverse = inverses.extract(step.name);
        if (inverse.empty() != (step.kind == StepKind::Contract)) {
            return malformed(step.name, "an expand step has an inverse, a contract step has none");
        }
        if (!inverse.empty()) step.inverse_sql = inverse.mapped();
    }
    if (!inverses.empty()) return malformed(inverses.begin()->first, "an inverse without its step");
    return steps;
}

} // namespace holdfast::guard
