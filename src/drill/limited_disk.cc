#include "drill/limited_disk.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

namespace holdfast::drill {

namespace {

Error io_error(std::string_view what, const std::string& path) {
    return {.kind = ErrorClass::Io,
            .code = "limited_disk",
            .message = fmt::format("can't {} {}: {}", what, path, std::strerror(errno))};
}

Error not_allowed(std::string_view what) {
    return {.kind = ErrorClass::Forbidden,
            .code = "mounts_not_allowed",
            .message = fmt::format("this drill mounts a small disk of its own, and can't {} ({}); "
                                   "run it as root with CAP_SYS_ADMIN, or allow user "
                                   "namespaces (sysctl user.max_user_namespaces)",
                                   what, std::strerror(errno))};
}

bool write_line(const char* path, const std::string& text) {
    const int fd = ::open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0) return false;
    const bool written = ::write(fd, text.data(), text.size()) == std::ssize(text);
    ::close(fd);
    return written;
}

/// In a user namespace an ordinary user may mount; in ours it is called as it was.
Result<void> enter_user_namespace() {
    const uid_t user = ::getuid();
    const gid_t group = ::getgid();
    if (::unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0)
        return fail(not_allowed("have a user namespace"));
    // The files below belong to root when a process is not dumpable.
    const int dumpable = ::prctl(PR_GET_DUMPABLE);
    ::prctl(PR_SET_DUMPABLE, 1);
    const bool mapped = write_line("/proc/self/setgroups", "deny") &&
                        write_line("/proc/self/uid_map", fmt::format("{0} {0} 1", user)) &&
                        write_line("/proc/self/gid_map", fmt::format("{0} {0} 1", group));
    ::prctl(PR_SET_DUMPABLE, dumpable);
    if (!mapped) return fail(not_allowed("be itself in a user namespace"));
    return {};
}

} // namespace

Result<void> LimitedDisk::enter_own_mounts() {
    if (::geteuid() != 0)
        TRY_VOID(enter_user_namespace());
    else if (::unshare(CLONE_NEWNS) != 0)
        return fail(not_allowed("have a mount namespace"));
    // What is mounted here shows nowhere else.
    if (::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0)
        return fail(not_allowed("keep its mounts to itself"));
    return {};
}

Result<std::unique_ptr<LimitedDisk>> LimitedDisk::mount(std::string path, std::uint64_t bytes) {
    std::error_code error;
    std::filesystem::create_directories(path, error);
    const std::string options = fmt::format("size={},mode=0755", bytes);
    if (::mount("drill", path.c_str(), "tmpfs", MS_NODEV | MS_NOSUID, options.c_str()) != 0)
        return fail(io_error("mount", path));
    auto disk = std::unique_ptr<LimitedDisk>(new LimitedDisk(std::move(path)));
    disk->mounted_.push_back(disk->path_);
    return disk;
}

LimitedDisk::~LimitedDisk() {
    for (auto path = mounted_.rbegin(); path != mounted_.rend(); ++path)
        ::umount2(path->c_str(), MNT_DETACH);
}

Result<void> LimitedDisk::lay(const std::string& name, const std::string& target,
                              const std::optional<UserIdentity>& owner) {
    const std::string source = path_ + "/" + name;
    std::error_code error;
    std::filesystem::create_directories(source, error);
    std::filesystem::create_directories(target, error);
    TRY_VOID(give_to(owner, source));
    if (::mount(source.c_str(), target.c_str(), nullptr, MS_BIND, nullptr) != 0)
        return fail(io_error("mount", target));
    mounted_.push_back(target);
    return {};
}

Result<std::uint64_t> LimitedDisk::free_bytes() const {
    struct statvfs found{};
    if (::statvfs(path_.c_str(), &found) != 0) return fail(io_error("look at", path_));
    return static_cast<std::uint64_t>(found.f_bfree) * found.f_frsize;
}

Result<bool> LimitedDisk::fill_more() {
    TRY(const std::uint64_t left, free_bytes());
    if (left == 0) return true;
    const int fd = ::open(filler().c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) return fail(io_error("write", filler()));
    const auto at = ::lseek(fd, 0, SEEK_END);
    // Others take space meanwhile: what does not fit is asked for again, in smaller pieces.
    int refused = ENOSPC;
    for (std::uint64_t some = std::min(left, fill_step); some > 0 && refused == ENOSPC; some /= 2)
        refused = ::fallocate(fd, 0, at, static_cast<off_t>(some)) == 0 ? 0 : errno;
    ::close(fd);
    errno = refused;
    if (refused != 0 && refused != ENOSPC) return fail(io_error("fill", filler()));
    TRY(const std::uint64_t now, free_bytes());
    return now == 0;
}

Result<void> LimitedDisk::clear() {
    if (::unlink(filler().c_str()) != 0 && errno != ENOENT)
        return fail(io_error("remove", filler()));
    return {};
}

} // namespace holdfast::drill
