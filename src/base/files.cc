#include "base/files.h"

#include <fmt/format.h>

#include <array>
#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace holdfast {
namespace {

Error io_error(std::string_view code, std::string_view what, const std::string& path) {
    return {.kind = ErrorClass::Io,
            .code = std::string(code),
            .message = fmt::format("can't {} {}: {}", what, path, std::strerror(errno))};
}

bool write_all(int fd, std::string_view text) {
    while (!text.empty()) {
        const auto written = ::write(fd, text.data(), text.size());
        if (written < 0 && errno == EINTR) continue;
        if (written <= 0) return false;
        text.remove_prefix(static_cast<std::size_t>(written));
    }
    return true;
}

Result<void> sync_directory_of(const std::string& path) {
    const std::size_t slash = path.rfind('/');
    const std::string directory = slash == std::string::npos ? "." : path.substr(0, slash + 1);
    const int dir = ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0) return fail(io_error("file_unwritable", "open", directory));
    const bool synced = ::fsync(dir) == 0;
    ::close(dir);
    if (!synced) return fail(io_error("file_unwritable", "sync", directory));
    return {};
}

} // namespace

Result<void> write_file_durably(const std::string& path, std::string_view text, int mode,
                                const std::optional<UserIdentity>& owner) {
    const std::string fresh = path + ".new";
    const int fd = ::open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0) return fail(io_error("file_unwritable", "write", fresh));
    const bool good =
        write_all(fd, text) && ::fchmod(fd, static_cast<mode_t>(mode)) == 0 && ::fsync(fd) == 0;
    ::close(fd);
    if (!good) return fail(io_error("file_unwritable", "write", fresh));
    TRY_VOID(give_to(owner, fresh));
    if (::rename(fresh.c_str(), path.c_str()) != 0)
        return fail(io_error("file_unwritable", "rename", fresh));
    return sync_directory_of(path);
}

Result<void> remove_file_durably(const std::string& path) {
    if (::unlink(path.c_str()) != 0 && errno != ENOENT)
        return fail(io_error("file_unwritable", "remove", path));
    return sync_directory_of(path);
}

Result<std::string> read_file(const std::string& path, std::size_t size_max) {
    const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) return fail(io_error("file_unreadable", "read", path));
    std::string text;
    std::array<char, 4096> chunk;
    ssize_t got = 0;
    while (text.size() <= size_max && (got = ::read(fd, chunk.data(), chunk.size())) != 0) {
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) break;
        text.append(chunk.data(), static_cast<std::size_t>(got));
    }
    ::close(fd);
    if (got < 0) return fail(io_error("file_unreadable", "read", path));
    if (text.size() > size_max)
        return fail(ErrorClass::Io, "file_too_large",
                    fmt::format("{} is larger than {} bytes", path, size_max));
    return text;
}

Result<SecretString> read_secret_file(const std::string& path) {
    struct stat status{};
    if (::stat(path.c_str(), &status) != 0) return fail(io_error("file_unreadable", "read", path));
    if (!S_ISREG(status.st_mode)) // a pipe would keep us waiting for somebody to write
        return fail(ErrorClass::Io, "file_unreadable", fmt::format("{} is not a file", path));
    if (status.st_mode & (S_IRWXG | S_IRWXO))
        return fail(ErrorClass::Io, "secret_file_exposed",
                    fmt::format("{0} can be read by others; run: chmod 600 {0}", path));
    TRY(std::string text, read_file(path));
    std::string line = text.substr(0, text.find('\n'));
    wipe(text.data(), text.size());
    if (line.empty())
        return fail(ErrorClass::Io, "secret_file_empty", fmt::format("{} is empty", path));
    return SecretString(std::move(line));
}

} // namespace holdfast
