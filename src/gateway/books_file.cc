#include "gateway/books_file.h"

#include "base/log.h"
#include "gateway/books_format.h"
#include "net/offload_await.h"

#include <cerrno>
#include <cstring>
#include <filesystem>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

namespace holdfast::gateway {

namespace {

constexpr mode_t file_mode = 0600;
/// A disk that takes longer than this for one fsync is broken.
constexpr Duration sync_timeout = std::chrono::seconds{60};

std::unexpected<Error> system_error(std::string code, const std::string& path, int number) {
    return fail(ErrorClass::Io, std::move(code),
                "The acquirer's books " + path + ": " + std::strerror(number));
}

class Descriptor {
  public:
    explicit Descriptor(int fd) : fd_(fd) {}
    Descriptor(const Descriptor&) = delete;
    Descriptor& operator=(const Descriptor&) = delete;
    ~Descriptor() {
        if (fd_ >= 0) ::close(fd_);
    }
    int get() const { return fd_; }
    int release() { return std::exchange(fd_, -1); }

  private:
    int fd_;
};

class Mapping {
  public:
    Mapping(int fd, std::size_t size) : size_(size) {
        if (size > 0) data_ = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, fd, 0);
    }
    Mapping(const Mapping&) = delete;
    Mapping& operator=(const Mapping&) = delete;
    ~Mapping() {
        if (good() && size_ > 0) ::munmap(data_, size_);
    }
    bool good() const { return data_ != MAP_FAILED; }
    std::string_view bytes() const { return {static_cast<const char*>(data_), size_}; }

  private:
    void* data_ = nullptr;
    std::size_t size_;
};

/// 0, or errno.
int write_all(int fd, std::string_view bytes) {
    while (!bytes.empty()) {
        const ssize_t written = ::write(fd, bytes.data(), bytes.size());
        if (written < 0 && errno == EINTR) continue;
        if (written < 0) return errno;
        bytes.remove_prefix(static_cast<std::size_t>(written));
    }
    return 0;
}

int write_and_sync(int fd, std::string_view bytes) {
    if (int problem = write_all(fd, bytes); problem != 0) return problem;
    return ::fdatasync(fd) == 0 ? 0 : errno;
}

/// The name of a new file is durable only with its directory.
int sync_directory_of(const std::string& path) {
    std::string directory = std::filesystem::path(path).parent_path().string();
    Descriptor fd(
        ::open(directory.empty() ? "." : directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (fd.get() < 0) return errno;
    return ::fsync(fd.get()) == 0 ? 0 : errno;
}

Result<std::size_t> replay_file(const std::string& path, int fd, std::size_t size,
                                const BooksFile::Replay& replay) {
    Mapping mapping(fd, size);
    if (!mapping.good()) return system_error("books_unreadable", path, errno);
    return read_books(mapping.bytes(), replay);
}

/// Leaves nothing but good frames, and the magic in front of them.
int trim(const std::string& path, int fd, std::size_t size, std::size_t good) {
    if (good == size && good > 0) return 0;
    if (::ftruncate(fd, static_cast<off_t>(good)) != 0) return errno;
    if (good == 0) {
        if (int problem = write_all(fd, books_magic); problem != 0) return problem;
    }
    if (::fsync(fd) != 0) return errno;
    return sync_directory_of(path);
}

} // namespace

/// Entries that become durable together.
struct BooksFile::Group {
    explicit Group(net::Loop& loop) : done(loop, net::Event::Reset::Manual) {}
    std::string payload;
    net::Event done;
    bool written = false;
};

Result<std::unique_ptr<BooksFile>> BooksFile::open(net::Loop& loop, Offload& offload,
                                                   std::string path, const Replay& replay) {
    Descriptor fd(::open(path.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, file_mode));
    if (fd.get() < 0) return system_error("books_unreadable", path, errno);
    if (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
        return fail(ErrorClass::Conflict, "books_in_use",
                    "Another acquirer has the books " + path + " open.");
    }
    struct stat status{};
    if (::fstat(fd.get(), &status) != 0) return system_error("books_unreadable", path, errno);
    const auto size = static_cast<std::size_t>(status.st_size);
    TRY(std::size_t good, replay_file(path, fd.get(), size, replay));
    if (good < size) {
        log::warn("books_tail_cut", {{"path", path}, {"offset", good}, {"bytes", size - good}});
    }
    if (int problem = trim(path, fd.get(), size, good); problem != 0) {
        return system_error("books_unreadable", path, problem);
    }
    return std::unique_ptr<BooksFile>(new BooksFile(loop, offload, std::move(path), fd.release()));
}

BooksFile::BooksFile(net::Loop& loop, Offload& offload, std::string path, int fd)
    : loop_(loop),
      offload_(offload),
      path_(std::move(path)),
      fd_(fd),
      gathering_(std::make_shared<Group>(loop)),
      gate_(loop, "books_file") {}

BooksFile::~BooksFile() { ::close(fd_); }

bool BooksFile::full() const { return gathering_->payload.size() >= group_bytes_max; }

void BooksFile::add(const BookEntry& entry) {
    append_entry(gathering_->payload, entry);
    ++stats_.entries;
}

net::Task<void> BooksFile::durable(net::Deadline deadline) {
    // Entries of this moment are in the group that gathers, else in the one being written.
    GroupPtr group = gathering_->payload.empty() ? writing_ : gathering_;
    if (group == nullptr && !failed_) co_return Result<void>{};
    if (group != nullptr && !failed_) {
        if (writing_ == nullptr) (void)gate_.spawn(write_groups()); // refused: after close()
        CO_TRY_VOID(co_await group->done.wait(deadline));
        if (group->written) co_return Result<void>{};
    }
    if (failed_) {
        co_return fail(ErrorClass::Io, "books_failed",
                       "The acquirer's books could not be written; it has to be started again.");
    }
    co_return fail(ErrorClass::Unknown, "books_unfinished",
                   "The entry was not known to be durable in time.");
}

/// Runs as long as there is something to write.
net::Task<void> BooksFile::write_groups() {
    while (!failed_ && writing_ == nullptr && !gathering_->payload.empty()) {
        writing_ = std::exchange(gathering_, std::make_shared<Group>(loop_));
        auto work = [fd = fd_, frame = frame_of(writing_->payload)] {
            return write_and_sync(fd, frame);
        };
        const std::size_t bytes = writing_->payload.size();
        auto synced =
            co_await net::offloaded(offload_, std::move(work), net::Deadline::after(sync_timeout));
        GroupPtr group = std::exchange(writing_, nullptr);
        if (!synced || *synced != 0) {
            failed_ = true;
            log::error("books_failed", {{"path", path_},
                                        {"error", synced ? std::strerror(*synced)
                                                         : synced.error().message.c_str()}});
            gathering_->done.set();
        } else {
            group->written = true;
            ++stats_.syncs;
            stats_.bytes += bytes;
        }
        group->done.set();
    }
    co_return Result<void>{};
}

net::Task<void> BooksFile::close(net::Deadline deadline) {
    auto written = co_await durable(deadline);
    CO_TRY_VOID(co_await gate_.close(deadline));
    co_return written;
}

} // namespace holdfast::gateway
