#include "base/journal_files.h"

#include "base/env.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <utility>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

namespace holdfast {
namespace {

constexpr mode_t file_mode = 0600;
constexpr mode_t directory_mode = 0700;
constexpr std::size_t zeros_bytes = 1 << 20; ///< written at once when a file is made
constexpr std::string_view lock_name = "lock";

std::unexpected<Error> refused(std::string_view what, const std::string& path, int number) {
    const bool full = number == ENOSPC || number == EDQUOT;
    return fail(full ? ErrorClass::Overload : ErrorClass::Io, full ? "journal_full" : "journal_io",
                fmt::format("can't {} {}: {}", what, path, std::strerror(number)));
}

class Descriptor {
  public:
    explicit Descriptor(int fd) : fd_(fd) {}
    Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    Descriptor& operator=(Descriptor&&) = delete;
    ~Descriptor() {
        if (fd_ >= 0) ::close(fd_);
    }
    int get() const { return fd_; }

  private:
    int fd_;
};

Result<Descriptor> open_file(const std::string& path, int flags) {
    Descriptor fd(::open(path.c_str(), flags | O_CLOEXEC, file_mode));
    if (fd.get() < 0) return refused("open", path, errno);
    return fd;
}

Result<void> sync_directory(const std::string& path) {
    TRY(Descriptor fd, open_file(path, O_RDONLY | O_DIRECTORY));
    if (::fsync(fd.get()) != 0) return refused("sync", path, errno);
    return {};
}

class RealFile final : public JournalFile {
  public:
    RealFile(std::string path, Descriptor fd) : path_(std::move(path)), fd_(std::move(fd)) {}

    Result<void> write(std::uint64_t offset, std::string_view bytes) override {
        while (!bytes.empty()) {
            const ssize_t written =
                ::pwrite(fd_.get(), bytes.data(), bytes.size(), static_cast<off_t>(offset));
            if (written < 0 && errno == EINTR) continue;
            if (written <= 0) return refused("write", path_, written == 0 ? ENOSPC : errno);
            offset += static_cast<std::uint64_t>(written);
            bytes.remove_prefix(static_cast<std::size_t>(written));
        }
        return {};
    }
    Result<void> sync() override {
        // Not again on EINTR: a sync that failed in any way has to be taken for lost.
        if (::fdatasync(fd_.get()) != 0) return refused("sync", path_, errno);
        return {};
    }
    Result<void> cut(std::uint64_t bytes) override {
        if (::ftruncate(fd_.get(), static_cast<off_t>(bytes)) != 0)
            return refused("cut", path_, errno);
        if (::fsync(fd_.get()) != 0) return refused("sync", path_, errno);
        return {};
    }
    Result<void> fill_with_zeros(std::uint64_t bytes) {
        // First asks for all of it, so that a full disk is known at once and the blocks lie
        // together. But what fallocate() reserves is marked unwritten, and clearing that mark is
        // metadata, which each sync would have to write: so the zeros are written, too.
        if (::fallocate(fd_.get(), 0, 0, static_cast<off_t>(bytes)) != 0 && errno != EOPNOTSUPP)
            return refused("allocate", path_, errno);
        const std::string zeros(std::min<std::uint64_t>(bytes, zeros_bytes), '\0');
        for (std::uint64_t at = 0; at < bytes; at += zeros.size()) {
            const auto size = std::min<std::uint64_t>(bytes - at, zeros.size());
            TRY_VOID(write(at, std::string_view(zeros).substr(0, size)));
        }
        return {};
    }

  private:
    std::string path_;
    Descriptor fd_;
};

class RealLock final : public JournalFiles::Lock {
  public:
    explicit RealLock(Descriptor fd) : fd_(std::move(fd)) {}

  private:
    Descriptor fd_; ///< what holds the lock
};

/// The process that wrote its id into the lock file.
std::string holder_of(int fd) {
    std::array<char, 16> text{};
    const ssize_t got = ::pread(fd, text.data(), text.size(), 0);
    int pid = 0;
    if (got > 0) std::from_chars(text.data(), text.data() + got, pid);
    return pid > 0 ? fmt::format("process {}", pid) : std::string("another process");
}

class RealFiles final : public JournalFiles {
  public:
    explicit RealFiles(std::string path) : path_(std::move(path)) {}

    Result<std::unique_ptr<Lock>> lock() override {
        if (::mkdir(path_.c_str(), directory_mode) == 0) {
            const auto parent = std::filesystem::path(path_).parent_path().string();
            TRY_VOID(sync_directory(parent.empty() ? "." : parent));
        } else if (errno != EEXIST) {
            return refused("make", path_, errno);
        }
        const std::string path = in(std::string(lock_name));
        TRY(Descriptor fd, open_file(path, O_RDWR | O_CREAT));
        if (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
            if (errno != EWOULDBLOCK) return refused("lock", path, errno);
            return fail(ErrorClass::Conflict, "journal_in_use",
                        fmt::format("{} has the journal {} open", holder_of(fd.get()), path_));
        }
        const std::string pid = fmt::format("{}\n", Env::current().pid());
        if (::ftruncate(fd.get(), 0) != 0 ||
            ::pwrite(fd.get(), pid.data(), pid.size(), 0) != static_cast<ssize_t>(pid.size()))
            return refused("write", path, errno);
        return std::make_unique<RealLock>(std::move(fd));
    }

    Result<std::vector<std::string>> names() override {
        std::vector<std::string> found;
        std::error_code problem;
        for (std::filesystem::directory_iterator entry(path_, problem), end;
             !problem && entry != end; entry.increment(problem)) {
            found.push_back(entry->path().filename().string());
        }
        if (problem) return refused("list", path_, problem.value());
        return found;
    }

    Result<std::string> read(const std::string& name, std::size_t bytes_max) override {
        const std::string path = in(name);
        TRY(Descriptor fd, open_file(path, O_RDONLY));
        struct stat status{};
        if (::fstat(fd.get(), &status) != 0) return refused("read", path, errno);
        const auto size = static_cast<std::size_t>(status.st_size);
        if (size > bytes_max) return refused("read", path, EFBIG);
        // A page whose sync failed may be in memory only, and clean: forgotten, it is read again.
        // Dirty pages stay.
        ::posix_fadvise(fd.get(), 0, 0, POSIX_FADV_DONTNEED);
        std::string bytes(size, '\0');
        for (std::size_t at = 0; at < size;) {
            const ssize_t got =
                ::pread(fd.get(), bytes.data() + at, size - at, static_cast<off_t>(at));
            if (got < 0 && errno == EINTR) continue;
            if (got <= 0) return refused("read", path, got == 0 ? EIO : errno);
            at += static_cast<std::size_t>(got);
        }
        return bytes;
    }

    Result<std::unique_ptr<JournalFile>> create(const std::string& name,
                                                std::uint64_t bytes) override {
        const std::string path = in(name);
        TRY(Descriptor fd, open_file(path, O_RDWR | O_CREAT | O_TRUNC));
        auto file = std::make_unique<RealFile>(path, std::move(fd));
        if (auto filled = file->fill_with_zeros(bytes); !filled) {
            ::unlink(path.c_str()); // gives back what there was of space
            return fail(std::move(filled.error()));
        }
        return file;
    }
    Result<std::unique_ptr<JournalFile>> open(const std::string& name) override {
        const std::string path = in(name);
        TRY(Descriptor fd, open_file(path, O_RDWR));
        return std::make_unique<RealFile>(path, std::move(fd));
    }
    Result<void> rename(const std::string& from, const std::string& to) override {
        if (::rename(in(from).c_str(), in(to).c_str()) != 0)
            return refused("rename", in(from), errno);
        return {};
    }
    Result<void> remove(const std::string& name) override {
        if (::unlink(in(name).c_str()) != 0) return refused("remove", in(name), errno);
        return {};
    }
    Result<void> sync_names() override { return sync_directory(path_); }

  private:
    std::string in(const std::string& name) const { return path_ + "/" + name; }

    std::string path_;
};

} // namespace

std::unique_ptr<JournalFiles> journal_directory(std::string path) {
    return std::make_unique<RealFiles>(std::move(path));
}

std::optional<int> journal_holder(const std::string& path) {
    struct stat status{};
    if (::stat(fmt::format("{}/{}", path, lock_name).c_str(), &status) != 0) return std::nullopt;
    // "1: FLOCK  ADVISORY  WRITE 4711 fe:00:1835044 0 EOF". The device there is the kernel's own
    // number, which stat() of some file systems does not tell: the inode has to do.
    const std::string inode = fmt::format(":{}", status.st_ino);
    std::ifstream locks("/proc/locks");
    for (std::string line; std::getline(locks, line);) {
        std::istringstream words(line);
        std::string number, kind, mode, access, file;
        int pid = 0;
        if (words >> number >> kind >> mode >> access >> pid >> file && kind == "FLOCK" &&
            file.ends_with(inode))
            return pid;
    }
    return std::nullopt;
}

} // namespace holdfast
