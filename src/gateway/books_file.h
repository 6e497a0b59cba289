#pragma once

// BooksFile: the acquirer's books on disk, append only, many entries per fsync.
//
// add() takes an entry into the group that is being gathered; durable() waits until every entry
// added so far is on disk. One group is written and fsynced (on the Offload) while the next one
// gathers, so under load an fsync carries what arrived during the one before.
//
//   CO_TRY(auto file, co_await BooksFile::open(loop, offload, path, replay, deadline));
//   file->add(entry);
//   CO_TRY_VOID(co_await file->durable(deadline));       // now it may be answered for
//
// Format: books_format.h. Opening replays all entries in order, cuts off a torn tail, and locks the
// file: one process at a time ("books_in_use"); mode 0600. Errors of open(): those of
// read_books(), Io "books_unreadable".
//
// A failed write or fsync ends this file for good: what the kernel still holds of it can't be
// trusted. Every later durable() is Io "books_failed"; nothing more is written. Start again.
//
// Limits: group_bytes_max are gathered; beyond, full() is true and callers turn requests away.
// Thread: that of the Loop. close() writes what is left, then destroy.

#include "base/offload.h"
#include "gateway/book_entry.h"
#include "net/gate.h"
#include "net/timer.h"

#include <functional>
#include <memory>

namespace holdfast::gateway {

inline constexpr std::size_t group_bytes_max = 8 << 20;

struct BooksFileStats {
    std::uint64_t entries = 0;
    std::uint64_t syncs = 0;
    std::uint64_t bytes = 0;
};

class BooksFile {
  public:
    using Replay = std::function<Result<void>(const BookEntry&)>;

    /// Blocks (start-up).
    static Result<std::unique_ptr<BooksFile>> open(net::Loop& loop, Offload& offload,
                                                   std::string path, const Replay& replay);
    ~BooksFile();
    BooksFile(const BooksFile&) = delete;
    BooksFile& operator=(const BooksFile&) = delete;

    void add(const BookEntry& entry);
    /// Error Unknown "books_unfinished" when the deadline passed first.
    net::Task<void> durable(net::Deadline deadline);

    bool full() const;
    bool failed() const { return failed_; }
    const BooksFileStats& stats() const { return stats_; }

    net::Task<void> close(net::Deadline deadline);

  private:
    struct Group;
    using GroupPtr = std::shared_ptr<Group>;

    BooksFile(net::Loop& loop, Offload& offload, std::string path, int fd);
    net::Task<void> write_groups();

    net::Loop& loop_;
    Offload& offload_;
    std::string path_;
    int fd_;
    GroupPtr gathering_;
    GroupPtr writing_; ///< null when nothing is being written
    bool failed_ = false;
    BooksFileStats stats_;
    net::Gate gate_;
};

} // namespace holdfast::gateway
