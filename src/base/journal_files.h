#pragma once

// JournalFiles: what a Journal (journal.h) asks of a disk, and of nothing else; the seam at which
// tests put a disk that crashes, fails and fills up (journal_memory.h).
//
// One JournalFiles is one directory. Names are of files in it, without a path. Every call blocks;
// thread-compatible, like the Journal.
//
// What a disk promises, and what the format of segments (journal_format.h) relies on:
//   - What was written before a sync() that succeeded is read back after a crash.
//   - What was not synced survives or not, each sector (sector_bytes) on its own, in any order; one
//     that does not survive reads as before. Sectors are written whole: every disk does that.
//   - After a failed sync() nothing is promised about what it was to write, not even when a later
//     one succeeds: the kernel may have dropped the pages and called them clean.
//   - read() answers what the disk has, not what a page that was dropped that way still says.
//   - Creating, renaming and removing survive a crash, in order, after sync_names().
//
// Errors: Overload "journal_full" when there is no space left (ENOSPC, EDQUOT), Conflict
// "journal_in_use", Io "journal_io" for the rest; each names the file and what was asked.

#include "base/result.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace holdfast {

inline constexpr std::size_t sector_bytes = 512;

/// A file that is open for writing; closed, not synced, on destruction.
class JournalFile {
  public:
    JournalFile() = default;
    JournalFile(const JournalFile&) = delete;
    JournalFile& operator=(const JournalFile&) = delete;
    virtual ~JournalFile() = default;

    /// Within the size of the file.
    virtual Result<void> write(std::uint64_t offset, std::string_view bytes) = 0;
    virtual Result<void> sync() = 0;
    /// Makes the file that long, at most as long as it is, and durable.
    virtual Result<void> cut(std::uint64_t bytes) = 0;
};

class JournalFiles {
  public:
    /// Held until destroyed, or until the process is gone.
    struct Lock {
        Lock() = default;
        Lock(const Lock&) = delete;
        Lock& operator=(const Lock&) = delete;
        virtual ~Lock() = default;
    };

    JournalFiles() = default;
    JournalFiles(const JournalFiles&) = delete;
    JournalFiles& operator=(const JournalFiles&) = delete;
    virtual ~JournalFiles() = default;

    /// Makes the directory when it is missing (its parent must be there), and takes it for this
    /// process alone. Error Conflict "journal_in_use" names the process that has it.
    virtual Result<std::unique_ptr<Lock>> lock() = 0;
    virtual Result<std::vector<std::string>> names() = 0;
    virtual Result<std::string> read(const std::string& name, std::size_t bytes_max) = 0;
    /// A file of that many zeros, whose blocks are written, so that overwriting them later changes
    /// nothing but data; replaces one of that name. Not durable before its sync() and sync_names().
    virtual Result<std::unique_ptr<JournalFile>> create(const std::string& name,
                                                        std::uint64_t bytes) = 0;
    virtual Result<std::unique_ptr<JournalFile>> open(const std::string& name) = 0;
    /// Replaces a file of the new name at once.
    virtual Result<void> rename(const std::string& from, const std::string& to) = 0;
    virtual Result<void> remove(const std::string& name) = 0;
    virtual Result<void> sync_names() = 0;
};

/// A directory of a real file system; files have mode 0600, the directory 0700 when it is made
/// here.
std::unique_ptr<JournalFiles> journal_directory(std::string path);

/// The process that has the journal in that directory, as the kernel's table of locks (proc(5),
/// /proc/locks) says: asking the lock itself could be in the way of one that starts. Empty: nobody
/// whom we can see.
std::optional<int> journal_holder(const std::string& path);

} // namespace holdfast
