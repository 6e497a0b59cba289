#pragma once

// Journal: an append-only log of sealed records on local disk; what stand-in processing and other
// evidence that must not depend on the database are kept in.
//
//   TRY(auto journal, Journal::open(journal_directory(path), secret));
//   for (JournalReader old = journal->read(0);;) { TRY(auto record, old.next()); ... }
//   TRY(std::uint64_t sequence, journal->append(bytes));   // in the order of sequences, 1, 2, 3 …
//   TRY_VOID(journal->sync());                             // now all of them may be answered for
//   TRY_VOID(journal->release(sequence));                  // no longer needed
//   TRY_VOID(journal->close());
//
// A record is opaque, at most journal_record_bytes_max. append() writes to the file but does not
// wait for the disk: records survive kill -9 at once, and a power cut from the next sync() that
// succeeds. So many appends share one sync. A record that was appended and not synced may be there
// after a crash, and if so, all before it are.
//
// On disk: segment-NUMBER files of segment_bytes each, made in full before the first append, so
// that appending changes no metadata and needs no space; cut to what they hold when the next one
// begins or the journal is closed. Records are encrypted and authenticated (journal_format.h).
// Whoever opens a journal begins a segment of its own.
//
// Failure. A write or sync that fails ends the journal for good (Io "journal_failed" from then on):
// after a failed fsync the kernel may have dropped the pages and called them clean, so that trying
// again would succeed and prove nothing. read() then goes on as far as was synced; open it anew to
// learn what the disk has. Full (bytes_max, or no space for the next segment) is Overload
// "journal_full": nothing was written, what was appended stays, sync() and release() work, and
// after a release() appending does again.
//
// open() reads and verifies everything. An unsynced tail that a crash tore is cut, logged and told
// by recovery(); damage anywhere else is Io "journal_corrupt" with file and offset, and nothing is
// changed. One process at a time: Conflict "journal_in_use" with its pid.
//
// release() is a permission: segments are removed whole, the newest never, so records that were
// released may be read again after a restart. Who reads has to know what is settled.
//
// Thread: every call blocks on the disk, so loops go through Offload. Thread-compatible: one job at
// a time has the journal, stats() and readers included. Values in, values out:
//
//   auto work = [journal, records = std::move(gathered)]() -> Result<void> {
//       for (const std::string& record : records) TRY_VOID(journal->append(record));
//       return journal->sync();
//   };
//   auto durable = co_await net::offloaded(offload, std::move(work), deadline);
//
// The salt of a segment comes from the Env of the calling thread. Limits: JournalLimits.

#include "base/journal_files.h"
#include "base/journal_format.h"

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace holdfast {

struct JournalLimits {
    std::uint64_t segment_bytes = 8 << 20; ///< multiple of segment_header_bytes
    std::uint64_t bytes_max = 512 << 20;   ///< of all segments together
};
inline constexpr std::uint64_t segment_bytes_min = 128 << 10;

/// What open() found.
struct JournalRecovery {
    struct Cut {
        std::string file;
        std::uint64_t offset = 0;
        std::uint64_t bytes = 0;
    };
    std::uint64_t records = 0;
    std::optional<Cut> cut; ///< the torn tail, never synced
};

struct JournalStats {
    std::uint64_t oldest_sequence = 0; ///< still on disk; equals next_sequence when empty
    std::uint64_t next_sequence = 0;
    std::uint64_t synced_through = 0;
    std::uint64_t bytes = 0; ///< of the files; what may still be appended is limited by bytes_max
    std::uint64_t segments = 0;
};

class Journal;

/// The records that were there when it was made. Must not outlive its Journal.
class JournalReader {
  public:
    /// In order; empty behind the last. Skips what was released meanwhile.
    Result<std::optional<JournalRecord>> next();

  private:
    friend class Journal;
    JournalReader(const Journal& journal, std::uint64_t from, std::uint64_t through)
        : journal_(&journal), from_(from), through_(through) {}

    const Journal* journal_;
    std::uint64_t from_, through_;
    std::optional<SegmentReader> segment_;
};

class Journal {
  public:
    /// Further errors: Invalid "journal_limits", "journal_version", "journal_key_wrong",
    /// Io "journal_io".
    static Result<std::unique_ptr<Journal>> open(std::unique_ptr<JournalFiles> files,
                                                 const SecretString& secret,
                                                 JournalLimits limits = {});
    Journal(const Journal&) = delete;
    Journal& operator=(const Journal&) = delete;
    ~Journal() = default; ///< as kill -9 would; close() first

    /// The record's sequence. Error Invalid "journal_record_too_large".
    Result<std::uint64_t> append(std::string_view record);
    /// Everything appended so far is durable.
    Result<void> sync();
    /// From the first record on disk whose sequence is not below `from`.
    JournalReader read(std::uint64_t from) const;
    /// Removes the segments that hold only records up to `through`.
    Result<void> release(std::uint64_t through);
    /// Syncs; nothing can be appended afterwards. The directory is free when destroyed.
    Result<void> close();

    const JournalRecovery& recovery() const { return recovery_; }
    JournalStats stats() const;

  private:
    friend class JournalReader;
    struct Segment {
        std::uint64_t number = 0;
        std::uint64_t first_sequence = 0;
        std::uint64_t bytes = 0; ///< header and records
    };
    /// The last segment, while it is appended to.
    struct Current {
        std::unique_ptr<JournalFile> file;
        SegmentCipher cipher;
    };

    Journal(std::unique_ptr<JournalFiles> files, const SecretString& secret, JournalLimits limits);
    Result<void> recover();
    Result<void> recover_segment(std::uint64_t number, bool last);
    Result<void> begin_segment();
    Result<void> end_segment();
    Result<void> room_for_segment() const;
    std::unexpected<Error> end(const Error& cause);
    Result<SegmentReader> open_segment(const Segment& segment) const;

    std::unique_ptr<JournalFiles> files_;
    std::unique_ptr<JournalFiles::Lock> lock_;
    const JournalKey key_;
    const JournalLimits limits_;
    std::vector<Segment> segments_; ///< oldest first
    std::optional<Current> current_;
    std::uint64_t next_sequence_ = 1;
    std::uint64_t synced_through_ = 0;
    std::optional<Error> ended_; ///< what every later append and sync answers
    JournalRecovery recovery_;
};

/// Every record of a journal, oldest first, without taking it: of one that a process is writing to,
/// those that were there a moment ago. Changes nothing. An error of `each` ends it.
Result<void> read_journal(JournalFiles& files, const SecretString& secret,
                          const std::function<Result<void>(const JournalRecord&)>& each);

} // namespace holdfast
