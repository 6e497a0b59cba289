#include "guard/doctor_machine.h"

#include "base/files.h"
#include "base/subprocess.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <map>

#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <unistd.h>

namespace holdfast::guard {
namespace {

namespace fs = std::filesystem;

/// Calls `each` for every line without its comment and outer blanks.
template <class F> void for_each_line(std::string_view text, F each) {
    constexpr std::string_view blanks = " \t\r";
    while (!text.empty()) {
        const std::size_t end = std::min(text.find('\n'), text.size());
        std::string_view line = text.substr(0, end);
        text.remove_prefix(std::min(end + 1, text.size()));
        const std::size_t last = line.find_last_not_of(blanks);
        line = line.substr(0, last == std::string_view::npos ? 0 : last + 1);
        if (!line.empty()) each(line);
    }
}

std::string_view trimmed(std::string_view text) {
    const std::size_t first = text.find_first_not_of(" \t");
    if (first == std::string_view::npos) return {};
    return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

/// The files of a directory that end in `suffix`, by name.
std::vector<fs::path> files_in(const fs::path& directory, std::string_view suffix) {
    std::vector<fs::path> found;
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(directory, error))
        if (entry.path().filename().string().ends_with(suffix)) found.push_back(entry.path());
    std::ranges::sort(found);
    return found;
}

/// "patroni 3.0.2" of `patroni --version`.
std::string patroni_version(const fs::path& root) {
    for (const char* program : {"usr/local/bin/patroni", "usr/bin/patroni"}) {
        const fs::path path = root / program;
        std::error_code error;
        if (!fs::exists(path, error)) continue;
        auto said = run({.argv = {path.string(), "--version"}}, patroni_patience);
        if (!said) continue;
        const std::string_view line = trimmed(std::string_view(*said).substr(0, said->find('\n')));
        return std::string(line.substr(line.rfind(' ') + 1));
    }
    return {};
}

} // namespace

std::optional<Directory> look_at_directory(const std::string& path) {
    struct statfs kind{};
    struct statvfs system{};
    struct stat status{};
    if (::statfs(path.c_str(), &kind) != 0 || ::statvfs(path.c_str(), &system) != 0 ||
        ::stat(path.c_str(), &status) != 0)
        return std::nullopt;
    Directory directory{.path = path,
                        .filesystem = "disk",
                        .owner_uid = status.st_uid,
                        .mode = status.st_mode,
                        .read_only = (system.f_flag & ST_RDONLY) != 0,
                        .device = status.st_dev,
                        .free_bytes = static_cast<std::int64_t>(system.f_bavail * system.f_frsize)};
    if (kind.f_type == TMPFS_MAGIC) directory.filesystem = "tmpfs";
    if (kind.f_type == RAMFS_MAGIC) directory.filesystem = "ramfs";
    return directory;
}

std::optional<Directory> look_at_directory_to_be(const std::string& path) {
    std::error_code error;
    fs::path there = fs::absolute(path, error);
    while (!fs::exists(there, error) && there.has_relative_path()) there = there.parent_path();
    auto directory = look_at_directory(there.string());
    if (directory) directory->path = path;
    return directory;
}

std::optional<CommandLogs> look_at_command_logs(const CommandLogPlan& plan, std::uint32_t uid) {
    const auto directory = look_at_directory_to_be(plan.directory);
    if (!directory) return std::nullopt;
    CommandLogs logs{.directory = *directory,
                     .writable = directory->writable_by(uid),
                     .count = plan.count,
                     .bytes_max = plan.bytes_max};
    std::error_code error;
    constexpr auto quietly = fs::directory_options::skip_permission_denied;
    for (fs::recursive_directory_iterator file(plan.directory, quietly, error), end;
         !error && file != end; file.increment(error)) {
        std::error_code gone; // a segment that was released just now
        const auto bytes = file->is_regular_file(gone) ? file->file_size(gone) : 0;
        if (!gone) logs.bytes += static_cast<std::int64_t>(bytes);
    }
    return logs;
}

int cores_here() { return static_cast<int>(::sysconf(_SC_NPROCESSORS_ONLN)); }

std::int64_t memory_bytes_here() {
    return std::int64_t{::sysconf(_SC_PHYS_PAGES)} * ::sysconf(_SC_PAGESIZE);
}

std::optional<bool> parse_removes_ipc(std::string_view conf) {
    constexpr std::array<std::string_view, 6> yes{"yes", "y", "true", "t", "on", "1"};
    std::optional<bool> found;
    for_each_line(conf, [&](std::string_view line) {
        line = trimmed(line);
        const std::size_t equals = line.find('=');
        if (line.starts_with('#') || line.starts_with(';') || equals == std::string_view::npos)
            return;
        if (trimmed(line.substr(0, equals)) != "RemoveIPC") return;
        found = std::ranges::find(yes, trimmed(line.substr(equals + 1))) != yes.end();
    });
    return found;
}

std::optional<bool> find_logind_removes_ipc(const std::string& root) {
    const fs::path base(root);
    std::error_code error;
    if (!fs::exists(base / "run/systemd/system", error)) return std::nullopt;
    bool removes = true; // what systemd was built with: its default
    // Drop-ins come after the main file, in the order of their names wherever they lie; of two with
    // one name that of the later directory counts.
    std::map<std::string, fs::path> drop_ins;
    for (const char* directory : {"usr/lib/systemd/logind.conf.d", "run/systemd/logind.conf.d",
                                  "etc/systemd/logind.conf.d"})
        for (const fs::path& file : files_in(base / directory, ".conf"))
            drop_ins[file.filename()] = file;
    const auto apply = [&](const fs::path& file) {
        if (auto text = read_file(file.string()))
            removes = parse_removes_ipc(*text).value_or(removes);
    };
    apply(base / "etc/systemd/logind.conf");
    for (const auto& [name, file] : drop_ins) apply(file);
    return removes;
}

bool has_top_level_key(std::string_view yaml, std::string_view key) {
    bool found = false;
    for_each_line(yaml, [&](std::string_view line) {
        if (!line.starts_with(key)) return;
        line.remove_prefix(key.size());
        found = found || trimmed(line).starts_with(':');
    });
    return found;
}

std::string_view yaml_value(std::string_view yaml, std::string_view section, std::string_view key) {
    std::string_view found;
    bool inside = false;
    for_each_line(yaml, [&](std::string_view line) {
        const bool indented = line.front() == ' ';
        line = trimmed(line);
        if (line.starts_with('#')) return;
        if (!indented)
            inside = line.starts_with(section) && trimmed(line.substr(section.size())) == ":";
        const std::size_t colon = line.find(':');
        if (!inside || !indented || trimmed(line.substr(0, colon)) != key) return;
        found = trimmed(line.substr(colon + 1));
        found = trimmed(found.substr(0, found.find(" #")));
        if (found.size() >= 2 && (found.front() == '"' || found.front() == '\''))
            found = found.substr(1, found.size() - 2);
    });
    return found;
}

std::optional<Patroni> read_patroni(const std::string& file, const std::string& root) {
    auto text = read_file(file);
    if (!text) return std::nullopt;
    return Patroni{.file = file,
                   .version = patroni_version(root),
                   .etcd3 = has_top_level_key(*text, "etcd3"),
                   .api = std::string(yaml_value(*text, "restapi", "connect_address")),
                   .agreed = {}};
}

std::optional<Patroni> find_patroni(const std::string& root) {
    std::optional<Patroni> found;
    for (const fs::path& file : files_in(fs::path(root) / "etc/patroni", ".yml")) {
        auto read = read_patroni(file.string(), root);
        if (read && (!found || (read->etcd3 && !found->etcd3))) found = std::move(read);
    }
    return found;
}

} // namespace holdfast::guard
