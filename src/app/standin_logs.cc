#include "app/standin_logs.h"

#include "base/files.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

namespace holdfast::app {
namespace {

namespace fs = std::filesystem;

std::uint64_t bytes_in(const std::string& directory) {
    std::uint64_t bytes = 0;
    std::error_code ignored;
    for (const auto& entry : fs::directory_iterator(directory, ignored))
        if (const auto size = entry.file_size(ignored); !ignored) bytes += size;
    return bytes;
}

Result<void> read_into(StandInLog& log, const SecretString& secret) {
    const auto files = journal_directory(log.path);
    TRY(const auto steps, processor::read_command_log(*files, secret));
    for (const auto& [number, step] : steps) {
        TRY(auto summary, processor::summary_of(step));
        log.steps.push_back({number, std::move(summary)});
    }
    return {};
}

StandInLog read_log(const fs::path& path, const SecretString& secret) {
    StandInLog log{.name = path.filename(), .path = path};
    log.bytes = bytes_in(log.path);
    if (auto read = read_into(log, secret); !read) log.problem = read.error().message;
    log.pid = journal_holder(log.path);
    return log;
}

} // namespace

Result<std::vector<StandInLog>> read_standin_logs(const std::string& data) {
    TRY(const SecretString secret, read_secret_file(data + "/secrets/id_secret"));
    const std::string directory = data + "/command-log";
    std::error_code failure;
    std::vector<StandInLog> logs;
    for (const auto& entry : fs::directory_iterator(directory, failure))
        logs.push_back(read_log(entry.path(), secret));
    if (failure)
        return fail(
            ErrorClass::NotFound, "standin_missing",
            fmt::format("there are no command logs in {}: {}", directory, failure.message()));
    std::ranges::sort(logs, {}, &StandInLog::name);
    return logs;
}

Result<std::vector<StandInLog>> read_standin_logs(const std::vector<std::string>& directories,
                                                  const SecretString& id_secret) {
    std::vector<StandInLog> logs;
    for (const std::string& directory : directories) {
        logs.push_back(read_log(directory, id_secret));
        if (logs.back().problem.empty() && logs.back().bytes == 0)
            return fail(ErrorClass::NotFound, "standin_missing",
                        fmt::format("there is no command log in {}", directory));
    }
    return logs;
}

Result<void> expect_readable(const std::vector<StandInLog>& logs) {
    for (const StandInLog& log : logs)
        if (!log.problem.empty())
            return fail(ErrorClass::Io, "standin_unreadable",
                        fmt::format("{} can't be read: {}", log.path, log.problem));
    return {};
}

} // namespace holdfast::app
