#pragma once

// DirectoryCopy: what a Directory knows, on this machine's own disk, so that a process which is
// started while the database is away knows its merchants and their keys.
//
// A Journal (base/journal.h: sealed, so neither readable nor forgeable without the secret) to which
// the whole is appended whenever it has changed: a beginning, a record for each account and key,
// and one that says how many they are. What counts is the last that is whole; what is before it is
// released.
// Keys are there by their hashes, as in the database.
//
// Blocks on the disk: use through Offload once the process serves. Errors: those of the Journal;
// Invalid "directory_copy_corrupt", written by another version.

#include "api/directory.h"
#include "base/journal.h"

#include <memory>
#include <optional>
#include <string>

namespace holdfast::api {

class DirectoryCopy {
  public:
    static constexpr JournalLimits limits{.segment_bytes = 1 << 20, .bytes_max = 64 << 20};

    /// `journal` was just opened.
    static Result<std::unique_ptr<DirectoryCopy>> create(std::unique_ptr<Journal> journal);

    /// The last that was written whole; empty when none was.
    const std::optional<DirectoryContents>& found() const { return found_; }
    /// Durable when it returns. Does nothing when this is what was written last.
    Result<void> write(const DirectoryContents& contents);

  private:
    explicit DirectoryCopy(std::unique_ptr<Journal> journal) : journal_(std::move(journal)) {}
    Result<void> read();

    std::unique_ptr<Journal> journal_;
    std::optional<DirectoryContents> found_;
    std::string digest_; ///< of what was written last
};

} // namespace holdfast::api
